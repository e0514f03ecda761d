"""Hugging Face folders of the BERT family, with random weights: exported, compared, refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("transformers", reason=f"transformers {NEEDED}")

from tests.importing import checkpoints  # noqa: E402 - torch decides whether there is anything to import
from tests.importing.conftest import without  # noqa: E402 - torch decides whether there is anything to import
from training.importing import Refused, graph  # noqa: E402 - torch decides whether there is anything to import
from training.importing.huggingface.sentence_encoder import SentenceEncoder  # noqa: E402 - torch decides whether there is anything to import
from training.importing.huggingface.token_classifier import TokenClassifier  # noqa: E402 - torch decides whether there is anything to import
from training.importing.importer import run  # noqa: E402 - torch decides whether there is anything to import

each_family = pytest.mark.parametrize("family", checkpoints.FAMILIES)


def silent(_):
    """Nobody listens."""


@each_family
def test_a_token_classifier_comes_with_its_labels_and_its_tokenizer(
    family, tmp_path, order, given, repository
):
    folder = checkpoints.tagger(tmp_path / family, family)
    said = []
    run(order(given=without(given, "architecture", "licence")), TokenClassifier(folder), said.append)
    made = repository / "imported"
    card = json.loads((made / "metadata.json").read_text())
    task = card["serving"]["token_classification"]
    assert task["labels"] == list(checkpoints.LABELS)
    assert task["entity_types"] == [{"label": "Disease", "type": "DISEASE"}]
    assert (task["scheme"], task["piece_aggregation"]) == ("TAGGING_SCHEME_IOB2", "PIECE_AGGREGATION_FIRST")
    assert task["preprocessing"]["max_token_count"] == (62 if family == "roberta" else 64)
    assert (task["languages"], card["licence"]) == (["en"], "apache-2.0")
    assert card["outputs"][0]["shape"] == ["-1", "3"]
    assert card["inputs"][0]["shape"] == ["-1"]
    assert card["architecture"].startswith(f"{family} of 2 layers, 32 wide")
    assert (made / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert any(line.startswith("parity of logits") for line in said)


@each_family
def test_a_sentence_encoder_gives_the_mean_of_its_tokens_at_unit_length(family, tmp_path):
    source = SentenceEncoder(checkpoints.encoder(tmp_path / family, family))
    source.export(tmp_path / "model.onnx")
    run_onnx, _ = graph.runner(tmp_path / "model.onnx")
    for inputs in source.examples():
        embedding = run_onnx(inputs)["embedding"]
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
        with torch.inference_mode():
            hidden = source.network.model(**{name: torch.from_numpy(a) for name, a in inputs.items()})[
                0
            ].numpy()
        means = [
            row[mask == 1].mean(axis=0) for row, mask in zip(hidden, inputs["attention_mask"], strict=True)
        ]
        np.testing.assert_allclose(embedding, [m / np.linalg.norm(m) for m in means], atol=1e-4)


def test_padding_changes_nothing(tmp_path):
    source = SentenceEncoder(checkpoints.encoder(tmp_path / "bert"))
    source.export(tmp_path / "model.onnx")
    run_onnx, _ = graph.runner(tmp_path / "model.onnx")
    ids, mask = np.array([[2, 7, 9, 3]]), np.ones((1, 4), np.int64)
    padded = {"input_ids": np.pad(ids, ((0, 0), (0, 12))), "attention_mask": np.pad(mask, ((0, 0), (0, 12)))}
    short = run_onnx({"input_ids": ids, "attention_mask": mask})["embedding"]
    np.testing.assert_allclose(run_onnx(padded)["embedding"], short, atol=1e-5)


def test_what_the_folder_cannot_say_is_asked_for(tmp_path, order):
    folder = checkpoints.encoder(tmp_path / "bert")
    (folder / "README.md").unlink()
    with pytest.raises(Refused) as refused:
        run(order(given={}), SentenceEncoder(folder), silent)
    for field in (
        "summary",
        "serving.text_embedding.languages",
        "intended_use",
        "licence",
        "datasets.0.population",
        "metrics.0.value",
    ):
        assert f"  {field}: " in str(refused.value)
    assert "architecture" not in str(refused.value)


def test_an_encoder_is_no_token_classifier(tmp_path):
    """transformers would fill the missing layer with random numbers and go on."""
    with pytest.raises(Refused, match="no weights for classifier"):
        TokenClassifier(checkpoints.encoder(tmp_path / "bert"))


def test_code_in_the_folder_is_never_run(tmp_path):
    folder = checkpoints.encoder(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling.Mine"}}))
    (folder / "modeling.py").write_text("raise SystemExit('ran')")
    with pytest.raises(Refused, match="never run"):
        SentenceEncoder(folder)


def test_weights_of_plain_tensors_are_read_and_code_among_them_is_never_run(tmp_path):
    folder = checkpoints.encoder(tmp_path / "bert")
    safe = SentenceEncoder(folder)
    inputs = safe.examples()[0]
    (folder / "model.safetensors").unlink()
    torch.save(safe.network.model.state_dict(), folder / "pytorch_model.bin")
    plain = SentenceEncoder(folder).reference(inputs)
    np.testing.assert_array_equal(plain["embedding"], safe.reference(inputs)["embedding"])
    torch.save({"weight": Trap(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(Refused, match="never run"):
        SentenceEncoder(folder)
    assert not (tmp_path / "ran").exists()


class Trap:
    """Unpickling it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_a_sentence_is_pooled_as_its_folder_says_and_other_ways_are_refused(tmp_path):
    mean, first = (checkpoints.encoder(tmp_path / mode) for mode in ("mean_tokens", "cls_token"))
    checkpoints.pooled_by(mean, "mean_tokens")
    checkpoints.pooled_by(first, "cls_token")
    inputs = SentenceEncoder(mean).examples()[0]
    points = [SentenceEncoder(folder).reference(inputs)["embedding"] for folder in (mean, first)]
    assert np.abs(points[0] - points[1]).max() > 0.01
    other = checkpoints.encoder(tmp_path / "max_tokens")
    checkpoints.pooled_by(other, "max_tokens")
    with pytest.raises(Refused, match="pooled by max"):
        SentenceEncoder(other)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(tmp_path, name):
    folder = checkpoints.encoder(tmp_path / "bert")
    (folder / name).unlink()
    with pytest.raises(Refused, match=name):
        SentenceEncoder(folder)


def test_a_tokenizer_of_another_network_is_refused(tmp_path):
    folder = checkpoints.encoder(tmp_path / "bert")
    checkpoints.wordpiece(folder / "tokenizer.json", tokens=2200)
    with pytest.raises(Refused, match="2200 tokens, the network 2100"):
        SentenceEncoder(folder)
