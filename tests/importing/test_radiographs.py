"""TorchXRayVision's network: its parameters, its scores, its folder; on random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not here: make test-training")

from tests.importing import checkpoints  # noqa: E402 - torch decides whether there is anything to import
from training.importing import Refused, graph  # noqa: E402 - torch decides whether there is anything to import
from training.importing.densenet import DenseNet121  # noqa: E402 - torch decides whether there is anything to import
from training.importing.importer import run  # noqa: E402 - torch decides whether there is anything to import
from training.importing.radiographs import FINDINGS, Radiographs, scaled  # noqa: E402 - torch decides whether there is anything to import


@pytest.fixture(scope="module")
def state_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "densenet121-res224-all.pt"
    torch.save(checkpoints.chest_state(), path)
    return path


def test_it_has_the_parameters_of_the_published_network():
    """7,978,856 in the form for colour images and 1,000 classes (torchvision's densenet121)."""
    assert sum(p.numel() for p in DenseNet121(channels=3, classes=1000).parameters()) == 7_978_856


def test_the_maps_are_the_logits_by_place():
    network = DenseNet121(channels=1, classes=18).eval()
    image = scaled(torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8))
    with torch.inference_mode():
        np.testing.assert_allclose(network.maps(image).mean(dim=(2, 3)), network(image), atol=1e-4)


def test_black_and_white_come_to_the_range_of_the_published_normalisation():
    assert scaled(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1024, 1024]


def test_the_whole_import(state_file, order, given, repository):
    facts = {
        field: given[field] for field in ("intended_use", "licence", "limitations", "datasets", "metrics")
    }
    said = []
    run(
        order("findings", given=facts, origin=state_file),
        Radiographs(state_file, None, thresholdless=False),
        said.append,
    )
    card = json.loads((repository / "findings" / "metadata.json").read_text())
    task = card["serving"]["image_classification"]
    thresholds = torch.load(state_file, weights_only=True)["op_threshs"]
    assert [label["name"] for label in task["labels"]] == FINDINGS
    np.testing.assert_allclose([label["threshold"] for label in task["labels"]], thresholds, atol=1e-6)
    assert task["labels"][7]["concepts"][0]["code"] == "60046008"  # pleural effusion
    assert (repository / "findings" / "labels.txt").read_text().split() == FINDINGS
    shapes = {t["name"]: t["shape"] for t in card["outputs"]}
    assert shapes == {"probabilities": ["18"], "activation_map": ["18", "7", "7"]}
    assert card["inputs"][0] | {"description": ""} == {
        "name": "image",
        "datatype": "UINT8",
        "shape": ["1", "224", "224"],
        "description": "",
    }
    assert sum(line.startswith("parity of") for line in said) == 2
    assert "7.0 M parameters" in card["architecture"]


def test_findings_that_were_never_trained_are_left_out(tmp_path):
    state = checkpoints.chest_state()
    state["op_threshs"][[2, 17]] = float("nan")
    torch.save(state, tmp_path / "nih.pt")
    source = Radiographs(tmp_path / "nih.pt", None, thresholdless=False)
    kept = [i for i in range(18) if i not in {2, 17}]
    labels = source.known["serving"]["image_classification"]["labels"]
    assert [label["name"] for label in labels] == [FINDINGS[i] for i in kept]
    image = {"image": np.random.default_rng(1).integers(0, 256, (1, 1, 224, 224), dtype=np.uint8)}
    torch.save(checkpoints.chest_state(), tmp_path / "all.pt")
    whole = Radiographs(tmp_path / "all.pt", None, thresholdless=False).reference(image)
    np.testing.assert_allclose(
        source.reference(image)["probabilities"], whole["probabilities"][:, kept], atol=1e-6
    )


def test_weights_without_thresholds_need_a_word(tmp_path):
    torch.save(checkpoints.chest_state(thresholds=False), tmp_path / "plain.pt")
    with pytest.raises(Refused, match="--without-thresholds"):
        Radiographs(tmp_path / "plain.pt", None, thresholdless=False)
    source = Radiographs(tmp_path / "plain.pt", None, thresholdless=True)
    labels = source.known["serving"]["image_classification"]["labels"]
    assert all("threshold" not in label for label in labels)


def test_code_in_a_weight_file_is_never_run(tmp_path):
    """The project publishes pickled modules: reading one would run what it names."""
    torch.save(DenseNet121(channels=1, classes=1), tmp_path / "module.pt")
    with pytest.raises(Refused, match=r"never run(.|\n)*state_dict\(\)"):
        Radiographs(tmp_path / "module.pt", None, thresholdless=False)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"classifier.weight": torch.zeros(18, 3), "op_threshs": torch.ones(18)}, tmp_path / "x.pt")
    with pytest.raises(Refused, match="no one-channel DenseNet-121"):
        Radiographs(tmp_path / "x.pt", None, thresholdless=False)
    torch.save(checkpoints.chest_state(findings=4), tmp_path / "four.pt")
    with pytest.raises(Refused, match="4 findings and 0 are named"):
        Radiographs(tmp_path / "four.pt", None, thresholdless=False)


@pytest.mark.filterwarnings("ignore")  # of the other project's imports
def test_it_computes_what_torchxrayvision_computes(state_file, tmp_path):
    xrv = pytest.importorskip(
        "torchxrayvision", reason="torchxrayvision is not here: pip install torchxrayvision"
    )
    theirs = xrv.models.DenseNet(num_classes=18, in_channels=1, weights=None)
    state = torch.load(state_file, weights_only=True)
    theirs.op_threshs = state.pop("op_threshs")
    theirs.load_state_dict(state, strict=False)
    source = Radiographs(state_file, None, thresholdless=False)
    source.export(tmp_path / "model.onnx")
    image = np.random.default_rng(2).integers(0, 256, (2, 1, 224, 224), dtype=np.uint8)
    with torch.inference_mode():
        expected = theirs.eval()(
            torch.from_numpy(np.stack([xrv.utils.normalize(i, 255) for i in image]))
        ).numpy()
    ours = graph.runner(tmp_path / "model.onnx")[0]({"image": image})["probabilities"]
    t = theirs.op_threshs.numpy()  # their scores are stretched so that each threshold comes to 0.5
    stretched = np.where(ours < t, ours / (2 * t), 1 - (1 - ours) / (2 * (1 - t)))
    np.testing.assert_allclose(stretched, expected, atol=1e-5)
