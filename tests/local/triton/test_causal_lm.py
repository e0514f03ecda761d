"""The backend named causal_lm, through a real tritonserver: what it streams, refuses and survives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import numpy as np
import pytest

from services.chassis.errors import DeadlineExceeded, ModelFailed, ModelUnavailable, Overloaded
from services.chassis.models.inference import ask_once
from services.chassis.models.triton import TritonInference
from tests.fakes import model_version
from tests.language.writer_made import REASONED_INPUTS, REASONED_OUTPUTS
from tests.local.triton import tiny_writer
from tests.local.triton.tiny_writer import written

pytestmark = pytest.mark.live

WRITER = model_version("writer", REASONED_INPUTS, REASONED_OUTPUTS, streams=True)
BUSY = model_version("busy_writer", REASONED_INPUTS, REASONED_OUTPUTS, streams=True)


@pytest.fixture
async def inference(triton):
    made = TritonInference(triton.grpc_address)
    yield made
    await made.close()


def inputs(prompt, parameters, *, stream=True):
    return {
        "text_input": np.array([prompt.encode()], object),
        "stream": np.array([stream]),
        "sampling_parameters": np.array([parameters.encode()], object),
        "return_finish_reason": np.array([True]),
    }


def asked(prompt, max_tokens, **parameters):
    return inputs(prompt, json.dumps({"max_tokens": max_tokens, "temperature": 0} | parameters))


async def answer(inference, given, model=WRITER, timeout_s=30.0):
    """The pieces of the text, and the reason of the end."""
    pieces, reason = [], ""
    async for piece in inference.stream(model, given, timeout_s=timeout_s):
        pieces.append(piece.outputs["text_output"][0].decode())
        reason = piece.outputs["finish_reason"][0].decode()
    return pieces, reason


async def test_a_text_comes_token_by_token(inference):
    pieces, reason = await answer(inference, asked("no effusion", 40))
    assert pieces == list(written("no effusion", 40))
    assert reason == "length"


async def test_texts_written_together_are_those_written_alone(inference):
    prompts = ["no effusion"[: 1 + at] * (1 + at % 7) for at in range(12)]
    counts = [5 + 31 * at % 90 for at in range(12)]
    given = [asked(prompt, count) for prompt, count in zip(prompts, counts, strict=True)]
    answers = await asyncio.gather(*(answer(inference, one) for one in given))
    expected = [written(prompt, count) for prompt, count in zip(prompts, counts, strict=True)]
    assert ["".join(pieces) for pieces, _ in answers] == expected


async def test_a_stop_text_ends_it(inference):
    whole = written("no effusion", 60)
    pieces, reason = await answer(inference, asked("no effusion", 60, stop=[whole[20:24]]))
    assert ("".join(pieces), reason) == (whole[: whole.index(whole[20:24])], "stop")


async def test_the_smallest_request_is_answered(inference):
    await ask_once(inference, WRITER, 30)
    assert await inference.is_ready(WRITER)


@pytest.mark.parametrize(
    "given",
    [
        inputs("abc", '{"max_tokens": 5}', stream=False),
        inputs("abc", '{"patient": "Doe"}'),
        inputs("abc", "Doe"),
        asked("a" * 4096, 5),
        asked("", 5),
    ],
)
async def test_what_it_does_not_serve_is_refused_without_being_quoted(triton, inference, given):
    with pytest.raises(ModelFailed) as caught:
        await answer(inference, given)
    assert "Doe" not in str(caught.value)
    assert "Doe" not in triton.child.log.read_text()


async def test_a_deadline_ends_a_text_that_is_being_written(inference):
    with pytest.raises(DeadlineExceeded):
        await answer(inference, asked("abc", 4000), timeout_s=0.3)
    assert (await answer(inference, asked("abc", 5)))[1] == "length"


async def test_beyond_those_that_are_written_and_those_that_wait_none_is_taken(inference):
    await ask_once(inference, BUSY, 30)
    found = await asyncio.gather(
        *(answer(inference, asked("abc", 4000), BUSY) for _ in range(4)), return_exceptions=True
    )
    # One writes and one waits, until the backend's own bound of half a second ends both.
    assert sorted(type(error).__name__ for error in found) == [
        "DeadlineExceeded",
        "DeadlineExceeded",
        "Overloaded",
        "Overloaded",
    ]
    assert all(isinstance(error, DeadlineExceeded | Overloaded) for error in found)


async def test_it_survives_callers_who_leave_at_any_time(triton, inference):
    """Of 300 callers two thirds leave: before the first token, between two, with the last, by a deadline, or
    by being cancelled themselves.
    """
    chance, places, unexpected = random.Random(7), asyncio.Semaphore(16), []

    async def leaves_after(count, given):
        stream = inference.stream(WRITER, given, timeout_s=30)
        async with contextlib.aclosing(stream):
            while count and await anext(stream, None) is not None:
                count -= 1

    async def one(at):
        prompt, count = "no effusion"[: 1 + at % 11], chance.choice([1, 3, 20])
        async with places:
            how = at % 6
            if how < 2:
                text, _ = await answer(inference, asked(prompt, count))
                if "".join(text) != written(prompt, count):
                    unexpected.append((prompt, count))
            elif how == 2:
                await leaves_after(chance.choice([0, 1, 3]), asked(prompt, 2000))
            elif how == 3:
                await leaves_after(count, asked(prompt, count))
            elif how == 4:
                with contextlib.suppress(DeadlineExceeded):
                    await answer(inference, asked(prompt, 2000), timeout_s=chance.random() * 0.1 + 0.001)
            else:
                task = asyncio.create_task(answer(inference, asked(prompt, 2000)))
                await asyncio.sleep(chance.random() * 0.03)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    await asyncio.gather(*(one(at) for at in range(300)))
    assert unexpected == []
    triton.check()
    assert "".join((await answer(inference, asked("hello", 10)))[0]) == written("hello", 10)


async def test_who_leaves_makes_room(inference):
    """Forty wait or are written; when all have gone, the next one comes at once."""
    streams = [inference.stream(WRITER, asked("abc", 4000), timeout_s=30) for _ in range(40)]
    for stream in streams:
        await anext(stream) if stream in streams[:8] else None
    for stream in streams:
        await stream.aclose()
    text, _ = await answer(inference, asked("hello", 10), timeout_s=5)
    assert "".join(text) == written("hello", 10)


async def test_a_model_that_lacks_what_it_needs_is_not_loaded(triton, inference, tiny_repository):
    for name, parameters, told in (
        ("boundless", {"max_token_count": 0}, "max_token_count must be set"),
        ("endless", {"stop_tokens": "<nothing>"}, "stop_tokens must name tokens"),
    ):
        tiny_writer.write(tiny_repository, name, **parameters)
        version = model_version(name, REASONED_INPUTS, REASONED_OUTPUTS, streams=True)
        triton.check()  # keeps Triton's repository as the folder is
        with pytest.raises(ModelUnavailable, match=told):
            await inference.load([version])
