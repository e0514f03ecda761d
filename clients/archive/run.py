"""One run over an archive: its folder, what is in its queue, and the work until nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clients.archive.entries import Entry, entries
from clients.archive.reading import FILE_UNREADABLE, PASSING, Reader
from medmesh.aio.client import AsyncClient
from medmesh.connection import Connection
from services.queue.database import open_database
from services.queue.items import Claimed, New, State
from services.queue.pressure import Pressure
from services.queue.queue import WORKER_LOST, Queue
from services.queue.worker import PAUSES_S, Ended, Problem, Worker

_QUEUE_FILE = "queue.sqlite"
_PLAN_FILE = "run.json"
_HEALTH_TIMEOUT_S = 5.0
RETRYABLE = PASSING | {WORKER_LOST, FILE_UNREADABLE, "INTERNAL", "MODEL_FAILED", "RECEIPT_NOT_WRITTEN"}
"""Reasons of entries that may fare better another time; the others are about the entry itself."""


class RunError(ValueError):
    """The folder is not what was asked for; the message is for whoever named it."""


@dataclass(frozen=True)
class Plan:
    """What a run was begun with. It is kept, so that a resumed run reads as the first one did."""

    sources: tuple[str, ...]
    pattern: str = "*"
    models: tuple[str, ...] = ()
    body_part: str = ""


class Run:
    """A run's folder. Use it as a context manager."""

    def __init__(self, folder: Path, *, looking: bool = False) -> None:
        """`looking`: only to look, while another process may be at work. Raises RunError, DatabaseError."""
        self.folder = folder
        try:
            said = json.loads((folder / _PLAN_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{folder} holds no run: begin one with `medmesh archive run`") from None
        self._is_indexed = bool(said.pop("indexed"))
        self.plan = Plan(**said | {name: tuple(said[name]) for name in ("sources", "models")})
        database = open_database(folder / _QUEUE_FILE, read_only=looking, repeatable=True)
        self.queue = Queue(database, "archive")
        if not looking:
            self.queue.prepare()

    @classmethod
    def begin(cls, folder: Path, plan: Plan) -> Self:
        """Makes the folder, for its owner's eyes. Raises RunError where a run is there already."""
        if (folder / _PLAN_FILE).exists():
            raise RunError(f"{folder} holds a run already: go on with --resume, or name another folder")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        _write_plan(folder, plan, indexed=False)
        return cls(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.close()

    @property
    def is_indexed(self) -> bool:
        """Whether all entries of the sources are in the queue."""
        return self._is_indexed

    def index(self, found: Callable[[int], None]) -> None:
        """Puts every entry of the sources into the queue; `found` hears how many there are so far.

        A run that was ended meanwhile begins again and adds what is missing. Raises SourceError.
        """
        count = 0

        def counted() -> Iterable[New]:
            nonlocal count
            for source in self.plan.sources:
                for entry in entries(Path(source), self.plan.pattern):
                    count += 1
                    if count % 1_000 == 0:
                        found(count)
                    yield New(entry.key, entry.packed())

        self.queue.add(counted())
        found(count)
        _write_plan(self.folder, self.plan, indexed=True)
        self._is_indexed = True

    async def work(
        self,
        client: AsyncClient,
        stop: asyncio.Event,
        pressure: Pressure,
        *,
        timeout_s: float,
        patience_s: float,
        on_end: Callable[[Claimed, Ended], None],
    ) -> None:
        """Reads what waits until nothing does, or until `stop`. Raises what `Reader.read` does, and Gone."""
        reader = Reader(
            client, models=self.plan.models, body_part=self.plan.body_part or None, timeout_s=timeout_s
        )
        async with _health(client.connection, reader.silent) as problem:
            worker = Worker(
                self.queue,
                reader.read,
                pressure,
                problem=problem,
                pauses_s=PAUSES_S,
                patience_s=patience_s,
                on_end=on_end,
            )
            await worker.run(stop, until_empty=True)

    def counts(self) -> dict[State, int]:
        """How many entries are in each state."""
        return self.queue.counts()

    def set_aside(self) -> Iterable[tuple[Entry, str, str]]:
        """Every entry that was set aside, with its reason and what was said of it."""
        for item, payload, result in self.queue.ended():
            if item.state is State.FAILED:
                yield Entry.unpacked(item.key, payload), item.reason, result.decode()

    def retry(self) -> int:
        """Lets wait again what may fare better now, and returns how many."""
        return self.queue.retry(RETRYABLE)


def _write_plan(folder: Path, plan: Plan, *, indexed: bool) -> None:
    new = folder / f".{_PLAN_FILE}"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(plan) | {"indexed": indexed}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _PLAN_FILE)


@asynccontextmanager
async def _health(connection: Connection, silent: set[str]) -> AsyncIterator[Problem]:
    """The check whether the services that did not answer serve again."""
    channels: dict[str, grpc.aio.Channel] = {}

    async def problem() -> str:
        for name in list(silent):
            if name not in channels:
                channels[name] = connection.async_channel(name)
            stub = health_pb2_grpc.HealthStub(channels[name])
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                return f"{name} at {connection.targets[name]} does not answer ({error.code().name})"
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                return f"{name} at {connection.targets[name]} is not serving"
            silent.discard(name)
        return ""

    try:
        yield problem
    finally:
        for channel in channels.values():
            await channel.close()
