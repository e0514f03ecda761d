"""Cancels calls of a real mesh in each of their phases, and looks what they leave behind:
`python -m tests.faults.cancelled --calls 100000`.

Before they are sent, on their way, while they wait, at work, and at about the moment of their answer; most of
them early, since a call that has come far costs what an answer costs. The services have few places, so that
calls wait. Exits 1 where anything is left, and at once where a process ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from prometheus_client.parser import text_string_to_metric_families

from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from medmesh.language.v1 import language_pb2, language_pb2_grpc
from medmesh.orchestrator.v1 import orchestrator_pb2, orchestrator_pb2_grpc
from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.rpc.transport import DIRECT
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from services.local.triton.processes import model_instances
from tests.faults.deployment import until
from tests.faults.recording import case
from tests.faults.wire import resident_mb

_AT_ONCE = 48
_PLACES = 6
_TIMEOUT_S = 30.0
_WHOLE_EVERY = 50
"""Of so many calls one is left to its end: how long that takes says when the others are under way."""
_NEWEST_SHARE = 0.1
_ON_ITS_WAY_S = 0.004
_PHASES: tuple[tuple[float, float | None], ...] = (
    (0.0, 0.0),
    (0.0, None),
    (0.05, 0.5),
    (0.5, 0.9),
    (0.9, 1.1),
)
"""From when to when they are cancelled, as shares of how long the call usually takes."""
_WEIGHTS = (4, 4, 1, 1, 1)
_QUIET_S = 30.0
_SETTLED_SHARE, _SETTLED_COUNT = 0.2, 5000
"""Of the calls, after which memory is no longer expected to grow; of fewer it says nothing."""
_MOST_GROWTH = 1.15
_MOST_DESCRIPTORS = 16
_GAUGES = ("active_requests", "queue_length", "held_bytes")
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Kind:
    """One rpc that is called and cancelled."""

    name: str
    call: Callable[[], grpc.aio.UnaryUnaryCall]
    usual_s: float = 0.3
    """How long it takes when nobody cancels it, lately."""

    def delay_s(self, chance: random.Random) -> float:
        """When it is cancelled; 0: before it is sent."""
        low, high = chance.choices(_PHASES, _WEIGHTS)[0]
        return (
            chance.uniform(0.0, _ON_ITS_WAY_S) if high is None else self.usual_s * chance.uniform(low, high)
        )


def kinds(channels: dict[str, grpc.aio.Channel]) -> list[Kind]:
    """One rpc of each service, with the project's samples."""
    sample = case()
    image = imaging_pb2.AnalyzeImageRequest(sources=sample.images[0].sources)
    stubs: dict[str, Any] = {
        "orchestrator": orchestrator_pb2_grpc.DiagnosticServiceStub(channels["orchestrator"]).Diagnose,
        "imaging": imaging_pb2_grpc.ImagingServiceStub(channels["imaging"]).AnalyzeImage,
        "language": language_pb2_grpc.LanguageServiceStub(channels["language"]).AnalyzeNote,
        "recommendation": recommendation_pb2_grpc.RecommendationServiceStub(
            channels["recommendation"]
        ).RankTreatments,
    }
    requests = {
        "orchestrator": orchestrator_pb2.DiagnoseRequest(case=sample),
        "imaging": image,
        "language": language_pb2.AnalyzeNoteRequest(note=sample.note),
        "recommendation": recommendation_pb2.RankTreatmentsRequest(patient=sample.patient),
    }

    def of(service: str) -> Callable[[], grpc.aio.UnaryUnaryCall]:
        return lambda: stubs[service](requests[service], timeout=_TIMEOUT_S)

    return [Kind(service, of(service)) for service in stubs]


class Canceller:
    """Makes calls, a bounded number at once, and cancels them."""

    def __init__(self, addresses: dict[str, str], seed: int) -> None:
        self._addresses = addresses
        self._random = random.Random(seed)
        self.ends: Counter[str] = Counter()
        """How calls ended for their caller."""

    @property
    def cancelled(self) -> int:
        return self.ends["CANCELLED"]

    async def run(self, count: int, look: Callable[[], Awaitable[None]]) -> None:
        """Until so many were cancelled; looks at the mesh every second."""
        options = [DIRECT, ("grpc.use_local_subchannel_pool", 1)]
        channels = {
            name: grpc.aio.insecure_channel(address, options) for name, address in self._addresses.items()
        }
        made = kinds(channels)
        ended = asyncio.Event()

        async def watch() -> None:
            while not ended.is_set():
                await look()
                await asyncio.sleep(1.0)

        async def user() -> None:
            while self.cancelled < count:
                kind = self._random.choice(made)
                whole = not self._random.randrange(_WHOLE_EVERY)
                delay_s = None if whole else kind.delay_s(self._random)
                self.ends[await _once(kind, delay_s)] += 1

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await asyncio.gather(*(user() for _ in range(_AT_ONCE)))
            ended.set()
            await watching
        for channel in channels.values():
            await channel.close()


async def _once(kind: Kind, delay_s: float | None) -> str:
    began = time.monotonic()
    call = kind.call()
    try:
        if delay_s:
            await asyncio.sleep(delay_s)
        if delay_s is not None and call.cancel():
            return "CANCELLED"
        await call
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    if delay_s is None:
        kind.usual_s += _NEWEST_SHARE * (time.monotonic() - began - kind.usual_s)
    return "OK"


@dataclass(frozen=True)
class State:
    """What the processes of a mesh hold."""

    memory_mb: dict[str, float]
    descriptors: dict[str, int]
    threads: dict[str, int]
    counts: dict[str, float]
    """Of the services: at work, waiting, held; of Triton: requests that it has not ended."""


def state(mesh: Mesh) -> State:
    """As it is now."""
    pids = mesh.pids()
    pids |= {model: pid for pid, model in model_instances(pids["triton"]).items()}
    counts = {}
    for name, address in mesh.metrics_addresses.items():
        with _DIRECTLY.open(f"http://{address}/metrics", timeout=_TIMEOUT_S) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        for sample in (sample for family in families for sample in family.samples):
            if sample.name.endswith(_GAUGES) or sample.name == "nv_inference_pending_request_count":
                counts[f"{name} {sample.name} {sample.labels.get('model', '')}".strip()] = sample.value
    return State(
        {name: resident_mb(pid) for name, pid in pids.items()},
        {name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in pids.items()},
        {name: len(list(Path(f"/proc/{pid}/task").iterdir())) for name, pid in pids.items()},
        counts,
    )


def phases(run_folder: Path) -> Counter[str]:
    """Where the cancelled calls were when they were cancelled, as the services' logs have it."""
    found: Counter[str] = Counter()
    for line in (line for log in run_folder.glob("*.log") for line in log.open(errors="replace")):
        if '"request"' not in line or '"CANCELLED"' not in line:
            continue
        said = json.loads(line)
        if said.get("identity_kind") is None:
            continue
        found[
            "at work" if "queue_ms" in said else "in the queue" if "request_bytes" in said else "on its way"
        ] += 1
    return found


def left(before: State, after: State) -> list[str]:
    """What the calls left behind."""
    found = [f"{name}: {value:g}" for name, value in after.counts.items() if value]
    found += [
        f"{name}: {after.memory_mb[name]:.0f} MB instead of {mb:.0f}"
        for name, mb in before.memory_mb.items()
        if after.memory_mb.get(name, 0.0) > _MOST_GROWTH * mb
    ]
    found += [
        f"{name}: {after.descriptors[name]} descriptors instead of {count}"
        for name, count in before.descriptors.items()
        if after.descriptors.get(name, 0) > count + _MOST_DESCRIPTORS
    ]
    return found


say = partial(print, flush=True)


def main() -> int:
    """Reads the command line, and prints what is held while it goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="that are cancelled")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medmesh-cancelled-") as folder:
        run_folder = Path(folder) / "run"
        settings = replace(
            MeshSettings.from_environment().on_free_ports(run_folder),
            variables={
                "MEDMESH_MAXIMUM_IN_FLIGHT_COUNT": str(_PLACES),
                "MEDMESH_AUDIT_FOLDER": str(Path(folder) / "audit"),
                "MEDMESH_RECEIPT_FOLDER": str(Path(folder) / "receipts"),
            },
        )
        with Mesh.start(settings) as mesh:
            services = {name: mesh.addresses[name] for name in settings.metrics_ports}
            canceller = Canceller(services, given.seed)
            first = set(mesh.pids().values())
            settled: State | None = None
            ended: list[str] = []
            shown = 0
            began = time.monotonic()

            async def look() -> None:
                nonlocal settled, shown
                ended.extend(await asyncio.to_thread(mesh.tend))
                if ended:
                    raise SystemExit("; ".join(ended))
                if canceller.cancelled < shown:
                    return
                shown = canceller.cancelled + given.calls // 10
                now = await asyncio.to_thread(state, mesh)
                say(
                    f"{time.monotonic() - began:6.0f} s {canceller.cancelled:7} cancelled;",
                    ", ".join(
                        f"{name} {mb:.0f} MB {now.descriptors[name]} fd {now.threads[name]} threads"
                        for name, mb in now.memory_mb.items()
                        if name in mesh.pids()
                    ),
                )
                enough = max(_SETTLED_COUNT, _SETTLED_SHARE * given.calls)
                if settled is None and canceller.cancelled >= enough:
                    settled = now

            asyncio.run(canceller.run(given.calls, look))
            until(lambda: not any(state(mesh).counts.values()), _QUIET_S)
            after = state(mesh)
            problems = [*ended, *left(settled or after, after)]
            if set(mesh.pids().values()) != first:
                problems.append("a process was replaced")
            stopping = time.monotonic()
        say(dict(canceller.ends), "in the services' logs", dict(phases(run_folder)))
        logs = "".join(log.read_text(errors="replace") for log in run_folder.glob("*.log"))
        problems += [sentence for sentence in ("requests did not end", "never handled") if sentence in logs]
        internal = logs.count('"INTERNAL"')
        if internal:
            problems.append(f"{internal} lines of INTERNAL")
        say(f"stopped in {time.monotonic() - stopping:.1f} s;", "; ".join(problems) or "nothing is left")
    return 1 if problems else 0


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    raise SystemExit(main())
