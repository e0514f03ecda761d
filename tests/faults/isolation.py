"""What one tenant sees of another's load: `python -m tests.faults.isolation`.

Two tenants call the same service of a real mesh with the same small request: one asks one after the other,
alone and then beside the other, who keeps so many under way. What the service says each of the first one's
requests waited for its turn is told beside what its caller measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import grpc

from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.faults.deployment import MODELS
from tests.faults.fairness import Pair, pairs
from tests.faults.test_accounting import policy
from tests.faults.wire import Seen
from tools.bootstrap import ROOT

_OBSERVER, _OTHER = "ward", "clinic"
_AT_ONCE = 64
"""The other's: more than the places that one caller gets, so that its own queue is never empty."""
_TIMEOUT_S = 30.0
_LOADING_S = 3.0
say = partial(print, flush=True)


async def _ask(pair: Pair, address: str, who: str, seconds: float) -> list[float]:
    """How long each request took, in milliseconds; the refused are left out, and come again."""
    times, metadata = [], (("authorization", f"Bearer {who}"),)
    ends = time.monotonic() + seconds
    async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        method = pair.method(channel)
        while time.monotonic() < ends:
            began = time.perf_counter()
            try:
                await method(pair.small, timeout=_TIMEOUT_S, metadata=metadata)
                times.append((time.perf_counter() - began) * 1e3)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(1.0)  # as RetryInfo asks at least
    return times


async def load(pair: Pair, address: str, seconds: float) -> None:
    """The other's; prints how many were answered in a second."""
    answered = await asyncio.gather(*(_ask(pair, address, _OTHER, seconds) for _ in range(_AT_ONCE)))
    say(f"{sum(map(len, answered)) / seconds:.0f}")


def measure(pair: Pair, address: str, log: Path, seconds: float) -> None:
    """Prints a line for the first tenant alone, and one beside the other, who runs in a process of the lowest
    rank, as one on another machine would leave the processors to the mesh.
    """
    asyncio.run(_ask(pair, address, _OBSERVER, 2.0))
    command = [sys.executable, "-m", "tests.faults.isolation", "--only", pair.service, "--load", address]
    for beside in (False, True):
        log_bytes, told = log.stat().st_size, "alone"
        if beside:
            whole = ["nice", "-n", "19", *command, "--seconds", str(seconds + 2 * _LOADING_S)]
            with subprocess.Popen(whole, stdout=subprocess.PIPE, text=True) as other:
                time.sleep(_LOADING_S)
                times = asyncio.run(_ask(pair, address, _OBSERVER, seconds))
                told = f"beside {other.communicate()[0].strip()} of the other's a second"
        else:
            times = asyncio.run(_ask(pair, address, _OBSERVER, seconds))
        lines = [json.loads(line) for line in log.read_bytes()[log_bytes:].splitlines() if line[:1] == b"{"]
        waits = [one["queue_ms"] for one in lines if one.get("identity") == _OBSERVER and "queue_ms" in one]
        took, waited = Seen(times, 0), Seen(waits, 0)
        say(
            f"{pair.service}, {told}: p50 {took.quantile(0.5):.1f} ms, p99 {took.quantile(0.99):.1f} ms "
            f"({len(times)}); of it for a turn p50 {waited.quantile(0.5):.1f} ms, "
            f"p99 {waited.quantile(0.99):.1f} ms"
        )


def main() -> None:
    """Reads the command line, starts a mesh of two tenants, and prints two lines for each service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--only", default="", help="the services whose names contain this")
    parser.add_argument("--in-flight", type=int, help="the other's quota of requests at the same time")
    parser.add_argument("--load", metavar="HOST:PORT", help="send the other's to this service alone")
    given = parser.parse_args()
    chosen = [pair for pair in pairs(image_px=512, observations=1) if given.only in pair.service]
    if given.load:
        asyncio.run(load(chosen[0], given.load, given.seconds))
        return
    with tempfile.TemporaryDirectory(prefix="medmesh-isolation-") as name:
        folder = Path(name)
        for model in MODELS:
            shutil.copytree(ROOT / "triton_repo" / model, folder / "models" / model)
        settings = MeshSettings.from_environment().on_free_ports(folder / "run")
        bounds = f"[tenants.medicine]\nin_flight = {given.in_flight}\n" if given.in_flight else ""
        triton = replace(settings.triton, repository=(folder / "models",))
        with Mesh.start(
            replace(settings, triton=triton, variables=policy(folder, bounds)), lambda _: None
        ) as mesh:
            for pair in chosen:
                measure(
                    pair, mesh.addresses[pair.service], folder / "run" / f"{pair.service}.log", given.seconds
                )


if __name__ == "__main__":
    main()
