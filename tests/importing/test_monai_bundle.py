"""MONAI bundles: their metadata become the card, their transforms its steps; the rest is refused by name."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime {NEEDED}")

from google.protobuf import json_format  # noqa: E402 - torch decides whether there is anything to import

from medmesh.common.v1.model_card_pb2 import TensorContract  # noqa: E402 - as above
from medmesh.common.v1.serving_pb2 import ImagePreprocessing  # noqa: E402 - as above
from services.imaging.decoding import decode_image  # noqa: E402 - as above
from services.imaging.preprocessing.declared import compiled  # noqa: E402 - as above
from tests.importing import bundles  # noqa: E402 - as above
from training.importing import Refused, graph  # noqa: E402 - as above
from training.importing.importer import run  # noqa: E402 - as above
from training.importing.monai_bundle.source import MonaiBundle  # noqa: E402 - as above
from training.importing.monai_bundle.transforms import steps_of  # noqa: E402 - as above

COMPLETED = {
    "metrics": [{"case_count": 2, "measured_on": "two throws of a coin, seed 0"}],
    "datasets": [{"name": "none", "licence": "none", "population": "nobody"}],
}


def silent(_):
    """Nobody listens."""


def said(given, task, modalities=("XA",)):
    """What only a person knows of the bundles here."""
    known = {"summary", "intended_use", "architecture"}
    applies = {"applies_to": {"modalities": list(modalities), "body_parts": ["CHEST"]}}
    return {k: v for k, v in given.items() if k not in known} | COMPLETED | {"serving": {task: applies}}


def picture(height, width):
    """Noise in colour, as a PNG and as pixels; the two sides differ, and so do the halves."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels[: height // 2] //= 2
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue(), pixels


def served_tensor(source, task, image):
    """What the imaging service makes of an image by the card's steps."""
    declared = json_format.ParseDict(source.known["serving"][task]["preprocessing"], ImagePreprocessing())
    shape = source.examples()[0]["image"].shape[1:]
    return compiled(declared, TensorContract(name="image", datatype="FP32", shape=shape))(decode_image(image))


def test_the_metadata_become_the_card(tmp_path, order, given, repository):
    source = MonaiBundle(bundles.plane_classifier(tmp_path / "bundle"))
    run(order(given=said(given, "image_classification")), source, silent)
    card = json.loads((repository / "imported" / "metadata.json").read_text())
    assert card["version"] == "0.10.0"
    assert [change["version"] for change in card["changelog"]] == ["0.10.0", "0.2.1", "0.1.0"]
    assert card["summary"] == "A network of a test, with random weights."
    assert card["intended_use"] == "To try the import only, its answers mean nothing."
    assert card["architecture"].startswith("UNet, as the MONAI bundle A test has it")
    assert card["datasets"][0]["source"] == "none, the weights are random"
    assert (card["metrics"][0]["name"], card["metrics"][0]["value"]) == ("mean_dice", 0.5)
    task = card["serving"]["image_classification"]
    assert [label["name"] for label in task["labels"]] == ["normal", "pneumonia"]
    assert (task["exclusive"], task["activation"]) == (True, "ACTIVATION_SOFTMAX")
    assert card["inputs"][0]["shape"] == ["3", "36", "48"]  # rows and columns, where the bundle has x, y


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_plane_is_read_on_the_axes_that_the_network_learned(tmp_path, is_zip):
    """The bundle's network takes x, y; the service gives rows, columns; nothing is resized."""
    folder = bundles.plane_classifier(tmp_path / "bundle")
    source = MonaiBundle(bundles.zipped(folder, tmp_path / "bundle.zip") if is_zip else folder)
    file, pixels = picture(36, 48)
    ours = served_tensor(source, "image_classification", file)
    x_y = (pixels.transpose(2, 1, 0).astype(np.float32) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(ours, x_y.swapaxes(1, 2), atol=1e-5)
    source.export(tmp_path / "model.onnx")
    scores = graph.runner(tmp_path / "model.onnx")[0]({"image": ours[np.newaxis]})["scores"]
    with torch.inference_mode():
        expected = bundles.Classifier(3, 2, 48, 36)(torch.from_numpy(x_y[np.newaxis])).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_masks_come_back_as_rows_and_columns(tmp_path):
    source = MonaiBundle(bundles.plane_segmenter(tmp_path / "bundle"))
    source.export(tmp_path / "model.onnx")
    image = np.random.default_rng(1).random((1, 3, 36, 48), dtype=np.float32)
    with torch.inference_mode():
        x_y = bundles.Segmenter(3, 2, 2)(torch.from_numpy(image.swapaxes(2, 3).copy())).numpy()
    scores = graph.runner(tmp_path / "model.onnx")[0]({"image": image})["scores"]
    assert scores.shape == (1, 2, 36, 48)
    np.testing.assert_allclose(scores, x_y.swapaxes(2, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "task"),
    [
        (bundles.plane_segmenter, "image_segmentation"),
        (bundles.volume_segmenter, "image_segmentation"),
    ],
)
def test_a_segmentation_is_imported(tmp_path, order, given, repository, make, task):
    run(order(given=said(given, task)), MonaiBundle(make(tmp_path / "bundle")), silent)
    card = json.loads((repository / "imported" / "metadata.json").read_text())
    assert [label["meaning"] for label in card["serving"][task]["labels"]] == [
        "LABEL_MEANING_NORMAL",
        "LABEL_MEANING_FINDING",
    ]


def test_the_steps_of_a_volume_keep_their_axes(tmp_path):
    source = MonaiBundle(bundles.volume_segmenter(tmp_path / "bundle"))
    task = source.known["serving"]["image_segmentation"]
    assert task["extent"] == "IMAGE_EXTENT_VOLUME"
    assert task["applies_to"] == {"modalities": ["CT"]}
    steps = task["preprocessing"]["steps"]
    assert steps[:3] == [
        {"hounsfield": {}},
        {"orientation": {"axis_codes": "RAS"}},
        {"spacing": {"depth_mm": 2.0, "height_mm": 2.0, "width_mm": 3.0}},
    ]
    assert steps[3] == {"clip": {"min": -57.0, "max": 164.0}}
    scaled = steps[4]["rescale"]
    assert -57 * scaled["factor"] + scaled["offset"] == pytest.approx(0)
    assert 164 * scaled["factor"] + scaled["offset"] == pytest.approx(1)
    assert [steps[5]["resize"][side] for side in ("depth", "height_px", "width_px")] == [16, 20, 12]


def test_what_the_bundle_cannot_say_is_asked(tmp_path, order):
    with pytest.raises(Refused) as refused:
        run(order(given={}), MonaiBundle(bundles.plane_classifier(tmp_path / "bundle")), silent)
    for field in ("licence", "metrics.0.case_count", "datasets.0.population"):
        assert f"  {field}: " in str(refused.value)
    assert "serving.image_classification.applies_to.body_parts" in str(refused.value)
    assert "summary" not in str(refused.value)


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        ({"_target_": "CropForegroundd", "keys": "image"}, "uses CropForegroundd"),
        ({"_target_": "ScaleIntensityd", "keys": "image", "channel_wise": True}, "is given channel_wise"),
        ({"_target_": "Resized", "keys": "image", "spatial_size": "$@size"}, "takes an expression"),
        ({"_target_": "Resized", "keys": "image", "spatial_size": [-1, 36]}, "no sides"),
        ({"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True}, "nonzero"),
        ({"_target_": "Spacingd", "keys": "image", "pixdim": [1, 1, 1]}, "volume"),
        ("$@other", "is code and never run"),
    ],
)
def test_what_has_no_step_is_refused_by_name(transform, sentence):
    with pytest.raises(Refused, match=sentence):
        steps_of({"transforms": [transform]}, "image", 2, {"color": {}})


def test_a_volume_whose_axes_nobody_names_is_refused():
    with pytest.raises(Refused, match="Orientation"):
        steps_of({"transforms": []}, "image", 3, {"hounsfield": {}})


def test_transforms_of_other_keys_and_those_that_are_off_are_left_out():
    of_label = {"_target_": "Resized", "keys": "label", "spatial_size": [8, 8]}
    off = {"_target_": "Resized", "keys": "image", "spatial_size": [8, 8], "_disabled_": True}
    found = steps_of({"transforms": [of_label, off]}, "image", 2, {"color": {}})
    assert found.size is None


def test_windows_that_slide_are_refused_unless_one_is_the_whole_image(tmp_path):
    folder = bundles.plane_classifier(tmp_path / "bundle")
    path = folder / "configs" / "inference.json"
    configuration = json.loads(path.read_text())
    for roi, refused in (([48, 36], False), ([24, 36], True)):
        configuration["inferer"] = {"_target_": "SlidingWindowInferer", "roi_size": roi}
        path.write_text(json.dumps(configuration))
        if refused:
            with pytest.raises(Refused, match="infers by SlidingWindowInferer"):
                MonaiBundle(folder)
        else:
            MonaiBundle(folder)


def test_weights_that_need_code_are_refused(tmp_path):
    folder = bundles.plane_classifier(tmp_path / "bundle")
    (folder / "models" / "model.ts").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "models" / "model.pt")
    with pytest.raises(Refused, match="onnx_export"):
        MonaiBundle(folder)


def test_what_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    for path in (tmp_path / "x.zip", tmp_path):
        with pytest.raises(Refused, match=r"neither a folder nor a zip|metadata\.json is missing"):
            MonaiBundle(path)


@pytest.mark.filterwarnings("ignore")  # of the other project's imports
def test_steps_give_what_monai_gives(tmp_path):
    """MONAI's own transforms on the same file, to 1e-4. Its size is the input's: where MONAI shrinks, it does
    not average, and the card says so.
    """
    monai = pytest.importorskip("monai.transforms", reason="monai is not here: pip install monai")
    source = MonaiBundle(bundles.plane_classifier(tmp_path / "bundle"))
    transforms = json.loads((tmp_path / "bundle" / "configs" / "inference.json").read_text())["preprocessing"]
    file, _ = picture(36, 48)
    (tmp_path / "x.png").write_bytes(file)
    composed = monai.Compose(
        [
            getattr(monai, entry.pop("_target_"))(**{**entry, "keys": "image"})
            for entry in transforms["transforms"]
        ]
    )
    theirs = composed({"image": str(tmp_path / "x.png")})["image"].numpy()
    ours = served_tensor(source, "image_classification", file)
    np.testing.assert_allclose(ours, theirs.swapaxes(1, 2), atol=1e-4)
