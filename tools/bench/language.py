"""The rows of language: notes, medmesh beside the same model in a direct loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from medmesh.language.v1 import language_pb2
from tools.bench import notes
from tools.bench.meshes import PLAIN, Meshes
from tools.bench.rows import MESH, REFERENCE, Row, Samples, at_least, at_most, p50_ratio, throughput
from tools.bench.sampling import Sample
from tools.bench.sides import Measure, Rpc, Side, Worker
from tools.bootstrap import ROOT

_METHOD = "/medmesh.language.v1.LanguageService/AnalyzeNote"
_FOLDER = ROOT / ".medmesh" / "bench"
_LIMIT = "÷ a direct loop (tokens, ONNX Runtime, likeliest labels) on all cores"


@dataclass(frozen=True)
class Beside:
    """A side while others ask the mesh for something else."""

    side: Rpc
    other: Rpc
    other_callers: int

    @property
    def mesh(self) -> str:
        """See `Side`."""
        return self.side.mesh

    @contextlib.asynccontextmanager
    async def opened(self, meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""
        async with self.side.opened(meshes) as own, self.other.opened(meshes) as others:

            async def measure(callers: int, seconds: float) -> Sample:
                company = asyncio.ensure_future(others(self.other_callers, seconds + 1.0))
                try:
                    return await own(callers, seconds)
                finally:
                    await company

            yield measure


def _requests(texts: Callable[[], Sequence[str]]) -> Sequence[bytes]:
    return [language_pb2.AnalyzeNoteRequest(note=text).SerializeToString() for text in texts()]


def _paths(name: str, texts: Callable[[], Sequence[str]]) -> Sequence[str]:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / f"{name}.json"
    path.write_text(json.dumps(list(texts())), encoding="utf-8")
    return [str(path)]


def _short() -> Sequence[str]:
    return [notes.SHORT]


def _long() -> Sequence[str]:
    return [notes.long()]


def mesh(texts: Callable[[], Sequence[str]], callers: int | None = None) -> Rpc:
    """Notes sent to language as they are."""
    return Rpc("language", _METHOD, partial(_requests, texts), mesh=PLAIN, callers=callers)


def alone(name: str, texts: Callable[[], Sequence[str]]) -> Side:
    """The same in one loop on all cores."""
    return Worker("clients.loadtest.peers.notes_alone", partial(_paths, name, texts), callers=1)


def _p99_ratio(samples: Samples) -> float:
    return samples[MESH].percentile_ms(99) / samples[REFERENCE].percentile_ms(99)


ROWS: Sequence[Row] = (
    *(
        Row(
            f"language.mixed-{callers}",
            f"language, notes of 60 to 4,000 characters, callers: {callers}, {_LIMIT}",
            {MESH: mesh(notes.mixed), REFERENCE: alone("mixed", notes.mixed)},
            throughput,
            at_least(target),
            callers,
            seconds=8.0,
            before=before,
        )
        for callers, target, before in ((1, 0.85, "0.35"), (8, 0.92, "0.62"), (16, 0.92, "0.51"))
    ),
    Row(
        "language.short",
        "a short note beside 8 callers with such notes, p50 ÷ alone",
        {MESH: Beside(mesh(_short), mesh(notes.mixed), 8), REFERENCE: mesh(_short)},
        p50_ratio,
        at_most(3.0),
        before="~15",
    ),
    Row(
        "language.long",
        "a note of 100 kB, latency ÷ the direct loop's",
        {MESH: mesh(_long), REFERENCE: alone("long", _long)},
        p50_ratio,
        at_most(2.0),
        before="11.9 s",
    ),
    Row(
        "language.beside-long",
        "4 callers with notes of 60 to 4,000 characters beside one of 100 kB, p99 ÷ without it",
        {MESH: Beside(mesh(notes.mixed), mesh(_long), 1), REFERENCE: mesh(notes.mixed)},
        _p99_ratio,
        at_most(2.0),
        callers=4,
        seconds=8.0,
        before="not measured",
    ),
)
