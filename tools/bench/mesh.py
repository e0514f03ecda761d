"""The rows of the whole mesh: how soon it serves, and what it takes of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tools.bench import imaging
from tools.bench.meshes import PLAIN, Meshes, started
from tools.bench.rows import MESH, Row, Samples, at_most
from tools.bench.sampling import Sample
from tools.bench.sides import Measure


@dataclass(frozen=True)
class Start:
    """Starts a mesh and stops it again; an answer is one start, its latency the time until all serve.

    Files lie in the page cache: the mesh was started before.
    """

    mesh: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self, _meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""

        async def measure(_callers: int, _seconds: float) -> Sample:
            # In a thread that lives until the mesh has stopped: its parts end with it.
            took_s = await asyncio.to_thread(_start_and_stop)
            return Sample(took_s, [took_s * 1e3])

        await asyncio.to_thread(_start_and_stop)
        yield measure


def _start_and_stop() -> float:
    began = time.perf_counter()
    with started(PLAIN):
        return time.perf_counter() - began


def _start_s(samples: Samples) -> float:
    return samples[MESH].p50_ms / 1e3


def _resident_gb(samples: Samples) -> float:
    return sum(mb for name, mb in samples[MESH].rss_mb.items() if name != "client") / 1e3


def _proportional_gb(samples: Samples) -> float:
    return sum(mb for name, mb in samples[MESH].pss_mb.items() if name != "client") / 1e3


ROWS: Sequence[Row] = (
    Row(
        "mesh.memory",
        "resident memory of the whole mesh (services, Triton, all models) after 16 callers of imaging",
        {MESH: imaging.mesh("small")},
        _resident_gb,
        at_most(0.9),
        16,
        unit="GB",
        before="1.65-1.76 GB",
        alone=True,
    ),
    Row(
        "mesh.memory-once",
        "the same with pages that processes share (libraries) counted once, which is what the machine spends",
        {MESH: imaging.mesh("small")},
        _proportional_gb,
        None,
        16,
        unit="GB",
        alone=True,
    ),
    Row(
        "mesh.start",
        "warm start of the whole mesh",
        {MESH: Start()},
        _start_s,
        at_most(3.5),
        unit="s",
        before="5.4 s",
    ),
)
