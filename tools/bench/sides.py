"""What is measured in a row. A side is opened once for its row, then measured once a round."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import grpc

from medmesh.connection import CHANNEL_OPTIONS
from services.local import ports
from tools.bench import http
from tools.bench.meshes import PLAIN, Meshes
from tools.bench.sampling import Processes, Sample, children, closed_loop, cpu_ms, pss_mb, rss_mb
from tools.bootstrap import ENVIRONMENTS, ROOT

WARM_UP_S = 0.7
_TIMEOUT_S = 60.0

Measure = Callable[[int, float], Awaitable[Sample]]
"""Callers and seconds -> what that stretch gave."""


class Side(Protocol):
    """One of the things that a row compares."""

    @property
    def mesh(self) -> str | None:
        """Name of the mesh that must run meanwhile; None: none."""
        ...

    def opened(self, meshes: Meshes, /) -> contextlib.AbstractAsyncContextManager[Measure]:
        """Ready to be measured within the block."""
        ...


@dataclass(frozen=True)
class Rpc:
    """An rpc of a mesh, asked by this process with messages that are encoded already."""

    service: str
    method: str
    """Full name, e.g. `/medmesh.imaging.v1.ImagingService/AnalyzeImage`."""
    requests: Callable[[], Sequence[bytes]]
    """Encoded requests, taken in turn."""
    mesh: str = PLAIN
    callers: int | None = None
    """None: the row's."""
    streams: bool = False
    """Whether it answers with a stream, which is read to its end."""

    @contextlib.asynccontextmanager
    async def opened(self, meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""
        async with self.asked(meshes) as ask:

            async def measure(callers: int, seconds: float) -> Sample:
                callers = self.callers or callers
                await closed_loop(ask, callers, WARM_UP_S)
                return await watched(lambda: closed_loop(ask, callers, seconds), meshes[self.mesh].processes)

            yield measure

    @contextlib.asynccontextmanager
    async def asked(self, meshes: Meshes, /) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """What sends the request of a number and reads its answer."""
        mesh, requests = meshes[self.mesh], self.requests()
        async with mesh.channel(self.service) as channel:
            if self.streams:
                stream = channel.unary_stream(self.method)

                async def ask(number: int) -> None:
                    async for _ in stream(requests[number % len(requests)], timeout=_TIMEOUT_S):
                        pass
            else:
                unary = channel.unary_unary(self.method)

                async def ask(number: int) -> None:
                    await unary(requests[number % len(requests)], timeout=_TIMEOUT_S)

            yield ask


@dataclass(frozen=True)
class Worker:
    """Work in a process of its own without a server (`clients/loadtest/peers/worker.py`): the limit."""

    module: str
    """What is run, e.g. `clients.loadtest.peers.onnxruntime_alone`."""
    arguments: Callable[[], Sequence[str]]
    callers: int | None = None
    """None: the row's; the worker has a thread each, at most one a core."""
    mesh: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self, _meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""
        process = await _started(self.module, self.arguments())
        assert process.stdin is not None  # noqa: S101 - PIPE was asked for
        writer = process.stdin

        async def measure(callers: int, seconds: float) -> Sample:
            order = {"callers": self.callers or callers, "warm_up_s": WARM_UP_S, "seconds": seconds}
            writer.write(f"{json.dumps(order)}\n".encode())
            answer = json.loads(await _line(process, self.module))
            return Sample(
                answer["seconds"],
                answer["latencies_ms"],
                {"alone": answer["cpu_ms"]},
                rss_mb({"alone": [process.pid]}),
            )

        async with _ended(process):
            yield measure


@dataclass(frozen=True)
class HttpServer:
    """Another server on the same work (`clients/loadtest/peers/`), asked by HTTP."""

    name: str
    module: str
    requests: Callable[[], Sequence[http.Request]]
    mesh: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self, _meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""
        requests = self.requests()
        async with _serving(self.name, self.module) as (port, processes):

            async def measure(callers: int, seconds: float) -> Sample:
                async with http.Pool("127.0.0.1", port, callers) as pool:

                    async def ask(number: int) -> None:
                        await pool.ask(requests[number % len(requests)])

                    await closed_loop(ask, callers, WARM_UP_S)
                    return await watched(lambda: closed_loop(ask, callers, seconds), processes)

            yield measure


@dataclass(frozen=True)
class GrpcServer:
    """Another server on the same work, asked by gRPC with messages that are encoded already."""

    name: str
    module: str
    method: str
    requests: Callable[[], Sequence[bytes]]
    mesh: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self, _meshes: Meshes, /) -> AsyncIterator[Measure]:
        """See `Side`."""
        requests = self.requests()
        async with (
            _serving(self.name, self.module) as (port, processes),
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel,
        ):
            unary = channel.unary_unary(self.method)

            async def ask(number: int) -> None:
                await unary(requests[number % len(requests)], timeout=_TIMEOUT_S)

            async def measure(callers: int, seconds: float) -> Sample:
                await closed_loop(ask, callers, WARM_UP_S)
                return await watched(lambda: closed_loop(ask, callers, seconds), processes)

            yield measure


@contextlib.asynccontextmanager
async def _serving(name: str, module: str) -> AsyncIterator[tuple[int, Callable[[], Processes]]]:
    """The port of a server that was started, and its processes."""
    port = ports.claim("127.0.0.1", {name: 0}, "{}")[name]
    process = await _started(module, ["--port", str(port)])
    async with _ended(process):
        yield port, lambda: {name: [process.pid, *children(process.pid)]}


async def watched(run: Callable[[], Awaitable[Sample]], processes: Callable[[], Processes]) -> Sample:
    """A stretch with what each process, this one as `client`, spent in it."""
    seen = {**processes(), "client": [os.getpid()]}
    before = cpu_ms(seen)
    sample = await run()
    after = cpu_ms(seen)
    spent = {name: after[name] - before[name] for name in seen}
    return replace(sample, cpu_ms=spent, rss_mb=rss_mb(seen), pss_mb=pss_mb(seen))


async def _started(module: str, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """A process of the peers' environment that has said `ready`."""
    process = await asyncio.create_subprocess_exec(
        str(ENVIRONMENTS["peers"].python),
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    while await _line(process, module) != "ready":
        pass  # what a server says before
    return process


async def _line(process: asyncio.subprocess.Process, module: str) -> str:
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{module} ended with status {await process.wait()}")
    return line.decode().strip()


@contextlib.asynccontextmanager
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Ends it after the block by closing its standard input, which every peer watches."""
    try:
        yield
    finally:
        started = children(process.pid)
        assert process.stdin is not None  # noqa: S101 - PIPE was asked for
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        for left in started:  # workers that outlive their server
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
