"""Short texts go before the rest of long ones, and none waits for ever."""

from __future__ import annotations

import pytest

from services.chassis.models.triton_config import read_configuration
from services.language.tasks import scheduling
from services.language.tasks.scheduling import LEVELS, Pace, Turn
from tools.bootstrap import ROOT


def test_what_still_needs_less_goes_first():
    assert [Turn(tokens, 128).next(0) for tokens in (8, 32, 64, 128, 256, 1024, 128_000)] == [
        *(1, 1, 2, 3, 4, 6),
        LEVELS,
    ]


def test_a_long_text_goes_earlier_the_less_is_left_of_it():
    turn = Turn(8 * 128, 128)
    assert [turn.next(128) for _ in range(8)] == [6, 6, 6, 6, 5, 5, 4, 3]


def test_a_text_that_has_waited_goes_before_a_shorter_one_that_has_not(monkeypatch):
    now = 100.0
    monkeypatch.setattr(scheduling.time, "monotonic", lambda: now)
    long = Turn(64 * 128, 128)
    assert long.next(0) == 9
    now += 6.0
    assert long.next(0) < Turn(128, 128).next(0) + 1
    now += 60.0
    assert long.next(0) == 1


def test_calls_grow_as_far_as_the_model_is_fast():
    pace = Pace()
    assert 128 <= pace.tokens_per_call < 256
    pace.took(128, 5.0)  # it waited
    assert 128 <= pace.tokens_per_call < 256
    pace.took(1024, 0.03)
    assert pace.tokens_per_call == pytest.approx(2048, abs=1)


@pytest.mark.parametrize("name", ["clinical_ner", "note_embedding"])
def test_models_of_texts_have_the_levels(name):
    text = (ROOT / "triton_repo" / name / "config.pbtxt").read_text(encoding="utf-8")
    assert read_configuration(text).max_batch_count >= 8
    assert f"priority_levels: {LEVELS}\n" in text
