"""Calls wait for a model by their priority, callers share, and those of a kind go together in that order."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.chassis.models.turns import Ahead, Call, Turns


def call(name="", *, priority=0, caller="", kind="grey", rows=1):
    answer = asyncio.get_running_loop().create_future()
    return Call({"name": name}, rows, 0.0, priority, caller, kind, False, answer)


def names(calls):
    return [one.inputs["name"] for one in calls]


def added(turns, *calls):
    for one in calls:
        turns.add(one)


def allow(turns, requests, rows):
    turns.allow(Ahead(requests, rows), Ahead(requests, rows))


def one_by_one(turns):
    """Who has the next turn, and the next one, until nobody waits."""
    order = []
    while taken := turns.take():
        order += names(taken)
        turns.give_back(taken)
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
        taken = turns.take()
        order += names(taken)
        turns.give_back(taken)
    assert order == ["many 0", "one 0", "two 0", "many 1"]
    turns.add(call("late", caller="late"))  # the sharing goes on where it was
    assert one_by_one(turns) == ["one 1", "late", "many 2", "many 3", "many 4"]


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_so_many_turns_at_a_time(at_once):
    turns = Turns()
    allow(turns, at_once, 1)
    added(turns, *(call() for _ in range(7)))
    taken = [turns.take() for _ in range(7)]
    assert [len(calls) for calls in taken] == [1] * at_once + [0] * (7 - at_once)
    turns.give_back(taken[0])
    assert [len(turns.take()) for _ in range(2)] == [1, 0]


async def test_fewer_from_now_on():
    turns = Turns()
    allow(turns, 3, 1)
    added(turns, *(call() for _ in range(4)))
    taken = [turns.take() for _ in range(3)]
    allow(turns, 1, 1)
    for calls in taken[:2]:
        turns.give_back(calls)
        assert not turns.take()
    turns.give_back(taken[2])
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
    allow(turns, 1, 4)
    added(turns, *(call(kind=kind, rows=rows) for kind, rows in waiting))
    found = []
    while taken := turns.take():
        found.append(len(taken))
        turns.give_back(taken)
    assert found == turns_of


@pytest.mark.parametrize(
    ("callers", "together"),
    [("oooo", ["oooo"]), ("wooo", ["wo", "oo"]), ("abcd", ["abcd"]), ("aabbb", ["abab", "b"])],
)
async def test_nobody_has_more_of_a_turn_than_whose_it_is(callers, together):
    turns = Turns()
    allow(turns, 1, 4)
    added(turns, *(call(caller, caller=caller) for caller in callers))
    found = []
    while taken := turns.take():
        found.append("".join(names(taken)))
        turns.give_back(taken)
    assert found == together


async def test_turns_that_are_free_share_those_who_wait():
    turns = Turns()
    allow(turns, 2, 4)
    added(turns, *(call() for _ in range(3)))
    assert [len(turns.take()), len(turns.take())] == [2, 1]


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_leaves_none_is_lost_and_none_goes_twice(seed):
    chance, turns = random.Random(seed), Turns()
    allow(turns, 2, 3)
    waiting, under_way, gone = [], [], []
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
                turns.give_back(under_way.pop())
        while taken := turns.take():
            under_way.append(taken)
            assert len(under_way) <= 2
            assert not any(one.answer.done() for one in taken)
            gone += taken
    while under_way:
        turns.give_back(under_way.pop())
        while taken := turns.take():
            under_way.append(taken)
            gone += taken
    assert len(set(map(id, gone))) == len(gone)
    assert all(one.answer.cancelled() for one in waiting if one not in gone)
    assert not turns._in_hand, "a caller that has gone would be taken for one who asks much"


def busy():
    """Of a model with two instances, where one caller has twelve calls; what is sent ahead, and the time."""
    now = [0.0]
    turns = Turns(lambda: now[0])
    turns.allow(Ahead(3, 3), Ahead(2, 1))
    added(turns, *(call("m", caller="much") for _ in range(12)))
    return turns, now


def sent(turns):
    """How many calls each turn has that can begin now; they end at once."""
    taken = []
    while calls := turns.take():
        taken.append(calls)
    for calls in taken:
        turns.give_back(calls)
    return [len(calls) for calls in taken]


@pytest.mark.parametrize(("caller", "priority"), [("little", 0), ("much", -1)])
async def test_less_is_sent_ahead_while_somebody_asks_little_and_a_second_longer(caller, priority):
    turns, now = busy()
    turns.add(call("l", caller=caller, priority=priority))
    assert sent(turns) == [1, 1]
    now[0] = 0.9
    assert sent(turns) == [1, 1]
    now[0] = 1.1
    assert sent(turns) == [3, 3, 3]


async def test_alone_with_as_much_as_others_or_gone_nobody_asks_little():
    turns, _ = busy()
    assert sent(turns) == [3, 3, 3]
    turns = Turns(lambda: 0.0)
    turns.allow(Ahead(3, 3), Ahead(2, 1))
    added(turns, *(call(caller=str(n)) for n in range(9)))  # many who ask little
    assert sent(turns) == [3, 3, 3]
    added(turns, *(call(caller=who) for _ in range(3) for who in "abc"))
    assert sent(turns) == [3, 3, 3]


async def test_whoever_has_more_in_hand_than_there_are_instances_does_not_ask_little():
    turns, now = busy()
    added(turns, *(call(caller="some") for _ in range(2)))
    now[0] = 2.0
    turns.add(call(caller="some"))
    assert sent(turns)[0] > 1
