"""Large requests in a second process: which ones, how they end, and what becomes of the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.chassis.apart import parent
from services.chassis.apart.parent import Apart
from services.chassis.errors import InvalidInput, MedmeshError, QuotaExceeded
from services.chassis.observability.kept_traces import KeptTraces
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc import request as requests
from services.chassis.rpc.request import Priority, Request
from tests.chassis.apart.second import SECRET, VIOLATIONS
from tests.chassis.conftest import PREFIX, Text
from tools.bootstrap import ROOT

SECOND = [sys.executable, "-m", "tests.chassis.apart.second"]
LARGE = 1000


def a_request(sharer="a", **fields):
    return Request("abcdef12", PREFIX + "Unary", time.monotonic() + 60, sharer=sharer, **fields)


@asynccontextmanager
async def started(telemetry=None, *, edition="first", command=None):
    apart = Apart(
        command or [*SECOND, "first"],
        lambda: edition,
        telemetry or Telemetry("sample"),
        methods=PREFIX,
        large_bytes=LARGE,
    )
    try:
        yield apart
    finally:
        await apart.close()


async def told(apart, note, request=None, content=b""):
    """The process that answered, and how many bytes of an image it saw."""
    message = Text(note=note)
    message.images.add().sources.add(content=content)
    answer = await apart.answer(request or a_request(), message.SerializeToString())
    pid, length = Text.FromString(answer).note.split()
    return int(pid), int(length)


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def is_gone(pid, within_s=5.0):
    until = time.monotonic() + within_s
    while runs(pid):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True


async def test_large_requests_go_apart_while_another_caller_sends_small_ones(monkeypatch):
    async with started() as apart:
        large = a_request("large")
        assert not apart.takes(large, LARGE), "nobody else is there"
        assert not apart.takes(large, LARGE - 1)
        assert not apart.takes(large, LARGE), "only its own small ones"
        catalog = replace(a_request("other"), method="/medmesh.common.v1.ModelCatalogService/ListModels")
        assert not apart.takes(catalog, 10)
        assert not apart.takes(large, LARGE), "nor is that work"
        assert not apart.takes(a_request("small"), LARGE - 1), "small ones never do"
        assert apart.takes(large, LARGE)
        assert not apart.takes(a_request("large", priority=Priority.URGENT), LARGE)
        assert not apart.takes(large, 300 << 20), "would be held three times"
        assert not apart.takes(large, 1)
        assert apart.takes(large, LARGE), "its own small ones change nothing"
        now = time.monotonic()
        monkeypatch.setattr(parent.time, "monotonic", lambda: now + 11)
        assert not apart.takes(large, LARGE), "the last small one was long ago"


async def test_a_message_of_megabytes_goes_there_and_its_answer_comes_back():
    async with started() as apart:
        current = a_request()
        pid, length = await told(apart, "which", current, bytes(9 << 20))
        assert (pid != os.getpid(), length, current.facts) == (True, 9 << 20, {"apart": True})
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 10
        pids = await asyncio.gather(*(told(apart, "which", content=bytes(100_000)) for _ in range(8)))
        assert set(pids) == {(pid, 100_000)}
    assert await is_gone(pid)


async def test_files_that_no_message_held_go_with_it_and_another_method_answers_for_a_stream():
    async with started() as apart:
        streamed = replace(a_request(), method=PREFIX + "Stream")
        files = [bytes(9 << 20), b"\x01" * 100_000, b"\x02"]
        message = Text(note="files").SerializeToString()
        answer = await apart.answer(streamed, message, files, method=PREFIX + "Unary")
        assert Text.FromString(answer).note == f"{9 << 20}:0 100000:1 1:2"
        assert (streamed.method, streamed.facts) == (PREFIX + "Stream", {"apart": True})
        answer = await apart.answer(a_request(), message)
        assert not Text.FromString(answer).note, "those of another call"


async def test_what_it_observed_is_the_services_own():
    kept, reader = KeptTraces(4), InMemoryMetricReader()
    telemetry = Telemetry("sample", kept=kept, metric_readers=(reader,))
    async with started(telemetry) as apart:
        current = a_request()
        requests.current.set(current)
        trace_id = 0xA1
        span = telemetry.begin("call", {"traceparent": f"00-{trace_id:032x}-{0xB2:016x}-01"})
        await told(apart, "observe", current)
        span.end()
    spans = {one.name: one for one in kept.of(trace_id, current.caller).spans}
    assert spans.keys() == {"call", "compute apart", "a step"}
    assert spans["compute apart"].parent.span_id == spans["call"].context.span_id
    assert spans["a step"].parent.span_id == spans["compute apart"].context.span_id
    assert spans["a step"].resource == telemetry.resource
    assert trace.get_current_span() is span
    assert (current.facts, current.models) == ({"work": 3, "apart": True}, {"doubler@1"})
    [metric] = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    [point] = metric.data.data_points
    assert (metric.name, point.sum, dict(point.attributes)) == (
        "medmesh.model.batch_size",
        2,
        {"medmesh.model.name": "doubler"},
    )


async def test_spans_are_kept_for_the_caller_whose_request_they_are_part_of():
    kept = KeptTraces(8)
    telemetry = Telemetry("sample", kept=kept)

    async def observed(apart, identity, trace_id, note):
        current = replace(a_request(), identity=identity)
        requests.current.set(current)
        span = telemetry.begin("call", {"traceparent": f"00-{trace_id:032x}-{0xB2:016x}-01"})
        await told(apart, note, current)
        span.end()

    async with started(telemetry) as apart:
        await told(apart, "which")
        slow = asyncio.create_task(observed(apart, "a", 0xA1, "observe slowly"))
        await asyncio.sleep(0.2)
        await asyncio.create_task(observed(apart, "b", 0xA2, "observe"))
        await slow
    for identity, own, other in (("a", 0xA1, 0xA2), ("b", 0xA2, 0xA1)):
        assert {one.name for one in kept.of(own, identity).spans} == {"call", "compute apart", "a step"}
        assert not kept.of(other, identity).spans


async def test_errors_are_those_of_the_handler(capfd):
    async with started() as apart:
        with pytest.raises(InvalidInput) as invalid:
            await told(apart, "invalid")
        assert invalid.value.violations == VIOLATIONS
        with pytest.raises(QuotaExceeded) as quota:
            await told(apart, "quota")
        assert (quota.value.retry_after_s, quota.value.metadata) == (7.0, {"quota": "calls"})
        with pytest.raises(InvalidInput, match="not the protobuf message"):
            await apart.answer(a_request(), b"\xff\xff")
        with pytest.raises(MedmeshError) as fault:
            await told(apart, "fault")
        assert (type(fault.value), SECRET in str(fault.value)) == (MedmeshError, False)
        await told(apart, "and goes on")


async def test_work_that_nobody_waits_for_ends_with_its_process_and_others_are_answered_by_the_next(
    monkeypatch,
):
    monkeypatch.setattr(parent, "_STOP_S", 0.5)
    async with started() as apart:
        pid, _ = await told(apart, "which")
        other = asyncio.create_task(told(apart, "wait"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await told(apart, "for-ever")
        assert await is_gone(pid)
        assert (await other)[0] != pid


async def test_a_call_that_stops_when_asked_takes_nothing_with_it(monkeypatch):
    monkeypatch.setattr(parent, "_STOP_S", 0.5)
    async with started() as apart:
        pid, _ = await told(apart, "which")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await told(apart, "wait")
        await asyncio.sleep(0.8)
        assert (await told(apart, "which"))[0] == pid
        assert apart.active_count == 0


async def test_a_process_that_is_stopped_is_replaced_once_somebody_has_waited_in_vain(monkeypatch):
    monkeypatch.setattr(parent, "_STOP_S", 0.3)
    async with started() as apart:
        pid, _ = await told(apart, "which")
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await told(apart, "which", content=bytes(200_000))
        assert await is_gone(pid)
        assert (await told(apart, "which"))[0] != pid


async def test_a_request_that_ends_the_process_is_tried_twice():
    async with started() as apart:
        pid, _ = await told(apart, "which")
        with pytest.raises(MedmeshError, match="ended twice"):
            await told(apart, "end")
        assert (await told(apart, "which"))[0] != pid


async def test_one_that_answers_from_other_models_is_not_asked():
    async with started(edition="second") as apart:
        assert await apart.answer(a_request(), Text(note="which").SerializeToString()) is None


async def test_one_that_does_not_start_is_done_without():
    async with started(command=[sys.executable, "-c", "raise SystemExit(1)"]) as apart:
        for _ in range(2):
            assert await apart.answer(a_request(), b"") is None


async def test_one_that_is_idle_ends(monkeypatch):
    monkeypatch.setattr(parent, "_IDLE_S", 0.2)
    async with started() as apart:
        pid, _ = await told(apart, "which")
        assert await is_gone(pid)
        assert (await told(apart, "which"))[0] != pid


PARENT = """
import asyncio, sys
from tests.chassis.apart.test_apart import started, told
async def main():
    async with started() as apart:
        print((await told(apart, "which"))[0], flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_it_does_not_outlive_its_service():
    with subprocess.Popen(  # noqa: ASYNC220 - killed at once
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as service:
        pid = int(service.stdout.readline())
        assert runs(pid)
        service.kill()
    assert await is_gone(pid)
