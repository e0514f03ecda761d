"""Callers of a mesh who write down how each call ended, and what health said meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
import os
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import grpc
import pydicom
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2

from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.chassis.rpc.health import list_states
from services.chassis.rpc.transport import BALANCED, DIRECT
from tests.faults.history import COMPLETE, PARTIAL, Answer, Call, HealthSample, answer_of, merged
from tools.bootstrap import ROOT

CANARIES = ("Zyxwalter", "Qvortrup", "Kvistelund")
"""Names that stand in every request, in image, record and note, and must stand nowhere else."""
_HEALTH_EVERY_S = 0.5
_HEALTH_TIMEOUT_S = 1.0
_CHANNEL = [
    DIRECT,
    BALANCED,
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.use_local_subchannel_pool", 1),
]
_PULSE_S, _STALL_S = 0.02, 0.1
_STREAMED_EVERY = 4


def case() -> pb.DiagnosticCase:
    """The project's samples, of a patient with a name."""
    samples = ROOT / "samples"
    dataset = pydicom.dcmread(samples / "chest_xray.dcm")
    dataset.PatientName = f"{CANARIES[1]}^{CANARIES[0]}"
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    record = json.loads((samples / "patient.json").read_text())
    for entry in record["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["name"] = [{"family": CANARIES[1], "given": [CANARIES[0]]}]
    note = (samples / "note.txt").read_text(encoding="utf-8")
    return pb.DiagnosticCase(
        images=[pb.CaseImage(sources=[imaging_pb2.ImageSource(content=out.getvalue())])],
        note=f"{note}\nSeen by Dr {CANARIES[2]}.",
        patient=patient_pb2.PatientInput(fhir_bundle=json.dumps(record).encode()),
    )


class Recorder:
    """Offers calls at a steady rate, whatever becomes of those before; use it as a context manager."""

    def __init__(
        self, target: str, services: Mapping[str, str], rate_per_s: float, deadline_s: float
    ) -> None:
        """`target`: where calls go; `services`: whose health is asked, each by its own address."""
        self.rate_per_s = rate_per_s
        self.deadline_s = deadline_s
        self.calls: list[Call] = []
        self.health: list[HealthSample] = []
        self.stalls: list[tuple[float, float]] = []
        """From when to when the callers, or whoever would have run on one of the processors, got no turn, for
        longer than a mesh needs to say a word. A processor that the machine's host takes away keeps what ran
        on it: then one service stands still, and the callers need not.
        """
        self._target, self._services = target, services
        self._case = case()
        self.began = time.monotonic()
        """When the run began (monotonic seconds)."""
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=lambda: asyncio.run(self._run()), name="callers")] + [
            threading.Thread(target=self._beat, args=(one,)) for one in sorted(os.sched_getaffinity(0))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No further call begins; returns when those under way have ended. May be called again."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def now_s(self) -> float:
        """Seconds of the run."""
        return time.monotonic() - self.began

    def stalled_s(self, within_s: float) -> float:
        """For how long of the last seconds somebody got no turn (`stalls`)."""
        since_s = self.now_s() - within_s
        return sum(end - max(begin, since_s) for begin, end in merged(self.stalls) if end > since_s)

    def since(self, began_s: float) -> list[Call]:
        """Calls that began then or later and have ended."""
        return [call for call in list(self.calls) if call.began_s >= began_s]

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group, grpc.aio.insecure_channel(self._target, _CHANNEL) as channel:
            stub = orchestrator_pb2_grpc.DiagnosticServiceStub(channel)
            watches = [group.create_task(self._watch(*one)) for one in self._services.items()]
            watches.append(group.create_task(self._pulse()))
            count, calls = 0, set()
            while not self._ended.is_set():
                call = group.create_task(self._call(stub, streamed=count % _STREAMED_EVERY == 0))
                calls.add(call)
                call.add_done_callback(calls.discard)
                count += 1
                await asyncio.sleep(max(0.0, self.began + count / self.rate_per_s - time.monotonic()))
            while calls:
                await asyncio.wait(calls)
            for watch in watches:
                watch.cancel()

    async def _call(self, stub: Any, *, streamed: bool) -> None:
        request_id, began_s = str(uuid.uuid4()), self.now_s()
        how = {"timeout": self.deadline_s, "metadata": (("x-request-id", request_id),)}
        answers: list[pb.Diagnosis] = []
        error = ""
        try:
            if streamed:
                events = stub.DiagnoseStream(pb.DiagnoseStreamRequest(case=self._case), **how)
                answers += [event.diagnosis async for event in events if event.HasField("diagnosis")]
            else:
                answers.append((await stub.Diagnose(pb.DiagnoseRequest(case=self._case), **how)).diagnosis)
        except grpc.aio.AioRpcError as failed:
            error = outcome_of(failed)
        ended_s = self.now_s()
        answer: Answer | None = answer_of(answers[0]) if answers else None
        complete = bool(answers) and answers[0].completeness == pb.COMPLETENESS_COMPLETE
        outcome = error or (COMPLETE if complete else PARTIAL if answers else "OK/-")
        ends = len(answers) + bool(error)
        self.calls.append(Call(request_id, began_s, ended_s, self.deadline_s, outcome, ends, answer))

    async def _pulse(self) -> None:
        last_s = self.now_s()
        while True:
            await asyncio.sleep(_PULSE_S)
            last_s = self._beaten(last_s)

    def _beat(self, processor: int) -> None:
        os.sched_setaffinity(0, {processor})  # of this thread alone
        last_s = self.now_s()
        while not self._ended.wait(_PULSE_S):
            last_s = self._beaten(last_s)

    def _beaten(self, last_s: float) -> float:
        now_s = self.now_s()
        if now_s - last_s > _PULSE_S + _STALL_S:
            self.stalls.append((last_s + _PULSE_S, now_s))  # from when the beat was due
        return now_s

    async def _watch(self, service: str, address: str) -> None:
        async with grpc.aio.insecure_channel(address, _CHANNEL) as channel:
            while True:
                states = {"": 0}
                with suppress(grpc.aio.AioRpcError):
                    states = await list_states(channel, _HEALTH_TIMEOUT_S)
                for name, state in states.items():
                    if not name.startswith("medmesh."):  # gRPC services, which follow the empty name
                        serving = state == health_pb2.HealthCheckResponse.SERVING
                        part = f"{service}/{name}" if name else service
                        self.health.append(HealthSample(self.now_s(), part, serving))
                await asyncio.sleep(_HEALTH_EVERY_S)


def outcome_of(error: grpc.aio.AioRpcError) -> str:
    """`CODE/REASON`; `-` in place of a reason that no server of the mesh gave."""
    info = ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                if detail.Is(ErrorInfo.DESCRIPTOR):
                    detail.Unpack(info)
    return f"{error.code().name}/{info.reason or '-'}"
