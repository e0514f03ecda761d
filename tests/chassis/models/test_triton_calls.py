"""A call to Triton whose caller no longer waits goes on: nothing is cancelled at Triton."""

from __future__ import annotations

import asyncio

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
    name = "doubler"


@pytest.mark.parametrize("how", ["its caller leaves", "the time is over"])
async def test_it_goes_on_to_its_end(asked, how):
    calls = Calls(None)
    caller = asyncio.ensure_future(calls.ask(Model, {}, 60.0 if how == "its caller leaves" else 0.02, 0))
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
    assert await Calls(None).ask(Model, {}, 5.0, 0) == "part"


async def test_those_under_way_end_with_the_channel(asked):
    calls = Calls(None)
    caller = asyncio.ensure_future(calls.ask(Model, {}, 60.0, 0))
    await asked.begun.wait()
    await calls.close()
    assert asked.ended == "cancelled"
    with pytest.raises(asyncio.CancelledError):
        await caller
