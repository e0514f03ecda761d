"""Calls wait for a model by their priority, callers share, and those of a kind go together in that order."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.chassis.models.turns import Call, Turns


def call(name="", *, priority=0, caller="", kind="grey", rows=1):
    answer = asyncio.get_running_loop().create_future()
    return Call({"name": name}, rows, 0.0, priority, caller, kind, False, answer)


def names(calls):
    return [one.inputs["name"] for one in calls]


def added(turns, *calls):
    for one in calls:
        turns.add(one)


def one_by_one(turns):
    """Who has the next turn, and the next one, until nobody waits."""
    order = []
    while taken := turns.take():
        order += names(taken)
        turns.give_back()
    return order


async def test_the_lowest_priority_goes_first_and_then_who_came_first():
    turns = Turns()
    waiting = [(3, "bulk"), (2, "first"), (1, "urgent"), (2, "second")]
    added(turns, *(call(name, priority=priority) for priority, name in waiting))
    assert one_by_one(turns) == ["urgent", "first", "second", "bulk"]


async def test_callers_share_whoever_asks_more():
    turns = Turns()
    added(turns, *(call(f"many {n}", caller="many") for n in range(5)))
    added(turns, call("one 0", caller="one"), call("two 0", caller="two"), call("one 1", caller="one"))
    order = []
    for _ in range(4):
        order += names(turns.take())
        turns.give_back()
    assert order == ["many 0", "one 0", "two 0", "many 1"]
    turns.add(call("late", caller="late"))  # the sharing goes on where it was
    assert one_by_one(turns) == ["one 1", "late", "many 2", "many 3", "many 4"]


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_so_many_turns_at_a_time(at_once):
    turns = Turns()
    turns.allow(at_once, 1)
    added(turns, *(call() for _ in range(7)))
    assert [len(turns.take()) for _ in range(7)] == [1] * at_once + [0] * (7 - at_once)
    turns.give_back()
    assert [len(turns.take()) for _ in range(2)] == [1, 0]


async def test_fewer_from_now_on():
    turns = Turns()
    turns.allow(3, 1)
    added(turns, *(call() for _ in range(4)))
    for _ in range(3):
        assert turns.take()
    turns.allow(1, 1)
    for _ in range(2):
        turns.give_back()
        assert not turns.take()
    turns.give_back()
    assert turns.take()


@pytest.mark.parametrize(
    ("waiting", "turns_of"),
    [
        ([("grey", 1)] * 3, [3]),
        ([("grey", 1)] * 9, [4, 4, 1]),
        ([("grey", 2)] * 3, [2, 1]),
        ([("grey", 4), ("grey", 1)], [1, 1]),
        ([("grey", 9), ("grey", 1)], [1, 1]),  # what one call brings is not taken apart
        ([("grey", 1), ("colour", 1), ("grey", 1)], [1, 1, 1]),  # nobody passes
    ],
)
async def test_calls_of_a_kind_go_together_up_to_so_many_rows(waiting, turns_of):
    turns = Turns()
    turns.allow(1, 4)
    added(turns, *(call(kind=kind, rows=rows) for kind, rows in waiting))
    found = []
    while taken := turns.take():
        found.append(len(taken))
        turns.give_back()
    assert found == turns_of


@pytest.mark.parametrize(
    ("callers", "together"),
    [("oooo", ["oooo"]), ("wooo", ["wo", "oo"]), ("abcd", ["abcd"]), ("aabbb", ["abab", "b"])],
)
async def test_nobody_has_more_of_a_turn_than_whose_it_is(callers, together):
    turns = Turns()
    turns.allow(1, 4)
    added(turns, *(call(caller, caller=caller) for caller in callers))
    found = []
    while taken := turns.take():
        found.append("".join(names(taken)))
        turns.give_back()
    assert found == together


async def test_turns_that_are_free_share_those_who_wait():
    turns = Turns()
    turns.allow(2, 4)
    added(turns, *(call() for _ in range(3)))
    assert [len(turns.take()), len(turns.take())] == [2, 1]


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_leaves_none_is_lost_and_none_goes_twice(seed):
    chance, turns = random.Random(seed), Turns()
    turns.allow(2, 3)
    waiting, under_way, gone = [], 0, []
    for _ in range(300):
        match chance.randrange(4):
            case 0 | 1:
                waiting.append(
                    call(priority=chance.randrange(3), caller=chance.choice("ab"), kind=chance.choice("kl"))
                )
                turns.add(waiting[-1])
            case 2 if waiting:
                chance.choice(waiting).answer.cancel()
            case _ if under_way:
                turns.give_back()
                under_way -= 1
        while taken := turns.take():
            under_way += 1
            assert under_way <= 2
            assert not any(one.answer.done() for one in taken)
            gone += taken
    while under_way:
        turns.give_back()
        under_way -= 1
        while taken := turns.take():
            under_way += 1
            gone += taken
    assert len(set(map(id, gone))) == len(gone)
    assert all(one.answer.cancelled() for one in waiting if one not in gone)
