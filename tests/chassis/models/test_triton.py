"""The inference seam: what holds of the fake holds of a real Triton; and what only a real Triton can show."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from services.chassis.errors import (
    DeadlineExceeded,
    MedmeshError,
    ModelFailed,
    ModelUnavailable,
    Overloaded,
)
from services.chassis.models.inference import Answer, Tensor, Verification
from services.chassis.models.triton import TritonInference
from services.chassis.models.triton_errors import load_error, mapped
from services.chassis.rpc import request
from services.chassis.rpc.request import Request
from services.local.triton import EmbeddedTriton, TritonSettings
from services.local.triton.processes import model_instances
from tests.fakes import FakeInference, model_version
from tests.local.triton import tiny_models

ARITHMETIC = model_version(
    "arithmetic",
    [Tensor("x", np.float32, (4,))],
    [Tensor("double", np.float32, (4,)), Tensor("total", np.float32, (1,))],
)
LOOKUP = model_version("lookup", [Tensor("index", np.int64, (-1,))], [Tensor("value", np.float32, (-1,))])
WORK = model_version("work", [Tensor("rounds", np.int64, (1,))], [Tensor("done", np.float32, (1,))])
MISSHAPEN = model_version(
    "misshapen", ARITHMETIC.inputs, [Tensor("double", np.float32, (5,))]
)  # Triton's has 4
SELDOM = replace(model_version("seldom", ARITHMETIC.inputs, ARITHMETIC.outputs), loads_on_first_use=True)
ABSENT = model_version("absent", ARITHMETIC.inputs, ARITHMETIC.outputs)
LONG = np.array([[2000]])
"""Rounds of `work` that take about half a second on an idle core."""

FUNCTIONS = {
    "arithmetic": lambda i: {"double": i["x"] * 2, "total": i["x"].sum(axis=1, keepdims=True)},
    "lookup": lambda i: {"value": _lookup(i["index"])},
    "misshapen": lambda i: {"double": i["x"] * 2},
}


def _lookup(index):
    if index.max() > 9:
        raise ModelFailed
    return (10 * index).astype(np.float32)


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    repository = tmp_path_factory.mktemp("triton_repo")
    arithmetic, lookup, work = tiny_models.arithmetic(), tiny_models.lookup(), tiny_models.work()
    tiny_models.write(repository, "arithmetic", *arithmetic, more=tiny_models.batching())
    seldom = 'parameters { key: "medmesh.load" value: { string_value: "on_first_use" } }\n'
    tiny_models.write(repository, "seldom", *arithmetic, more=tiny_models.batching() + seldom)
    tiny_models.write(repository, "misshapen", *arithmetic, more=tiny_models.batching())
    tiny_models.write(repository, "lookup", *lookup, batch=4, more=tiny_models.batching())
    tiny_models.write(repository, "work", *work, batch=1, more=tiny_models.batching(queue=2))
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=log)) as server:
        yield server


@pytest.fixture
async def live(triton):
    inference = TritonInference(triton.grpc_address)
    yield inference
    await inference.close()


@pytest.fixture(params=["fake", pytest.param("triton", marks=pytest.mark.live)])
async def inference(request):
    """The same seam twice."""
    if request.param == "fake":
        fake = FakeInference(FUNCTIONS)
        fake.functions["absent"] = lambda _: {}
        fake.stop("absent")
        fake.functions["work"] = lambda i: {"done": i["rounds"].astype(np.float32)}
        yield fake
    else:
        real = TritonInference(request.getfixturevalue("triton").grpc_address)
        yield real
        await real.close()


def floats(*rows):
    return {"x": np.array(rows, dtype=np.float32)}


async def test_arrays_go_in_and_come_out(inference):
    outputs = (await inference.infer(ARITHMETIC, floats([1, 2, 3, 4], [0, 0, 0, 1]), timeout_s=30)).outputs
    np.testing.assert_array_equal(outputs["double"], [[2, 4, 6, 8], [0, 0, 0, 2]])
    np.testing.assert_array_equal(outputs["total"], [[10], [1]])


async def test_an_array_that_is_not_contiguous_arrives_whole(inference):
    wide = np.arange(16, dtype=np.float32).reshape(2, 8)[:, ::2]
    outputs = (await inference.infer(ARITHMETIC, {"x": wide}, timeout_s=30)).outputs
    np.testing.assert_array_equal(outputs["double"], wide * 2)


@pytest.mark.parametrize("length", [1, 7])
async def test_a_variable_length_is_what_the_caller_makes_it(inference, length):
    answer = await inference.infer(LOOKUP, {"index": np.ones((1, length), np.int64)}, timeout_s=30)
    outputs = answer.outputs
    np.testing.assert_array_equal(outputs["value"], np.full((1, length), 10))


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"y": np.ones((1, 4), np.float32)},
        {"x": np.ones((1, 4), np.float32), "y": np.ones((1, 4), np.float32)},
        {"x": np.ones((1, 4), np.float64)},
        {"x": np.ones((1, 5), np.float32)},
        {"x": np.ones((4,), np.float32)},
    ],
)
async def test_inputs_beside_the_contract_are_the_services_own_fault(inference, inputs):
    with pytest.raises(ModelFailed):
        await inference.infer(ARITHMETIC, inputs)


async def test_outputs_beside_the_contract_are_the_models_fault(inference):
    with pytest.raises(ModelFailed, match="output double has shape"):
        await inference.infer(MISSHAPEN, floats([1, 2, 3, 4]), timeout_s=30)


async def test_a_failing_model_is_model_failed_and_its_text_does_not_show(inference):
    with pytest.raises(ModelFailed) as caught:
        await inference.infer(LOOKUP, {"index": np.array([[4711]])}, timeout_s=30)
    assert "4711" not in str(caught.value)


async def test_a_model_that_is_not_loaded_is_unavailable(inference):
    with pytest.raises(ModelUnavailable):
        await inference.infer(ABSENT, floats([1, 2, 3, 4]), timeout_s=30)


async def test_readiness_is_that_of_the_model(inference):
    assert await inference.is_ready(ARITHMETIC)
    assert await inference.is_ready(LOOKUP)
    assert not await inference.is_ready(ABSENT)


async def test_an_answer_says_who_gave_it(inference):
    answer = await inference.infer(ARITHMETIC, floats([1, 2, 3, 4]), timeout_s=30)
    name, version = answer.runtime.split(" ")
    assert name in {"fake", "triton"}
    assert version[0].isdigit()
    assert (answer.version, answer.verification) == ("1", Verification.STATED)


@pytest.mark.live
class TestLive:
    async def test_a_model_that_breaks_its_contract_is_not_ready(self, live):
        assert not await live.is_ready(MISSHAPEN)

    async def test_a_model_that_loads_on_first_use_is_ready_before_it_and_no_probe_loads_it(
        self, triton, live
    ):
        for _ in range(2):
            assert await live.is_ready(SELDOM)
        assert "seldom" not in model_instances(triton.pid).values()
        answers = await asyncio.gather(
            *(live.infer(SELDOM, floats([1, 2, 3, 4]), timeout_s=60) for _ in range(3))
        )
        assert [answer.outputs["total"].item() for answer in answers] == [10, 10, 10]
        assert "seldom" in model_instances(triton.pid).values()
        assert await live.is_ready(SELDOM)

    async def test_a_deadline_ends_the_call(self, live):
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await live.infer(WORK, {"rounds": LONG * 2}, timeout_s=0.1)
        assert time.monotonic() - started < 1
        await _idle(live)

    async def test_the_deadline_of_the_request_in_progress_counts(self, live):
        token = request.current.set(Request("live-request-1", "/x/Y", time.monotonic() + 0.1))
        with pytest.raises(DeadlineExceeded):
            await live.infer(WORK, {"rounds": LONG * 2}, timeout_s=60)
        request.current.get().deadline = time.monotonic() - 1
        with pytest.raises(DeadlineExceeded):
            await live.infer(ARITHMETIC, floats([1, 2, 3, 4]))
        request.current.reset(token)
        await _idle(live)

    async def test_a_full_queue_is_overload_and_the_model_still_counts_as_ready(self, triton, live):
        others = [TritonInference(triton.grpc_address) for _ in range(3)]  # each with its own turns
        calls = [
            asyncio.create_task(one.infer(WORK, {"rounds": LONG}, timeout_s=60))
            for one in (live, *others)
            for _ in range(2)
        ]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
        assert any(isinstance(call.exception(), Overloaded) for call in done)
        assert await live.is_ready(WORK)
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(result, Answer) for result in results)
        await _idle(live)
        for one in others:
            await one.close()

    async def test_a_call_whose_caller_has_gone_is_never_computed_after_its_deadline(self, live):
        first = asyncio.create_task(live.infer(WORK, {"rounds": LONG * 2}, timeout_s=60))
        await asyncio.wait([first], timeout=0.2)  # now it is at work
        second = asyncio.create_task(live.infer(WORK, {"rounds": LONG * 200}, timeout_s=0.2))
        await asyncio.wait([second], timeout=0.1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await first
        await _idle(live)  # computed, it would take over a minute

    async def test_a_server_that_is_not_there_is_unavailable(self):
        inference = TritonInference("127.0.0.1:1")
        with pytest.raises(ModelUnavailable):
            await inference.infer(ARITHMETIC, floats([1, 2, 3, 4]), timeout_s=5)
        assert not await inference.is_ready(ARITHMETIC)
        assert await inference.runtime() == "unknown"
        await inference.close()

    async def test_a_model_whose_process_has_died_is_not_ready_whatever_triton_says(self, triton, live):
        await live.infer(LOOKUP, {"index": np.ones((1, 1), np.int64)}, timeout_s=30)
        for pid in _stubs(triton.pid, "lookup"):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(MedmeshError):
            await live.infer(LOOKUP, {"index": np.ones((1, 1), np.int64)}, timeout_s=30)
        fresh = TritonInference(triton.grpc_address)
        assert not await fresh.is_ready(LOOKUP)
        with pytest.raises(ModelUnavailable):
            await fresh.infer(LOOKUP, {"index": np.ones((1, 1), np.int64)}, timeout_s=30)
        assert await fresh.is_ready(ARITHMETIC)
        await fresh.close()


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ("[request id: <id_unknown>] Exceeds maximum queue size", "StatusCode.UNAVAILABLE", Overloaded),
        ("Request timeout expired", "StatusCode.UNAVAILABLE", DeadlineExceeded),
        ("Deadline Exceeded", "StatusCode.DEADLINE_EXCEEDED", DeadlineExceeded),
        ("Stub process 'x_0' is not healthy.", "StatusCode.INTERNAL", ModelUnavailable),
        ("Request for unknown model: 'x' is not found", "StatusCode.NOT_FOUND", ModelUnavailable),
        (
            "Request for unknown model: 'x' version 1 is not at ready state",
            "StatusCode.UNAVAILABLE",
            ModelUnavailable,
        ),
        ("failed to connect to all addresses", "StatusCode.UNAVAILABLE", ModelUnavailable),
        ("inference input 'Mrs Example' is odd", "StatusCode.INVALID_ARGUMENT", ModelFailed),
        ("anything", None, ModelFailed),
    ],
)
def test_tritons_errors_are_mapped_most_specific_first_and_lose_their_text(text, status, kind):
    error = mapped("doubler", InferenceServerException(msg=text, status=status))
    assert isinstance(error, kind)
    assert error.reason is kind.reason
    assert error.metadata == {"model": "doubler"}
    assert "Mrs Example" not in str(error)


def test_why_a_model_does_not_load_is_reported_without_the_folders_of_the_machine():
    text = (
        "load failed for model 'x': version 2 is at UNAVAILABLE state: Internal: TritonModelException: "
        "model weights are missing: /srv/models/x/2/model.onnx\n\nAt:\n  /opt/model.py(1): initialize\n;\n"
    )
    error = load_error("x", InferenceServerException(msg=text, status="StatusCode.INVALID_ARGUMENT"))
    assert str(error) == "x: Triton cannot load it: model weights are missing: model.onnx"


async def _idle(inference):
    """Returns when the model's one instance is free again, so that the next test finds it so."""
    async with asyncio.timeout(40):
        while True:
            try:
                await inference.infer(WORK, {"rounds": np.array([[1]])}, timeout_s=30)
            except (Overloaded, DeadlineExceeded):
                continue
            return


def _stubs(server, model):
    """Process ids of a model's instances below tritonserver."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    pids = []
    for task in Path(f"/proc/{server}/task").iterdir():
        children += (task / "children").read_text().split()
    for pid in set(children):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if f"/{model}/".encode() in command or f"{model}_".encode() in command:
            pids.append(int(pid))
    assert pids, "no process of the model was found"
    return pids
