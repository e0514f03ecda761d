"""A training that was interrupted ends with the weights of one that was not, bit for bit; needs torch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("pandas", reason=f"pandas {NEEDED}")

from services.recommendation.features import FeatureEncoder, Treatment, Vocabulary  # noqa: E402 - torch decides whether there is anything to train
from training import checkpoint  # noqa: E402 - torch decides whether there is anything to train
from training.icu_outcome import train as icu  # noqa: E402 - torch decides whether there is anything to train
from training.icu_outcome.dataset import IcuData  # noqa: E402 - torch decides whether there is anything to train
from training.icu_outcome.preparation import HOUR_COUNT, STATIC_NAMES, VARIABLE_COUNT  # noqa: E402 - torch decides whether there is anything to train
from training.imaging import fitting  # noqa: E402 - torch decides whether there is anything to train
from training.imaging.efficientnet_lite import EfficientNetLite  # noqa: E402 - torch decides whether there is anything to train
from training.imaging.network import ImageNetwork  # noqa: E402 - torch decides whether there is anything to train
from training.patient_encoder import network as encoder  # noqa: E402 - torch decides whether there is anything to train
from training.treatment_ranker import network as ranker  # noqa: E402 - torch decides whether there is anything to train
from training.treatment_ranker.views import Views  # noqa: E402 - torch decides whether there is anything to train

PATIENTS = 40
EPOCHS = 3
MEDICATIONS = tuple(Treatment(f"rxnorm|{code}", "", "medication") for code in range(6))
VOCABULARY = Vocabulary(
    conditions=tuple(f"snomed|{code}" for code in range(5)),
    treatments=MEDICATIONS,
    procedures=("snomed|90",),
    allergies=("snomed|91",),
    observations=(("loinc|1", 5.0, 2.0),),
)
ENCODER = FeatureEncoder(VOCABULARY)


def flags(rng, *shape):
    return rng.random(shape) < 0.4


def left_by(path):
    """The last checkpoint: not only the best weights, which may be an early epoch's, but also the last ones
    and the optimiser's memory.
    """
    return torch.load(path, weights_only=True)


def train_ranker(path, **changes):
    rng = np.random.default_rng(1)
    features = flags(rng, PATIENTS, ENCODER.size).astype(np.float32)
    features[:, ENCODER.treatment_slice] = 0
    candidates = flags(rng, PATIENTS, len(MEDICATIONS))
    nothing, owner = np.zeros_like(candidates), np.arange(PATIENTS)
    whole = Views(features, nothing, candidates, np.zeros(PATIENTS, np.int64), owner)
    decision = dataclasses.replace(whole, before=flags(rng, PATIENTS, len(MEDICATIONS)) & ~candidates)
    recipe = ranker.Recipe(**{"hidden": 8, "batch": 16, "epochs": EPOCHS, **changes})
    network = ranker.train(whole, decision, ENCODER.treatment_slice, recipe, resume=path)
    return left_by(path) | {"returned": network.state_dict()}


def train_encoder(path, **changes):
    features = flags(np.random.default_rng(2), PATIENTS, ENCODER.size).astype(np.float32)
    recipe = encoder.Recipe(**{"hidden": 8, "batch": 8, "epochs": EPOCHS, **changes})
    network = encoder.train(features, ENCODER, recipe, resume=path)
    return left_by(path) | {"returned": network.state_dict()}


def train_icu(path, **changes):
    rng = np.random.default_rng(3)
    hourly = rng.normal(size=(PATIENTS, HOUR_COUNT, VARIABLE_COUNT)).astype(np.float32)
    hourly[rng.random(hourly.shape) < 0.7] = np.nan
    static = rng.normal(size=(PATIENTS, len(STATIC_NAMES))).astype(np.float32)
    died = (np.arange(PATIENTS) % 2).astype(np.int64)
    data = IcuData(np.arange(PATIENTS), hourly, static, died, np.full(PATIENTS, np.nan))
    recipe = icu.Recipe(**{"epoch_count": EPOCHS, "batch_size": 8, **changes})
    icu.train_network(data, np.arange(PATIENTS), path, recipe, "a network")
    return left_by(path)


def train_images(path, network=None, epochs=EPOCHS, patience=12, **changes):
    """An epoch of small images, then those of larger ones."""
    stages = (fitting.Stage(32, 1), fitting.Stage(64, epochs - 1))
    settings = fitting.FitSettings(
        stages=stages, batch=8, warmup_epochs=1, frozen_epochs=1, patience_epochs=patience, **changes
    )

    def images(side):
        return np.random.default_rng(side).integers(0, 256, (PATIENTS, side, side), dtype=np.uint8)

    torch.manual_seed(0)  # of the weights that training starts from
    network = (network or ImageNetwork)((4, 4, 8, 8), 2, drop_path=0.2, dropout=0.2)
    labelled = (images, np.arange(PATIENTS) % 2)
    average = fitting.fit(network, settings, labelled, path, labelled)
    return left_by(path) | {"returned": average.state_dict()}


def train_pretrained_images(path, **changes):
    return train_images(
        path, lambda _, classes, **options: EfficientNetLite(classes, 8, **options), **changes
    )


TRAINERS = {
    "treatment_ranker": train_ranker,
    "patient_encoder": train_encoder,
    "icu_outcome": train_icu,
    "images": train_images,
    "pretrained_images": train_pretrained_images,
}
each_trainer = pytest.mark.parametrize("train", TRAINERS.values(), ids=TRAINERS)


class Interruption(Exception):  # noqa: N818 - no error
    """What happens to a training."""


@pytest.fixture
def interrupt(monkeypatch):
    """`interrupt(call)` runs it until its `steps`-th step, none of which is taken."""
    backward = torch.Tensor.backward

    def run(call, steps):
        left = iter(range(steps - 1))

        def counted(*arguments, **options):
            if next(left, None) is None:
                raise Interruption
            return backward(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "backward", counted)
            with pytest.raises(Interruption):
                call()

    return run


def same(one, other):
    """Whether two states are equal bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@each_trainer
@pytest.mark.parametrize("steps", [2, 7, 12], ids=["first_epoch", "second_epoch", "third_epoch"])
def test_what_was_interrupted_ends_as_if_it_had_not_been(train, steps, tmp_path, interrupt):
    """In the middle of an epoch: of the first, which leaves nothing, and of later ones."""
    unbroken = train(tmp_path / "unbroken.ckpt")
    torch.manual_seed(99)  # a resumed training is another process: nothing may hang on the generators' state
    interrupt(lambda: train(tmp_path / "broken.ckpt"), steps)
    torch.rand(7)
    assert same(unbroken, train(tmp_path / "broken.ckpt"))


@each_trainer
def test_it_may_be_interrupted_again_and_again(train, tmp_path, interrupt):
    unbroken = train(tmp_path / "unbroken.ckpt")
    for _ in range(EPOCHS - 1):
        interrupt(lambda: train(tmp_path / "broken.ckpt"), 7)
    assert same(unbroken, train(tmp_path / "broken.ckpt"))


@each_trainer
def test_what_stopped_early_does_not_go_on(train, tmp_path):
    """As when the interruption comes after the training, while its checkpoint is still there."""
    path = tmp_path / "network.ckpt"
    many = "epoch_count" if train is train_icu else "epochs"
    stopped = train(path, patience=1, **{many: 200})
    content = path.read_bytes()
    assert stopped["epoch"] < 150
    assert same(stopped, train(path, patience=1, **{many: 200}))
    assert path.read_bytes() == content


@each_trainer
def test_another_seed_does_not_go_on_from_this_checkpoint(train, tmp_path):
    train(tmp_path / "network.ckpt")
    with pytest.raises(SystemExit, match="another recipe or seed"):
        train(tmp_path / "network.ckpt", seed=5)


def test_an_interruption_while_saving_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path, recipe = tmp_path / "network.ckpt", icu.Recipe()
    checkpoint.save(path, recipe, {"epoch": 1})

    def half(_, target):
        target.write_bytes(b"half of it")
        raise Interruption

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Interruption):
        checkpoint.save(path, recipe, {"epoch": 2})
    assert checkpoint.load(path, recipe)["epoch"] == 1
    assert checkpoint.load(tmp_path / "none.ckpt", recipe) is None


@pytest.fixture
def run_folder(tmp_path):
    """A whole training of the ICU prognosis with seed 1, of networks that learned nothing."""
    for fold in range(icu.FOLD_COUNT):
        for member in range(icu.MEMBER_COUNT):
            recipe = icu.Recipe(seed=icu.member_seed(1, member))
            state = {"epoch": recipe.epoch_count, "best_epoch": 9, "best": icu.IcuNetwork().state_dict()}
            checkpoint.save(icu.checkpoint_path(tmp_path, fold, member), recipe, state)
    return tmp_path


def test_networks_of_another_seed_are_not_measured(run_folder):
    """Other seeds have other folds: the figures would be of stays that training has seen."""
    assert [len(group) for group in icu.load_networks(run_folder, seed=1)] == [3] * 5
    with pytest.raises(SystemExit, match="another seed than 0"):
        icu.load_networks(run_folder, seed=0)


def test_networks_that_are_not_trained_to_their_end_are_not_measured(run_folder):
    path = icu.checkpoint_path(run_folder, 4, 2)
    recipe = icu.Recipe(seed=icu.member_seed(1, 2))
    checkpoint.save(path, recipe, {**checkpoint.load(path, recipe), "epoch": 10})
    with pytest.raises(SystemExit, match="not trained to its end"):
        icu.load_networks(run_folder, seed=1)
    path.unlink()
    with pytest.raises(SystemExit, match="is missing"):
        icu.load_networks(run_folder, seed=1)
