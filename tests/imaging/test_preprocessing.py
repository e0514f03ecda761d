"""Each step of `image/1` does what its reference does: Pillow, a computation by hand, or Hugging Face's image
processors.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from services.chassis.errors import InvalidInput
from services.imaging.decoding import decode_image
from services.imaging.grey import apply_window, spread
from services.imaging.images import DecodedImage, FileFormat
from services.imaging.preprocessing.geometry import Seen, mask_over_image, over_image
from services.imaging.preprocessing.resizing import resized
from services.imaging.preprocessing.steps import Unfit
from tests.imaging import samples
from tests.imaging.preparations import BRAIN, STRETCHED, prepared

CHEST = samples.chest()
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (90, 140), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (90, 140, 3), dtype=np.uint8)


def grey_image(grey=CHEST, **more) -> DecodedImage:
    return DecodedImage(file_format=FileFormat.PNG, grey=grey, **more)


def test_the_square_of_todays_models_is_pillows_bilinear_one():
    tensor = prepared(STRETCHED, "UINT8", 1, 224, 224)(grey_image())
    expected = np.asarray(Image.fromarray(CHEST).resize((224, 224), Image.Resampling.BILINEAR))
    assert tensor.dtype == np.uint8
    assert np.array_equal(tensor, expected[np.newaxis])


def test_an_image_that_fits_is_passed_as_it_is():
    square = NOISE[:64, :64]
    steps = "steps { grey {} } steps { resize { height_px: 64 } }"
    assert np.array_equal(prepared(steps, "UINT8", 1, 64, 64)(grey_image(square))[0], square)


def test_a_large_image_is_averaged_not_sampled():
    checks = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(resized(checks, 128, 128).astype(int) - 127).max() < 8


@pytest.mark.parametrize("bad", [CHEST.astype(np.int16), CHEST[np.newaxis]])
def test_other_arrays_are_not_resized(bad):
    with pytest.raises(ValueError, match="expected uint8"):
        resized(bad, 64, 64)


@pytest.mark.parametrize(
    ("name", "filter_"),
    [
        ("NEAREST", Image.Resampling.NEAREST),
        ("BICUBIC", Image.Resampling.BICUBIC),
        ("LANCZOS", Image.Resampling.LANCZOS),
        ("AREA", Image.Resampling.BOX),
    ],
)
def test_each_interpolation_is_pillows(name, filter_):
    resize = f"resize {{ height_px: 31 width_px: 47 interpolation: INTERPOLATION_{name} }}"
    steps = f"steps {{ grey {{}} }} steps {{ {resize} }}"
    tensor = prepared(steps, "UINT8", 1, 31, 47)(grey_image(NOISE))
    assert np.array_equal(tensor[0], np.asarray(Image.fromarray(NOISE).resize((47, 31), filter_)))


def test_a_letterbox_keeps_the_shape_between_borders():
    white = np.full((50, 100), 255, np.uint8)
    steps = "steps { grey {} } steps { resize { height_px: 40 mode: MODE_LETTERBOX fill: 7 } }"
    preparation = prepared(steps, "UINT8", 1, 40, 40)
    expected = np.full((40, 40), 7)
    expected[10:30] = 255
    assert np.array_equal(preparation(grey_image(white))[0], expected)
    assert preparation.seen(50, 100) == Seen(-25, 0, 75, 100)


def test_a_centre_crop_takes_the_largest_rectangle_of_the_targets_shape():
    steps = "steps { grey {} } steps { resize { height_px: 30 mode: MODE_CENTER_CROP } }"
    preparation = prepared(steps, "UINT8", 1, 30, 30)
    expected = np.asarray(Image.fromarray(NOISE[:, 25:115]).resize((30, 30), Image.Resampling.BILINEAR))
    assert np.array_equal(preparation(grey_image(NOISE))[0], expected)
    assert preparation.seen(90, 140) == Seen(0, 25, 90, 115)


def test_the_shorter_side_is_scaled_and_the_middle_cropped():
    steps = (
        "steps { grey {} } steps { resize { height_px: 45 mode: MODE_SHORTEST_EDGE } } "
        "steps { center_crop { height_px: 40 width_px: 50 } }"
    )
    preparation = prepared(steps, "UINT8", 1, 40, 50)
    scaled = np.asarray(Image.fromarray(NOISE).resize((70, 45), Image.Resampling.BILINEAR))
    assert np.array_equal(preparation(grey_image(NOISE))[0], scaled[2:42, 10:60])
    seen = preparation.seen(90, 140)
    assert (seen.top, seen.left, seen.bottom, seen.right) == pytest.approx((4, 20, 84, 120))


def test_an_image_smaller_than_the_crop_is_refused():
    steps = "steps { grey {} } steps { center_crop { height_px: 100 } }"
    with pytest.raises(InvalidInput, match="smaller than the 100 by 100 pixels"):
        prepared(steps, "UINT8", 1, 100, 100)(grey_image(NOISE))


def test_values_are_clipped_scaled_and_shifted_by_hand():
    units = np.array([[-2000.0, -1000.0, 0.0, 500.0]], np.float32)
    steps = (
        "steps { hounsfield {} } steps { clip { min: -1000 max: 250 } } "
        "steps { rescale { factor: 0.002 offset: 1 } }"
    )
    tensor = prepared(steps, "FP32", 1, -1, -1)(grey_image(np.zeros((1, 4), np.uint8), hounsfield=units))
    assert tensor.dtype == np.float32
    assert tensor[0, 0] == pytest.approx([-1, -1, 1, 1.5])


def test_a_ct_window_is_black_below_and_white_above():
    units = np.array([[-1000, 0, 40, 80, 1000]], np.float32)
    assert apply_window(units, 40, 80).tolist() == [[0, 0, 128, 255, 255]]


def test_a_window_of_an_image_without_hounsfield_units_is_what_is_displayed_unless_required():
    assert np.array_equal(
        prepared(BRAIN, "UINT8", 1, 160, 160)(grey_image()), resized(CHEST, 160, 160)[np.newaxis]
    )
    required = BRAIN.replace("width_hu: 80", "width_hu: 80 required: true")
    for steps in (required, "steps { hounsfield {} } steps { resize { height_px: 160 } }"):
        datatype = "UINT8" if "window" in steps else "FP32"
        with pytest.raises(InvalidInput, match="Hounsfield units, which the model needs"):
            prepared(steps, datatype, 1, 160, 160)(grey_image())


def test_grey_is_inverted_before_it_is_scaled():
    steps = "steps { grey {} } steps { invert {} }"
    assert np.array_equal(prepared(steps, "UINT8", 1, -1, -1)(grey_image(NOISE))[0], 255 - NOISE)
    with pytest.raises(Unfit, match=r"steps\[2\].invert: only grey levels"):
        prepared("steps { grey {} } steps { rescale { factor: 1 } } steps { invert {} }", "FP32", 1, -1, -1)


def test_colours_are_normalised_by_channel_with_the_channels_last():
    steps = (
        "layout: LAYOUT_CHANNELS_LAST steps { color {} } steps { rescale { factor: 0.00392156862745098 } } "
        "steps { normalize { mean: [0.5, 0.4, 0.3] std: [0.2, 0.3, 0.4] } }"
    )
    image = grey_image(NOISE, rgb=COLOURS)
    tensor = prepared(steps, "FP32", -1, -1, 3)(image)
    assert tensor == pytest.approx((COLOURS / 255 - (0.5, 0.4, 0.3)) / (0.2, 0.3, 0.4), abs=1e-5)
    grey = prepared(steps, "FP32", -1, -1, 3)(grey_image(NOISE))
    assert grey[..., 0] == pytest.approx((NOISE / 255 - 0.5) / 0.2, abs=1e-5)


def test_an_image_is_standardised_by_itself_and_one_without_contrast_becomes_zero():
    steps = "steps { grey {} } steps { standardize {} }"
    tensor = prepared(steps, "FP32", 1, -1, -1)(grey_image(NOISE))
    assert (float(tensor.mean()), float(tensor.std())) == pytest.approx((0, 1), abs=1e-4)
    assert not prepared(steps, "FP32", 1, -1, -1)(grey_image(np.full((40, 40), 9, np.uint8))).any()


def test_the_images_own_range_becomes_the_given_one():
    steps = "steps { grey {} } steps { scale_intensity { min: -1 max: 3 } }"
    values = np.array([[10, 20, 60, 110]], np.uint8)
    tensor = prepared(steps, "FP32", 1, -1, -1)(grey_image(values))
    assert tensor[0, 0] == pytest.approx([-1, -0.6, 1, 3])
    flat = prepared(steps, "FP32", 1, -1, -1)(grey_image(np.full((40, 40), 9, np.uint8)))
    assert (flat == -1).all()


def test_the_grey_channel_is_repeated():
    tensor = prepared("steps { grey {} } steps { channels { count: 3 } }", "UINT8", 3, -1, -1)(
        grey_image(NOISE)
    )
    assert all(np.array_equal(tensor[channel], NOISE) for channel in range(3))


def test_half_precision_is_cast_at_the_end():
    tensor = prepared("steps { grey {} } steps { rescale { factor: 0.5 } }", "FP16", 1, -1, -1)(grey_image())
    assert tensor.dtype == np.float16


@pytest.mark.parametrize(
    ("steps", "datatype", "shape", "told"),
    [
        ("", "UINT8", (1, 8, 8), "steps: at least one"),
        ("steps { resize { height_px: 8 } }", "UINT8", (1, 8, 8), r"steps\[0\]: the first step"),
        ("steps { grey {} } steps { grey {} }", "UINT8", (1, 8, 8), r"steps\[1\]: grey is not known here"),
        ("steps { grey {} } steps {}", "UINT8", (1, 8, 8), r"steps\[1\]: an empty step"),
        ("steps { grey {} } steps { resize {} }", "UINT8", (1, 8, 8), "height_px must be at least 1"),
        ("steps { grey {} } steps { resize { height_px: 8 } }", "FP32", (1, 8, 8), "they give uint8"),
        ("steps { grey {} } steps { resize { height_px: 8 } }", "UINT8", (3, 8, 8), r"they give \[1, 8, 8\]"),
        ("steps { grey {} } steps { resize { height_px: 8 } }", "UINT8", (8, 8), r"they give \[1, 8, 8\]"),
        ("steps { grey {} }", "UINT8", (1, 8, 8), r"they give \[1, any, any\]"),
        (
            "steps { grey {} } steps { normalize { mean: [0, 0, 0] std: [1, 1, 1] } }",
            "FP32",
            (1, -1, -1),
            "3 means for 1 channels",
        ),
        (
            "steps { grey {} } steps { normalize { mean: 0 std: 0 } }",
            "FP32",
            (1, -1, -1),
            "every std must be above 0",
        ),
        (
            "steps { color {} } steps { channels { count: 3 } }",
            "UINT8",
            (3, -1, -1),
            "only a single channel",
        ),
        (
            "steps { grey {} } steps { resize { height_px: 8 depth: 4 } }",
            "UINT8",
            (1, 8, 8),
            "depth is for volumes",
        ),
        (
            "steps { grey {} } steps { resize { height_px: 8 } } steps { center_crop { height_px: 9 } }",
            "UINT8",
            (1, 9, 9),
            "8 pixels is shorter than the crop's 9",
        ),
        ("steps { window { center_hu: 40 } }", "UINT8", (1, -1, -1), "width_hu must be above 0"),
        ("steps { grey {} } steps { clip { min: 3 max: 3 } }", "UINT8", (1, -1, -1), "min must be below max"),
        ("steps { grey {} } steps { scale_intensity {} }", "FP32", (1, -1, -1), "min must be below max"),
    ],
)
def test_steps_that_do_not_hold_are_refused_when_the_model_is_loaded(steps, datatype, shape, told):
    with pytest.raises(Unfit, match=told):
        prepared(steps, datatype, *shape)


HUGGING_FACE = {
    "ViT": (
        {"do_resize": True, "size": {"height": 96, "width": 96}, "resample": 2},
        "steps { resize { height_px: 96 } }",
    ),
    "bicubic": (
        {"do_resize": True, "size": {"height": 64, "width": 80}, "resample": 3},
        "steps { resize { height_px: 64 width_px: 80 interpolation: INTERPOLATION_BICUBIC } }",
    ),
    "CLIP": (
        {
            "do_resize": True,
            "size": {"shortest_edge": 72},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": 64, "width": 64},
        },
        (
            "steps { resize { height_px: 72 mode: MODE_SHORTEST_EDGE interpolation: INTERPOLATION_BICUBIC } }"
            " steps { center_crop { height_px: 64 } }"
        ),
    ),
}


@pytest.mark.parametrize("name", HUGGING_FACE)
@pytest.mark.parametrize("picture", [COLOURS, COLOURS.swapaxes(0, 1).copy()], ids=["wide", "tall"])
def test_the_steps_of_a_preprocessor_config_give_hugging_faces_tensor(name, picture):
    transformers = pytest.importorskip("transformers", reason="transformers is not here: make test-training")
    settings, sizing = HUGGING_FACE[name]
    mean, std = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
    kind = transformers.CLIPImageProcessor if "do_center_crop" in settings else transformers.ViTImageProcessor
    processor = kind(
        **settings, do_rescale=True, rescale_factor=1 / 255, do_normalize=True, image_mean=mean, image_std=std
    )
    theirs = processor(Image.fromarray(picture), return_tensors="np")["pixel_values"][0]
    steps = (
        f"steps {{ color {{}} }} {sizing} steps {{ rescale {{ factor: {1 / 255!r} }} }} "
        f"steps {{ normalize {{ mean: {mean} std: {std} }} }}"
    )
    ours = prepared(steps, "FP32", *theirs.shape)(grey_image(picture[..., 0], rgb=picture))
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_values_without_contrast_become_black():
    assert not spread(np.full((40, 40), 7, np.float32)).any()


def test_the_same_radiograph_gives_the_same_tensor_whatever_its_file():
    prepare = prepared(STRETCHED, "UINT8", 1, 224, 224)
    as_png = prepare(decode_image(samples.picture(CHEST)))
    as_dicom = prepare(decode_image(samples.dicom(CHEST)))
    inverted = prepare(decode_image(samples.dicom(255 - CHEST, PhotometricInterpretation="MONOCHROME1")))
    assert np.array_equal(as_png, as_dicom)
    assert np.array_equal(as_png, inverted)


def test_a_ct_is_read_in_the_window_of_the_model_and_as_displayed_by_one_without():
    units = np.tile(np.linspace(-1000, 1000, 64), (64, 1)).astype(np.int16)
    image = decode_image(
        samples.dicom(units, Modality="CT", BodyPartExamined="HEAD", RescaleSlope=1, RescaleIntercept=0)
    )
    brain = prepared(BRAIN, "UINT8", 1, 160, 160)(image)
    windowed = apply_window(units.astype(np.float32), 40, 80)
    assert np.array_equal(brain[0], resized(windowed, 160, 160))
    assert not np.array_equal(brain[0], prepared(STRETCHED, "UINT8", 1, 224, 224)(image)[0, :160, :160])


def test_pixels_that_are_not_square_change_nothing_for_a_stretched_image():
    """Pixel Aspect Ratio is not applied: the whole image is stretched to the square either way."""
    tall = np.repeat(CHEST, 2, axis=0)
    there = resized(CHEST, 64, 64).astype(int)
    assert np.abs(resized(tall, 64, 64).astype(int) - there).mean() < 1


def test_a_heat_map_of_the_whole_image_is_passed_as_it_is():
    cells = RNG.random((7, 7), dtype=np.float32)
    assert over_image(cells, Seen(0, 0, 90, 140), 90, 140) is cells


def test_a_heat_map_of_a_crop_is_laid_where_the_model_looked():
    cells = np.zeros((4, 4), np.float32)
    cells[0, 0] = 1
    over = over_image(cells, Seen(0, 50, 100, 150), 100, 200)
    assert over.shape == (4, 8)
    assert over[0, 2] == 1
    assert not over[:, :2].any()
    assert not over[:, 6:].any()


def test_a_mask_of_a_letterboxed_input_leaves_its_borders_out():
    mask = np.zeros((8, 8), bool)
    mask[2:6, :4] = True  # the left half of an image twice as wide as high
    over = mask_over_image(mask, Seen(-50, 0, 150, 200), 100, 200)
    expected = np.zeros((100, 200), bool)
    expected[:, :100] = True
    assert np.array_equal(over, expected)


def test_training_reads_a_file_exactly_as_a_request_does(shared_data):
    data = pytest.importorskip("training.chest_xray.data")
    radiographs = data.load("val", shared_data)
    few = np.zeros(len(radiographs.files), bool)
    few[::100] = True
    chosen = radiographs.take(few)
    prepare = prepared(STRETCHED, "UINT8", 1, 224, 224)
    served = [prepare(decode_image(file.read_bytes()))[0] for file in chosen.files]
    assert np.array_equal(chosen.images(224), np.stack(served))
