"""Asks each part of the mesh on this machine whether it answers, and what its health tells."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import grpc

from services.chassis.rpc import probe, transport
from services.chassis.settings import ServiceSettings, SettingsError
from services.local.triton.launcher import is_ready
from services.local.triton.processes import is_stopped
from services.local.watch import SILENT_LOOKS, Finding

TIMEOUT_S = 2.0
_STARTING_LOOKS = 60
"""For a process that has not answered yet."""


@dataclasses.dataclass(frozen=True)
class Running:
    """A part whose process is there."""

    pid: int
    address: str
    """HOST:PORT of its gRPC; of Triton of its HTTP."""


class Answering:
    """What `Watch` looks at; of one event loop."""

    def __init__(
        self,
        running: Callable[[], Mapping[str, Running]],
        services: Collection[str],
        settings: ServiceSettings,
        run_folder: Path,
    ) -> None:
        """`running`: the parts that run now; `services`: the names of those whose health is asked."""
        self._running = running
        self._services = frozenset(services)
        self._settings = settings
        self._run_folder = run_folder
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._answered: dict[str, int] = {}
        """The process that has answered, of each part that ever did."""
        self._last: dict[str, Sequence[Finding]] = {}
        self._ever: set[str] = set()

    async def look(self) -> dict[str, Sequence[Finding] | None]:
        """See `watch.Look`."""
        running = self._running()
        found = await asyncio.gather(*(self._of(name, part) for name, part in running.items()))
        self._ever.update(running)
        return {**dict.fromkeys(self._ever), **dict(zip(running, found, strict=True))}

    async def close(self) -> None:
        """Closes the connections."""
        for channel in self._channels.values():
            await channel.close()

    async def _of(self, name: str, part: Running) -> Sequence[Finding]:
        stopped = is_stopped(part.pid)
        why = "its process is stopped"
        if not stopped:
            try:
                self._last[name] = await self._ask(name, part.address)
                self._answered[name] = part.pid
                return self._last[name]
            except grpc.aio.AioRpcError as error:
                why = error.code().name
            except OSError as error:  # TimeoutError is one
                why = error.strerror or "it does not answer in time"
            except SettingsError as error:
                why = str(error)
        answered = self._answered.get(name) == part.pid
        looks = 1 if stopped else SILENT_LOOKS if answered else _STARTING_LOOKS
        wrong = (
            f"{name} no longer answers ({why}). It is not restarted while its process is there, and what it "
            f"does is missing meanwhile. Its log: {self._run_folder / f'{name}.log'}"
        )
        # What it said last stands until it speaks again.
        return [Finding(name, wrong, f"{name} answers again", looks), *self._last.get(name, ())]

    async def _ask(self, name: str, address: str) -> Sequence[Finding]:
        """What it says is wrong. Raises grpc.aio.AioRpcError and OSError where it does not answer."""
        if name in self._services:
            if name not in self._channels:
                self._channels[name] = transport.channel(address, self._settings)
            serves, troubles = await probe.told(self._channels[name], TIMEOUT_S)
            parts = [
                Finding(f"{name}: {part}", f"{name}: {part}: {trouble}", f"{name}: {part}: well again")
                for part, trouble in troubles.items()
            ]
            log = self._run_folder / f"{name}.log"
            wrong = f"{name} says that it cannot serve; why is in its log: {log}"
            return [*parts, *([] if serves else [Finding(f"{name} serves", wrong, f"{name} serves again")])]
        if name == "triton":
            if not await asyncio.to_thread(is_ready, address):
                raise TimeoutError
            return []
        # Doors speak different protocols; all of them take connections.
        host, _, port = address.rpartition(":")
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        return []
