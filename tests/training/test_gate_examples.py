"""What the gate learns from: spoiled, mildly changed and drawn images."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not here: make test-training")
pytest.importorskip("matplotlib", reason="matplotlib is not here: make test-training")

from services.imaging.tasks.gate import Rejection
from training.image_gate import flaws, mild, phantoms
from training.image_gate.columns import FLAWS, GATE_LABELS, GATE_SIDE_PX
from training.image_gate.data import CONDITIONS, FOREIGN, KINDS, UNKNOWN, Counts, training_examples
from training.image_gate.held_out_flaws import HELD_OUT, HELD_OUT_DRAWINGS, HELD_OUT_MILD

SPOILS = {**flaws.FLAWS, "mild": mild.mild} | {
    spoil.__name__: spoil for spoils in (*HELD_OUT.values(), HELD_OUT_MILD) for spoil in spoils
}
DRAWN = phantoms.OF_HEADS | phantoms.OF_CHESTS | phantoms.OF_OTHER_PARTS
DRAWS = DRAWN | {draw.__name__: draw for draw in HELD_OUT_DRAWINGS}


@pytest.fixture(scope="module")
def greys():
    """Clouds with a dark rim, upright and lying: enough structure to be spoiled."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[-1:1:256j, -1:1:204j]
    clouds = phantoms.fractal_noise(rng)
    upright = (np.resize(clouds, x.shape) * np.clip(1.2 - x**2 - y**2, 0, 1)).astype(np.uint8)
    return [upright, np.ascontiguousarray(upright.T)]


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoiled_image_is_grey_and_the_seed_decides_it(name, greys):
    for grey in greys:
        before = grey.copy()
        for seed in range(5):
            once, again = (SPOILS[name](grey, np.random.default_rng(seed)) for _ in range(2))
            assert (once.dtype, once.ndim) == (np.uint8, 2)
            assert min(once.shape) >= 32
            assert np.array_equal(once, again)
        assert np.array_equal(grey, before)


@pytest.mark.parametrize("name", DRAWS)
def test_a_drawing_is_grey_and_not_flat(name):
    rng = np.random.default_rng(3)
    for _ in range(5):
        drawn = DRAWS[name](rng)
        assert (drawn.dtype, drawn.ndim) == (np.uint8, 2)
        assert drawn.std() > 5


def test_a_cover_hides_what_one_would_miss(greys):
    rng = np.random.default_rng(0)
    for _ in range(40):
        changed = np.abs(flaws.covered(greys[0], rng).astype(int) - greys[0]) >= flaws.VISIBLE
        assert changed.mean() >= flaws.SMALLEST_COVER


def test_what_is_measured_on_is_not_what_is_trained_with():
    held = {draw.__name__ for draw in (*HELD_OUT_DRAWINGS, *HELD_OUT_MILD)}
    held |= {spoil.__name__ for spoils in HELD_OUT.values() for spoil in spoils}
    assert not held & ({*DRAWN} | {*vars(flaws)} | {*vars(mild)})


def test_every_question_is_asked_and_unknown_answers_are_marked(greys):
    counts = Counts(chest=60, head=30, drawn=8, foreign=9, pieces=4)
    examples = training_examples(greys, greys, 0, counts)
    assert examples.images.shape == (111, GATE_SIDE_PX, GATE_SIDE_PX)
    assert examples.targets.shape == (111, len(GATE_LABELS))
    assert (examples.targets[:, KINDS].sum(axis=1) == 1).all()
    medical = examples.targets[:98, CONDITIONS]
    assert (medical.sum(axis=1) == 1).all()
    assert medical.any(axis=0).all()
    assert medical[90:, -1].all()
    assert FLAWS[-1] is Rejection.DRAWN
    assert (examples.targets[98:] == FOREIGN).all()
    assert (FOREIGN[CONDITIONS] == UNKNOWN).all()
