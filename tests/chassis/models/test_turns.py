"""Calls wait for a model by their priority, and none is lost when one of them is cancelled."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.chassis.models.turns import Turns


async def asking(turns, order, priority, name, caller=""):
    await turns.take(priority, caller)
    order.append(name)


async def test_the_lowest_priority_goes_first_and_then_who_came_first():
    turns, order = Turns(), []
    await turns.take(0, "")
    arrivals = [(3, "bulk"), (2, "first"), (1, "urgent"), (2, "second")]
    tasks = [asyncio.ensure_future(asking(turns, order, *arrival)) for arrival in arrivals]
    await asyncio.sleep(0)
    for _ in tasks:
        turns.give_back()
        await asyncio.sleep(0.001)
    assert order == ["urgent", "first", "second", "bulk"]


async def test_callers_share_whoever_asks_more():
    turns, order = Turns(), []
    await turns.take(0, "many")
    arrivals = [("many", f"many {n}") for n in range(6)]
    arrivals += [("one", "one 0"), ("two", "two 0"), ("one", "one 1")]
    tasks = [asyncio.ensure_future(asking(turns, order, 0, name, caller)) for caller, name in arrivals]
    await asyncio.sleep(0)
    for count in range(9):
        turns.give_back()
        await asyncio.sleep(0.001)
        if count == 3:  # the sharing goes on where it was for those that come later
            tasks.append(asyncio.ensure_future(asking(turns, order, 0, "late", "late")))
            await asyncio.sleep(0)
    turns.give_back()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    first = ["many 0", "one 0", "two 0"]
    assert order[:4] == [*first, "many 1"]
    assert order[4:6] in (["one 1", "late"], ["late", "one 1"])
    assert order[6:] == ["many 2", "many 3", "many 4", "many 5"]


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_so_many_at_a_time(at_once):
    turns, order = Turns(), []
    turns.allow(at_once)
    tasks = [asyncio.ensure_future(asking(turns, order, 0, name)) for name in range(7)]
    await asyncio.sleep(0.001)
    assert order == [*range(at_once)]
    turns.allow(7)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert order == [*range(7)]


async def test_fewer_from_now_on():
    turns, order = Turns(), []
    turns.allow(3)
    for _ in range(3):
        await turns.take(0, "")
    turns.allow(1)
    task = asyncio.ensure_future(asking(turns, order, 0, "next"))
    for _ in range(2):
        turns.give_back()
        await asyncio.sleep(0.001)
    assert not order
    turns.give_back()
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("seed", range(20))
async def test_cancelled_at_any_moment_no_turn_is_lost(seed):
    chance, turns = random.Random(seed), Turns()
    turns.allow(2)
    held = 0

    async def caller():
        nonlocal held
        await turns.take(chance.randrange(3), chance.choice("ab"))
        held += 1
        assert held <= 2
        try:
            await asyncio.sleep(0)
        finally:
            held -= 1
            turns.give_back()

    tasks = [asyncio.ensure_future(caller()) for _ in range(50)]
    while not all(task.done() for task in tasks):
        chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert not [task for task in tasks if not task.cancelled() and task.exception()]
    await asyncio.wait_for(asyncio.gather(turns.take(0, ""), turns.take(0, "")), 5)
