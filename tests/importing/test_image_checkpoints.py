"""Hugging Face image classifiers: their processors' files become the same tensor by the steps of a card."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
transformers = pytest.importorskip("transformers", reason=f"transformers {NEEDED}")

from google.protobuf import json_format  # noqa: E402 - torch decides whether there is anything to import

from medmesh.common.v1.model_card_pb2 import TensorContract  # noqa: E402 - as above
from medmesh.common.v1.serving_pb2 import ImagePreprocessing  # noqa: E402 - as above
from services.imaging.decoding import decode_image  # noqa: E402 - as above
from services.imaging.preprocessing.declared import compiled  # noqa: E402 - as above
from tests.importing import pictures_made  # noqa: E402 - as above
from training.importing import Refused, graph  # noqa: E402 - as above
from training.importing.huggingface.image_classifier import ImageClassifier  # noqa: E402 - as above
from training.importing.huggingface.image_processor import steps_of  # noqa: E402 - as above
from training.importing.importer import run  # noqa: E402 - as above

TASK = "image_classification"
each_family = pytest.mark.parametrize("family", pictures_made.FAMILIES)


def silent(_):
    """Nobody listens."""


def picture(height=75, width=60):
    """A coloured gradient with noise, as a PNG, and its pixels."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, height * width * 3).reshape(height, width, 3)
    pixels = (ramp + rng.integers(0, 55, ramp.shape)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue(), pixels


def served_tensor(source):
    """What the imaging service makes of the picture by the card's steps."""
    task = source.known["serving"][TASK]
    declared = json_format.ParseDict(task["preprocessing"], ImagePreprocessing())
    shape = source.examples()[0]["pixel_values"].shape[1:]
    contract = TensorContract(name="pixel_values", datatype="FP32", shape=shape)
    return compiled(declared, contract)(decode_image(picture()[0]))


@each_family
def test_steps_and_network_give_what_transformers_gives(family, tmp_path):
    """On one image: the tensor to 1e-5 (rounding), the logits to 1e-4."""
    folder = pictures_made.classifier(tmp_path / family, family)
    source = ImageClassifier(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    theirs = processor(images=Image.fromarray(picture()[1]), return_tensors="pt")
    ours = served_tensor(source)
    np.testing.assert_allclose(ours, theirs["pixel_values"][0], atol=1e-5)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(**theirs).logits.numpy()
    source.export(tmp_path / "model.onnx")
    logits = graph.runner(tmp_path / "model.onnx")[0]({"pixel_values": ours[np.newaxis]})["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_the_whole_import(tmp_path, order, given, repository):
    source = ImageClassifier(pictures_made.classifier(tmp_path / "vit"))
    given["serving"] = {TASK: {"applies_to": {"modalities": ["DX"], "body_parts": ["CHEST"]}}}
    run(order(given=given), source, silent)
    card = json.loads((repository / "imported" / "metadata.json").read_text())
    task = card["serving"][TASK]
    assert [label["name"] for label in task["labels"]] == ["normal", "pneumonia", "pleural_effusion"]
    assert task["labels"][0]["meaning"] == "LABEL_MEANING_NORMAL"
    assert task["labels"][2]["concepts"][0]["code"] == "60046008"
    assert (task["exclusive"], task["activation"]) == (True, "ACTIVATION_SOFTMAX")
    assert task["applies_to"] == {"modalities": ["DX"], "body_parts": ["CHEST"]}


def test_what_it_is_for_is_asked(tmp_path, order, given):
    with pytest.raises(Refused, match=r"applies_to.body_parts: Which body parts"):
        run(order(given=given), ImageClassifier(pictures_made.classifier(tmp_path / "vit")), silent)


def test_labels_that_nobody_named_are_asked_for(tmp_path):
    nameless = {n: f"LABEL_{n}" for n in range(2)}
    folder = pictures_made.classifier(tmp_path / "vit", id2label=nameless, label2id={})
    source = ImageClassifier(folder)
    assert f"serving.{TASK}.labels" in source.questions
    assert "labels" not in source.known["serving"][TASK]


def test_several_labels_at_once_are_read_by_the_logistic_function(tmp_path):
    folder = pictures_made.classifier(tmp_path / "vit", problem_type="multi_label_classification")
    task = ImageClassifier(folder).known["serving"][TASK]
    assert (task["exclusive"], task["activation"]) == (False, "ACTIVATION_SIGMOID")


@pytest.mark.parametrize(
    ("size", "sides"),
    [(224, (224, 224)), ({"height": 20, "width": 30}, (20, 30))],
)
def test_every_form_of_a_size_is_read(size, sides):
    config = {"do_resize": True, "size": size, "resample": 2}
    made = steps_of(config, 3)
    assert (made.height_px, made.width_px) == sides
    assert made.steps[1]["resize"]["mode"] == "MODE_STRETCH"


def test_convnext_stretches_large_images_and_crops_small_ones():
    config = {"do_resize": True, "resample": 3, "crop_pct": 0.875, "size": {"shortest_edge": 384}}
    assert steps_of(config, 3, is_convnext=True).steps[1]["resize"]["mode"] == "MODE_STRETCH"
    small = steps_of(config | {"size": {"shortest_edge": 224}}, 3, is_convnext=True).steps
    assert small[1]["resize"]["height_px"] == 256
    assert small[2]["center_crop"] == {"height_px": 224, "width_px": 224}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"do_pad": True}, "do_pad"),
        ({"resample": 5}, "resample"),
        ({"size": {"longest_edge": 224}}, "longest_edge"),
        ({"size": {"shortest_edge": 224}}, "different sizes"),
        (
            {"size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": 32},
            "larger than the image",
        ),
    ],
)
def test_what_has_no_step_is_refused_by_name(changes, sentence):
    config = {"do_resize": True, "size": 224, "resample": 2} | changes
    with pytest.raises(Refused, match=sentence):
        steps_of(config, 3)


def test_a_processor_without_counterpart_is_refused_by_name(tmp_path):
    folder = pictures_made.classifier(
        tmp_path / "vit", processor={"image_processor_type": "LevitImageProcessor"}
    )
    with pytest.raises(Refused, match="LevitImageProcessor"):
        ImageClassifier(folder)


def test_without_the_processors_file_there_is_no_import(tmp_path):
    folder = pictures_made.classifier(tmp_path / "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(Refused, match=r"preprocessor_config\.json"):
        ImageClassifier(folder)
