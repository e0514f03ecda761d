"""Models that begin to read before the gate's verdict: who begins, and what becomes of what nobody takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import grpc
import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2 as pb
from services.chassis.errors import ModelFailed
from services.chassis.rpc import request as requests
from services.chassis.rpc.request import Request
from services.imaging.early import EarlyReadings
from services.imaging.preprocessing.resizing import resized
from tests.imaging import samples
from tests.imaging.conftest import gate_says

CHEST = samples.chest()
STATED = samples.dicom(CHEST)
UNSTATED = samples.picture(CHEST)


def ask(imaging, image) -> asyncio.Task[pb.AnalyzeImageResponse]:
    """A request that is under way."""
    request = pb.AnalyzeImageRequest(sources=[pb.ImageSource(content=image)])
    return asyncio.ensure_future(imaging.stub.AnalyzeImage(request, timeout=20))


def asked(imaging) -> list[str]:
    """Names of the models that were asked, in order."""
    return [name for name, _ in imaging.inference.calls]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - of a fake that another task calls
            await asyncio.sleep(0.01)


def models(response: pb.AnalyzeImageResponse) -> list[str]:
    return [result.provenance.model_name for result in response.analysis.results]


async def test_what_the_file_names_is_asked_while_the_gate_judges(imaging):
    imaging.inference.hold("image_gate")
    answer = ask(imaging, STATED)
    await until(lambda: sorted(asked(imaging)) == ["chest_xray", "image_gate"])
    imaging.inference.release("image_gate")
    assert models(await answer) == ["chest_xray"]
    assert asked(imaging).count("chest_xray") == 1


async def test_where_only_the_gate_can_say_it_the_last_images_models_begin(imaging):
    assert models(await ask(imaging, UNSTATED)) == ["chest_xray"]
    assert asked(imaging) == ["image_gate", "chest_xray"]  # nothing was expected yet
    imaging.inference.hold("image_gate")
    answer = ask(imaging, UNSTATED)
    await until(lambda: asked(imaging).count("chest_xray") == 2)
    imaging.inference.release("image_gate")
    assert models(await answer) == ["chest_xray"]
    assert asked(imaging).count("chest_xray") == 2


async def test_what_is_only_likely_does_not_begin_where_others_wait(imaging):
    await ask(imaging, UNSTATED)
    imaging.inference.calls.clear()
    imaging.inference.hold("image_gate")
    answers = [ask(imaging, UNSTATED)]
    await until(lambda: "chest_xray" in asked(imaging))
    answers.append(ask(imaging, UNSTATED))
    await until(lambda: asked(imaging).count("image_gate") == 2)
    assert asked(imaging).count("chest_xray") == 1
    imaging.inference.release("image_gate")
    for answer in answers:
        assert models(await answer) == ["chest_xray"]


async def test_a_verdict_that_shows_something_else_ends_the_reading_and_the_answer_is_without_it(imaging):
    await ask(imaging, UNSTATED)
    imaging.gate.update(gate_says(chest_xray=0.01, head_ct=0.98))
    imaging.inference.hold("chest_xray")
    response = await ask(imaging, UNSTATED)
    assert models(response) == ["head_ct"]
    await until(lambda: imaging.inference.cancelled == ["chest_xray"])


async def test_an_inverted_image_is_read_again_the_way_it_was_taken(imaging):
    imaging.gate["inverted"] = 0.95
    response = await ask(imaging, samples.dicom(255 - CHEST))
    tensors = [inputs["image"] for name, inputs in imaging.inference.calls if name == "chest_xray"]
    assert models(response) == ["chest_xray"]
    for tensor, read in zip(tensors, (255 - CHEST, CHEST), strict=True):
        assert np.array_equal(tensor[0, 0], resized(read, 224, 224))


async def test_a_caller_that_leaves_takes_its_early_readings_along(imaging):
    imaging.inference.hold("image_gate")
    imaging.inference.hold("chest_xray")
    answer = ask(imaging, STATED)
    await until(lambda: sorted(asked(imaging)) == ["chest_xray", "image_gate"])
    answer.cancel()
    await until(lambda: sorted(imaging.inference.cancelled) == ["chest_xray", "image_gate"])


async def test_an_error_of_what_was_taken_is_the_callers_and_of_what_was_not_nobodys(imaging):
    await ask(imaging, UNSTATED)
    imaging.inference.fail("chest_xray", ModelFailed())
    imaging.gate.update(gate_says(chest_xray=0.01, head_ct=0.98))
    assert models(await ask(imaging, UNSTATED)) == ["head_ct"]
    with pytest.raises(grpc.aio.AioRpcError, match="INTERNAL"):
        await ask(imaging, STATED)


async def test_one_that_ends_before_it_has_begun_leaves_nothing_behind():
    """A coroutine that nobody ever awaited would be told as a warning, which fails a test."""

    async def read(model):
        raise AssertionError("it began")

    with EarlyReadings({"one": None}, read):
        pass
    await asyncio.sleep(0)


async def test_only_readings_that_were_taken_count_as_models_of_the_request():
    """What the audit log says computed the answer."""

    async def read(model):
        requests.used(model.name, "1")
        return model.name

    class Model:
        def __init__(self, name: str) -> None:
            self.name = name

    taken, left = Model("taken"), Model("left")
    current = Request("request", "/x/Y", time.monotonic() + 20)
    requests.current.set(current)
    with EarlyReadings({"taken": taken, "left": left}, read) as early:
        await asyncio.sleep(0)  # both have read
        reading = early.take(taken)
        assert early.take(taken) is None
        assert await reading == "taken"
    assert current.models == {"taken@1"}
