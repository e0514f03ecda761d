"""What a call costs does not grow with how many have called: each connection may be a caller, and a flood of
them that brings nothing else is still to leave the others their turn.
"""

from __future__ import annotations

import time
import uuid

import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.rpc import lately
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.inflow import Inflow
from services.chassis.rpc.lately import Lately
from services.chassis.rpc.request import Request
from services.orchestrator.repeats import Repeats
from services.orchestrator.repeats import Request as Repeatable

FEW, MANY = 100, 4000
RATE = 1 << 30


def admission():
    return Admission(8, 64, 1 << 30, 1 << 20)


def reads():
    inflow = Inflow(RATE, {})

    async def call(caller):
        inflow.took(caller, 100, await inflow.turn(caller))

    return call


def places():
    admitted = admission()

    async def call(caller):
        async with admitted.place(Request("id", "/m", time.monotonic() + 60, sharer=caller), 0):
            pass

    return call


def refusals():
    admitted = admission()

    async def call(caller):
        admitted.read_in_vain(caller, 100)

    return call


def repeatable_cases():
    repeats = Repeats(3600, 1 << 30)

    async def digests(salt):
        return []

    async def compute(inputs):
        await inputs
        return pb.Diagnosis()

    async def call(caller):
        await repeats.answer(Repeatable(("", caller, str(uuid.uuid4())), "salt", None, digests), compute)

    return call


async def spent_s(call, callers):
    began = time.thread_time()
    for caller in callers:
        await call(caller)
    return time.thread_time() - began


@pytest.mark.parametrize("calls", [reads, places, refusals, repeatable_cases], ids=lambda one: one.__name__)
async def test_a_call_costs_the_same_beside_many_who_have_called(calls):
    def new(count):
        return [uuid.uuid4().hex for _ in range(count)]

    few, many = calls(), calls()
    await spent_s(few, new(FEW))
    await spent_s(many, new(MANY))
    rounds = [(await spent_s(few, new(20)), await spent_s(many, new(20))) for _ in range(5)]
    assert min(late for _, late in rounds) < 4 * min(early for early, _ in rounds)


async def test_callers_who_come_once_are_forgotten_while_others_are_at_work(monkeypatch):
    """Nobody's share moves on where each calls once, so that nobody is behind it."""
    monkeypatch.setattr(lately, "_MOST", 50)
    admitted = admission()
    async with admitted.place(Request("id", "/m", time.monotonic() + 60, sharer="at work"), 0):
        for number in range(200):
            request = Request("id", "/m", time.monotonic() + 60, sharer=f"caller {number}")
            async with admitted.place(request, 0):
                pass
    assert len(admitted._finish) <= 50


def test_who_was_noted_last_stays():
    known = Lately(lambda value: value < 3)
    for caller, value in (("a", 1), ("b", 5), ("c", 2), ("b", 6)):
        known.note(caller, value)
    assert dict(known) == {"b": 6}
