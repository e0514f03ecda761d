"""The node: what listens, what asks, what sends, over one file of queues."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from clients.hl7_node.analyzing import ATTEMPTS, MESSAGES, Analyzer, results_queue
from clients.hl7_node.arrivals import Arrivals
from clients.hl7_node.configuration import Configuration
from clients.hl7_node.receiving import Receiver
from clients.hl7_node.sending import REFUSALS, Sender
from medmesh.aio.client import AsyncClient
from services.queue.database import open_database
from services.queue.items import State
from services.queue.pressure import Pressure
from services.queue.queue import Queue
from services.queue.worker import Worker

log = logging.getLogger("medmesh.hl7_node")

DATABASE = "messages.sqlite"
_TIDY_S = 600.0
_GRACE_S = 20.0
_AGAIN_S = 2.0


def queues(configuration: Configuration, *, read_only: bool = False) -> dict[str, Queue]:
    """The queues by what they hold: messages, and the results of each destination. Closing one closes all.

    Raises DatabaseError where another node has them, or, `read_only`, where there are none.
    """
    database = open_database(configuration.node.folder / DATABASE, read_only=read_only)
    found = {"messages": Queue(database, MESSAGES, maximum_attempts=ATTEMPTS)}
    for to in configuration.destinations:
        name = results_queue(to.name)
        found[f"results for {to.name}"] = Queue(database, name, maximum_attempts=REFUSALS)
    return found


class Node:
    """Runs from `start` to `stop`."""

    def __init__(self, configuration: Configuration, client: AsyncClient) -> None:
        """Raises DatabaseError where the folder is another node's, OSError where it cannot be written,
        ConfigurationError where the files of `[tls]` cannot be used.
        """
        self._configuration = configuration
        self._queues = queues(configuration)
        for queue in self._queues.values():
            queue.prepare()
        messages, *results = self._queues.values()
        self._receiver = Receiver(configuration, Arrivals(configuration.node, messages))
        at_once = configuration.node.at_once
        self._workers = [
            Worker(messages, Analyzer(configuration, client).work, Pressure(at_once, start=at_once))
        ]
        self._workers += [
            Worker(queue, Sender(configuration, to).work, Pressure(1))
            for queue, to in zip(results, configuration.destinations, strict=True)
        ]
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._receiver.port

    def waiting(self) -> Mapping[State, int]:
        """How many messages there are, by what has become of them."""
        return self._queues["messages"].counts()

    async def start(self) -> None:
        """Raises OSError where the port is taken."""
        await self._receiver.start()
        work: list[Callable[[], Awaitable[None]]] = [
            *(lambda worker=worker: worker.run(self._stop) for worker in self._workers),
            self._tidy,
        ]
        self._tasks = [asyncio.create_task(self._kept_up(one)) for one in work]
        log.info("listening", extra={"facts": {"port": self.port}})

    async def stop(self) -> None:
        """Takes nothing more and ends what is under way; the rest waits in the queues for the next start."""
        await self._receiver.stop()
        self._stop.set()
        _, late = await asyncio.wait(self._tasks, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        next(iter(self._queues.values())).close()

    async def _kept_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begins again what failed, e.g. where the disk was full for a while."""
        while not self._stop.is_set():
            try:
                await work()
            except Exception:
                log.exception("the work was interrupted; beginning again")
                await self._pause(_AGAIN_S)

    async def _tidy(self) -> None:
        """Forgets what was dealt with for long enough. What waits for a person stays."""
        while not self._stop.is_set():
            before = time.time() - self._configuration.node.keep_hours * 3600
            for queue in self._queues.values():
                await asyncio.to_thread(queue.forget, before, failed=False)
            await self._pause(_TIDY_S)

    async def _pause(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause_s)
