"""Calls that wait are asked for together, each gets what is its own, and nothing is cancelled at Triton."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from opentelemetry import trace
from tritonclient.utils import InferenceServerException

from services.chassis.errors import DeadlineExceeded
from services.chassis.models import triton_calls
from services.chassis.models.triton_calls import Calls, Part
from services.chassis.models.turns import Ahead

POISON = 13.0


class Asked:
    """What is asked of Triton in place of `ask`, and how it ended: it answers with twice the values."""

    def __init__(self):
        self.begun, self.release, self.ended = asyncio.Event(), asyncio.Event(), ""
        self.requests = []
        self.spans = []
        self.status = "INTERNAL"
        self.while_under_way = lambda: None

    async def __call__(self, _stub, _model, batches, *_):
        values = np.concatenate([inputs["x"] for inputs in batches])
        self.requests.append(values[:, 0].tolist())
        self.spans.append(trace.get_current_span())
        self.begun.set()
        self.while_under_way()
        try:
            await self.release.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        if POISON in values:
            raise InferenceServerException("no", status=f"StatusCode.{self.status}")
        return Part({"y": 2 * values}, "1")


@pytest.fixture
def asked(monkeypatch):
    asked = Asked()
    monkeypatch.setattr(triton_calls, "ask", asked)
    return asked


class Model:
    name, number = "doubler", 1


def within(seconds):
    return time.monotonic() + seconds


def asking(calls, value=1.0, *, seconds=60.0, priority=0, shape=(1, 2)):
    inputs = {"x": np.full(shape, value, np.float32)}
    return asyncio.ensure_future(calls.ask(Model, inputs, within(seconds), priority))


def of(part):
    return part.outputs["y"].tolist()


@pytest.mark.parametrize("how", ["its caller leaves", "the time is over"])
async def test_it_goes_on_to_its_end(asked, how):
    calls = Calls(None)
    caller = asking(calls, seconds=60.0 if how == "its caller leaves" else 0.02)
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
    assert of(await asking(Calls(None), 2.0, seconds=5.0)) == [[4.0, 4.0]]


async def test_those_under_way_end_with_the_channel_and_those_that_wait(asked):
    calls = Calls(None)
    callers = [asking(calls) for _ in range(3)]
    await asked.begun.wait()
    await asyncio.wait_for(calls.close(), 5)
    assert asked.ended == "cancelled"
    for caller in callers:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, 5)


@pytest.mark.parametrize("how", ["its caller leaves", "the time is over"])
async def test_who_waits_for_a_turn_and_leaves_asks_for_nothing(asked, how):
    calls = Calls(None)
    first = asking(calls)
    await asked.begun.wait()
    second = asking(calls, seconds=60.0 if how == "its caller leaves" else 0.02)
    await asyncio.sleep(0)
    if how == "its caller leaves":
        second.cancel()
    with pytest.raises((asyncio.CancelledError, DeadlineExceeded)):
        await asyncio.wait_for(second, 5)
    asked.release.set()
    await first
    await asyncio.sleep(0.01)
    assert len(asked.requests) == 1


async def test_a_turn_lasts_until_triton_has_answered(asked):
    """Also where nobody waits for the answer: the instance is busy until then."""
    calls = Calls(None)
    first = asking(calls)
    await asked.begun.wait()
    first.cancel()
    second = asking(calls)
    await asyncio.sleep(0.01)
    assert len(asked.requests) == 1
    asked.release.set()
    assert of(await asyncio.wait_for(second, 5)) == [[2.0, 2.0]]


async def several(calls, asked, *values, **options):
    """Callers with these values who wait while another one is under way."""
    calls.allow(Model, Ahead(1, 4), Ahead(1, 4))
    first = asking(calls, 0.0)
    await asked.begun.wait()
    callers = [asking(calls, value, **options) for value in values]
    await asyncio.sleep(0)
    asked.release.set()
    await first
    return callers


async def test_those_that_wait_are_asked_for_together_and_each_gets_its_own_rows(asked):
    callers = await several(Calls(None), asked, 1.0, 2.0, 3.0)
    assert [of(part) for part in await asyncio.gather(*callers)] == [[[2.0, 2.0]], [[4.0, 4.0]], [[6.0, 6.0]]]
    assert asked.requests == [[0.0], [1.0, 2.0, 3.0]]


async def test_one_of_them_who_leaves_takes_nobodys_answer_with_it(asked):
    callers = await several(Calls(None), asked, 1.0, 2.0)
    asked.while_under_way = callers[0].cancel
    assert of(await callers[1]) == [[4.0, 4.0]]
    assert callers[0].cancelled()
    assert asked.requests == [[0.0], [1.0, 2.0]]


async def test_what_one_of_them_sent_fails_none_of_the_others(asked):
    callers = await several(Calls(None), asked, 1.0, POISON, 3.0)
    parts = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(parts[1], InferenceServerException)
    assert [of(parts[0]), of(parts[2])] == [[[2.0, 2.0]], [[6.0, 6.0]]]
    assert asked.requests == [[0.0], [1.0, POISON, 3.0], [1.0], [POISON], [3.0]]


@pytest.mark.parametrize("status", ["UNAVAILABLE", "NOT_FOUND", "DEADLINE_EXCEEDED"])
async def test_what_fails_whoever_asks_is_asked_once(asked, status):
    asked.status = status
    callers = await several(Calls(None), asked, 1.0, POISON, 3.0)
    parts = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(part, InferenceServerException) for part in parts)
    assert asked.requests == [[0.0], [1.0, POISON, 3.0]]


async def test_an_answer_with_other_rows_is_nobodys(asked, monkeypatch):
    """Not even the part of it that would be one's own."""

    async def too_few(stub, model, batches, *further):
        part = await asked(stub, model, batches, *further)
        return Part({"y": part.outputs["y"][:2]}, "1")

    monkeypatch.setattr(triton_calls, "ask", too_few)
    callers = await several(Calls(None), asked, 1.0, 2.0, 3.0)
    await asyncio.gather(*callers)
    assert asked.requests == [[0.0], [1.0, 2.0, 3.0], [1.0], [2.0], [3.0]]


async def test_who_is_traced_has_a_request_of_its_own_in_its_own_trace(asked, monkeypatch):
    class Recorded(trace.NonRecordingSpan):
        def is_recording(self):
            return True

    calls = Calls(None)
    calls.allow(Model, Ahead(1, 4), Ahead(1, 4))
    first = asking(calls, 0.0)
    await asked.begun.wait()
    span = Recorded(trace.INVALID_SPAN_CONTEXT)
    with trace.use_span(span):
        traced = asking(calls, 1.0)
        await asyncio.sleep(0)
    other = asking(calls, 2.0)
    await asyncio.sleep(0)
    asked.release.set()
    await asyncio.gather(first, traced, other)
    assert asked.requests == [[0.0], [1.0], [2.0]]
    assert [one is span for one in asked.spans] == [False, True, False]
