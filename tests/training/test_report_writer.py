"""The writer's training goes on as if it had not been interrupted, and its graph writes what torch writes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("tokenizers", reason=f"tokenizers {NEEDED}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime {NEEDED}")
onnx = pytest.importorskip("onnx", reason=f"onnx {NEEDED}")

from training.report_writer import graph, tokenizer, train  # noqa: E402 - torch decides whether there is anything to train
from training.report_writer.examples import Encoder, Example  # noqa: E402 - torch decides whether there is anything to train
from training.report_writer.generation import GraphWriter  # noqa: E402 - torch decides whether there is anything to train
from training.report_writer.muon import orthogonal  # noqa: E402 - torch decides whether there is anything to train
from training.report_writer.network import Shape, Writer  # noqa: E402 - torch decides whether there is anything to train
from training.report_writer.notes import Note  # noqa: E402 - torch decides whether there is anything to train

VOCABULARY = 600
LUNGS = "The lungs are clear. " * 60
NOTES = [
    Note(
        str(number),
        "Radiology",
        "Chest",
        f"Chest film with a {number} mm nodule in the left lung.",
        f"HISTORY: {LUNGS}FINDINGS: There is a {number} mm nodule in the left lung. The heart is normal. "
        f"No effusion is seen. IMPRESSION: {number} mm nodule in the left lung.",
    )
    for number in range(3, 9)
]
RECIPE = train.Recipe(
    vocabulary=VOCABULARY,
    width=16,
    layers=2,
    heads=2,
    hidden=16,
    reading_steps=2,
    steps=5,
    warmup_steps=1,
    tokens_per_step=512,
)


@pytest.fixture(scope="module")
def tokens():
    return tokenizer.build((note.text for note in NOTES), VOCABULARY)


@pytest.fixture(scope="module")
def material(tokens):
    return train.Material(RECIPE, tokens, NOTES)


def trained(material, folder, until, recipe=RECIPE):
    folder.mkdir(exist_ok=True)
    training = train.Training(recipe, folder)
    while training.step < until:
        training.update(material, [0, 1], processes=1)
    training.save()
    return training


def test_a_training_that_was_interrupted_ends_as_one_that_was_not(material, tmp_path):
    unbroken = trained(material, tmp_path / "unbroken", 5)
    trained(material, tmp_path / "broken", 3)
    resumed = trained(material, tmp_path / "broken", 5)
    for name, weights in unbroken.network.state_dict().items():
        assert torch.equal(weights, resumed.network.state_dict()[name]), name
    other = train.Training(RECIPE, tmp_path / "nothing")
    assert not torch.equal(other.network.words.weight, resumed.network.words.weight)


def test_a_training_may_be_made_longer_until_its_rate_falls_and_not_after(material, tmp_path):
    longer = dataclasses.replace(RECIPE, steps=10)
    trained(material, tmp_path / "level", 3)
    assert train.Training(longer, tmp_path / "level").step == 3
    trained(material, tmp_path / "falling", 4)
    with pytest.raises(SystemExit, match="another recipe"):
        train.Training(longer, tmp_path / "falling")
    with pytest.raises(SystemExit, match="another recipe"):
        train.Training(dataclasses.replace(RECIPE, seed=8), tmp_path / "level")


def test_a_step_learns_what_it_sees(material, tmp_path):
    """The same step again and again: its loss falls, so the gradients are those of the loss."""
    training = train.Training(dataclasses.replace(RECIPE, steps=1000), tmp_path)
    losses = []
    for _ in range(12):
        training.step = 1
        losses.append(training.update(material, [0, 1], processes=1))
    assert losses[-1] < losses[0] - 0.5


@pytest.fixture(scope="module")
def network(tokens):
    torch.manual_seed(1)
    made = Writer(Shape(tokens.get_vocab_size(), 32, 2, 2, 32)).eval()
    for parameter in made.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return made


def by_torch(network, prompt, count, end):
    """Greedy decoding that reads everything again for each token: no cache."""
    ids = list(prompt)
    for _ in range(count):
        rows = torch.arange(len(ids))[None]
        hidden, _ = network(torch.tensor([ids]), torch.ones_like(rows), rows)
        chosen = int(network.logits(hidden[0, -1]).argmax())
        if chosen == end:
            break
        ids.append(chosen)
    return ids[len(prompt) :]


@pytest.mark.filterwarnings("ignore")  # of torch.onnx, of the exporter that is used throughout
def test_the_graph_writes_the_tokens_that_torch_writes(network, tokens, tmp_path):
    """Prompts of several lengths in one batch, padded on the left, with the cache kept."""
    tokens.save(str(tmp_path / "tokenizer.json"))
    graph.write(graph.to_onnx(network), tmp_path / "model.onnx")
    writer = GraphWriter(tmp_path / "model.onnx", tmp_path / "tokenizer.json")
    prompts = [[1, 50, 60, 2], [1, *range(100, 140), 2], [1, 7, 2]]
    answers = writer.continue_ids(prompts, 25)
    for prompt, answer in zip(prompts, answers, strict=True):
        assert list(answer.ids) == by_torch(network, prompt, 25, writer.encoder.end)
    assert len({answer.ids for answer in answers}) == 3


@pytest.mark.filterwarnings("ignore")
def test_int8_weights_are_within_half_a_step(network):
    model = graph.to_onnx(network)
    small = graph.with_int8_weights(model)
    before = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
    after = {weight.name: onnx.numpy_helper.to_array(weight) for weight in small.graph.initializer}
    made = [name.removesuffix(".int8") for name in after if name.endswith(".int8")]
    assert "network.words.weight" in made
    for name in made:
        scale = after[f"{name}.scale"]
        shaped = scale[:, None] if len(scale) == before[name].shape[0] else scale[None, :]
        assert np.abs(after[f"{name}.int8"] * shaped - before[name]).max() <= shaped.max() / 2 + 1e-6
        assert np.abs(after[f"{name}.int8"]).max() == 127
    assert small.ByteSize() < model.ByteSize()


def test_a_number_is_read_digit_by_digit_and_marks_stand_alone(tokens):
    encoder = Encoder(tokens)
    pieces = [tokens.id_to_token(number) for number in tokens.encode("12.5 cm").ids]
    assert pieces[:4] == ["1", "2", ".", "5"]
    assert encoder.prompt_ids("a") == tokens.encode("<|prompt|>a<|answer|>").ids
    text = "No effusion.\nβ 3 mm | side=left"
    assert tokens.decode(tokens.encode(text).ids) == text


def test_a_prompt_that_is_too_long_loses_its_end_and_keeps_its_mark(tokens):
    encoder = Encoder(tokens)
    made = encoder.sequence(Example("write: summary\n" + "lung " * 2000, "Clear."))
    assert len(made.ids) == 640
    answer = tokens.encode("Clear.").ids
    assert made.ids[-len(answer) - 2 :] == [encoder.answer, *answer, encoder.end]
    assert made.weights[-1] == 1.0
    assert made.weights[0] < 1.0


def test_the_step_of_a_matrix_turns_without_stretching():
    torch.manual_seed(0)
    for shape in ((8, 8), (4, 16), (16, 4)):
        singular = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert singular.min() > 0.4, shape
        assert singular.max() < 1.4, shape
