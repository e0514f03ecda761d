"""A call to Triton whose caller no longer waits goes on: nothing is cancelled at Triton."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.chassis.errors import DeadlineExceeded
from services.chassis.models import triton_calls
from services.chassis.models.triton_calls import Calls


class Asked:
    """What is asked of Triton in place of `ask`, and how it ended."""

    def __init__(self):
        self.begun, self.release, self.ended = asyncio.Event(), asyncio.Event(), ""

    async def __call__(self, *_):
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        return "part"


@pytest.fixture
def asked(monkeypatch):
    asked = Asked()
    monkeypatch.setattr(triton_calls, "ask", asked)
    return asked


class Model:
    name, number = "doubler", 1


def within(seconds):
    return time.monotonic() + seconds


@pytest.mark.parametrize("how", ["its caller leaves", "the time is over"])
async def test_it_goes_on_to_its_end(asked, how):
    calls = Calls(None)
    caller = asyncio.ensure_future(
        calls.ask(Model, {}, within(60.0 if how == "its caller leaves" else 0.02), 0)
    )
    await asked.begun.wait()
    if how == "its caller leaves":
        caller.cancel()
    with pytest.raises((asyncio.CancelledError, DeadlineExceeded)):
        await asyncio.wait_for(caller, 5)
    assert not asked.ended
    asked.release.set()
    await asyncio.sleep(0.01)
    assert asked.ended == "answered"


async def test_its_answer_is_the_callers(asked):
    asked.release.set()
    assert await Calls(None).ask(Model, {}, within(5.0), 0) == "part"


async def test_those_under_way_end_with_the_channel(asked):
    calls = Calls(None)
    caller = asyncio.ensure_future(calls.ask(Model, {}, within(60.0), 0))
    await asked.begun.wait()
    await calls.close()
    assert asked.ended == "cancelled"
    with pytest.raises(asyncio.CancelledError):
        await caller


@pytest.mark.parametrize("how", ["its caller leaves", "the time is over"])
async def test_who_waits_for_a_turn_and_leaves_asks_for_nothing(asked, how):
    calls = Calls(None)
    first = asyncio.ensure_future(calls.ask(Model, {}, within(60.0), 0))
    await asked.begun.wait()
    asked.begun.clear()
    waits_s = 60.0 if how == "its caller leaves" else 0.02
    second = asyncio.ensure_future(calls.ask(Model, {}, within(waits_s), 0))
    await asyncio.sleep(0)
    if how == "its caller leaves":
        second.cancel()
    with pytest.raises((asyncio.CancelledError, DeadlineExceeded)):
        await asyncio.wait_for(second, 5)
    asked.release.set()
    assert await first == "part"
    await asyncio.sleep(0.01)
    assert not asked.begun.is_set()


async def test_a_turn_lasts_until_triton_has_answered(asked):
    """Also where nobody waits for the answer: the instance is busy until then."""
    calls = Calls(None)
    first = asyncio.ensure_future(calls.ask(Model, {}, within(60.0), 0))
    await asked.begun.wait()
    first.cancel()
    asked.begun.clear()
    second = asyncio.ensure_future(calls.ask(Model, {}, within(60.0), 0))
    await asyncio.sleep(0.01)
    assert not asked.begun.is_set()
    asked.release.set()
    assert await asyncio.wait_for(second, 5) == "part"
