"""The orchestrator keeps its promises under virtual time, whatever a seed lets fail; each seed plays the same
again.
"""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.faults import simulation, virtual_time

SEEDS = 300
"""Here; `make simulation` plays 20,000."""


@pytest.fixture
def _quiet(caplog):
    caplog.set_level("CRITICAL", "medmesh")


@pytest.mark.usefixtures("_quiet")
def test_no_seed_breaks_a_promise(tmp_path):
    assert {seed: found for seed in range(SEEDS) if (found := simulation.broken(seed, tmp_path))} == {}


@pytest.mark.usefixtures("_quiet")
def test_a_seed_plays_the_same_again_and_most_of_what_can_happen_happens(tmp_path):
    def played(seed: int) -> list[tuple]:
        world = simulation.World(random.Random(seed))
        virtual_time.run(simulation.play(world, tmp_path))
        return [(call.outcome, call.began_s, call.ended_s) for call in world.calls]

    first = {seed: played(seed) for seed in range(20)}
    assert first == {seed: played(seed) for seed in range(20)}
    outcomes = {outcome for calls in first.values() for outcome, *_ in calls}
    assert {"COMPLETE", "PARTIAL", "UNAVAILABLE/UPSTREAM_UNAVAILABLE"} <= outcomes
    assert {"DEADLINE_EXCEEDED/DEADLINE_EXCEEDED", "UNAVAILABLE/RECEIPT_NOT_WRITTEN"} <= outcomes


def test_hours_pass_in_moments_and_in_order():
    async def hours() -> tuple[list[str], float]:
        heard: list[str] = []

        async def say(word: str, after_s: float) -> None:
            await asyncio.sleep(after_s)
            heard.append(word)

        await asyncio.gather(say("late", 7200), say("early", 3600), say("now", 0))
        return heard, time.monotonic()

    began = time.monotonic()
    assert virtual_time.run(hours()) == (["now", "early", "late"], 7200)
    assert time.monotonic() - began < 60


def test_who_waits_for_nothing_is_found():
    with pytest.raises(virtual_time.StuckError):
        virtual_time.run(asyncio.Event().wait())


def test_what_a_thread_is_asked_for_is_done_at_once_and_fails_as_it_would_there():
    async def ask() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 7)

    assert virtual_time.run(ask()) == 7
