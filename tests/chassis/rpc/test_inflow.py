"""A caller's messages are read at a bounded rate beside others, and as fast as they come when it is alone."""

from __future__ import annotations

import asyncio
import time

from services.chassis.rpc.inflow import Inflow

RATE = 1_000_000
MESSAGE = 100_000
"""Bytes: a tenth of a second each."""


async def read(inflow, name, size_bytes=MESSAGE, *, takes_s=0.0):
    assumed = await inflow.turn(name)
    await asyncio.sleep(takes_s)
    inflow.took(name, size_bytes, assumed)
    return time.monotonic()


async def spent_s(work):
    began = time.monotonic()
    await work
    return time.monotonic() - began


async def several(inflow, name, count):
    for _ in range(count):
        await read(inflow, name)


async def test_beside_others_a_caller_has_its_rate():
    inflow = Inflow(RATE, {})
    await read(inflow, "other", 10)
    # The first quarter of a second is free.
    assert await spent_s(several(inflow, "large", 10)) >= 0.6


async def test_who_is_alone_does_not_wait():
    inflow = Inflow(RATE, {})
    alone_s = await spent_s(several(inflow, "large", 10))
    await read(inflow, "other", 10)
    assert alone_s < await spent_s(several(inflow, "large", 10)) / 4


async def test_what_was_sent_alone_is_no_debt_once_another_comes():
    """A sender of films had to wait for as long as they would have taken at the rate, seconds for each."""
    inflow = Inflow(RATE, {})
    await several(inflow, "large", 200)
    await read(inflow, "other", 10)
    assert await spent_s(read(inflow, "large")) < 0.3


async def test_what_was_sent_alone_and_is_not_answered_yet_comes_first():
    """Else what waits never gets less, and the next messages are read only to be refused."""
    held = {"large": 5 * MESSAGE}
    inflow = Inflow(RATE, held)
    await several(inflow, "large", 200)
    await read(inflow, "other", 10)
    assert 0.4 < await spent_s(read(inflow, "large")) < 0.8


async def test_who_sends_little_does_not_wait_beside_who_sends_much():
    inflow = Inflow(RATE, {})
    await read(inflow, "small", 10)
    large = asyncio.ensure_future(several(inflow, "large", 12))
    waited_s = []
    while not large.done():
        waited_s.append(await spent_s(inflow.turn("small")))
        inflow.took("small", 100, 0)
        await asyncio.sleep(0.01)
    assert max(waited_s) < 0.05
    assert len(waited_s) > 20


async def test_messages_at_once_are_read_by_turns():
    """A size is known once a message was read: until then the last one's is taken for it."""
    inflow = Inflow(RATE, {})
    await read(inflow, "other", 10)
    await several(inflow, "large", 4)
    ends = await asyncio.gather(*(read(inflow, "large", takes_s=0.05) for _ in range(6)))
    assert max(ends) - min(ends) >= 0.4


async def test_a_message_that_does_not_come_is_given_back():
    inflow = Inflow(RATE, {})
    await read(inflow, "other", 10)
    await several(inflow, "large", 3)
    for _ in range(50):
        assumed = await inflow.turn("large")
        inflow.took("large", 0, assumed)
    assert await spent_s(several(inflow, "large", 2)) < 0.5


async def test_callers_that_have_gone_are_forgotten(monkeypatch):
    inflow = Inflow(RATE, {})
    monkeypatch.setattr("services.chassis.rpc.inflow._LATELY_S", 0.05)
    for number in range(200):
        await read(inflow, f"caller {number}", 10)
        await asyncio.sleep(0.001)
    assert len(inflow._callers) < 150
