"""One load process: `python -m clients.loadtest.worker`, started by `coordinator.py`.

On stdin it gets its `Order`, then, when it has said that it is ready, the moment to start at; when stdin
closes, it ends. On stdout it says what has ended since, a JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from clients.loadtest.generator import Generator, Share
from clients.loadtest.profile import Profile
from medmesh.connection import Connection

TELL_INTERVAL_S = 0.25


@dataclass(frozen=True)
class Order:
    """What one process is to send."""

    profile: Profile
    connection: Connection
    connections: int
    share: Share
    count: int | None
    """Measured requests of this process; None: as many as the stages give."""
    seed: int


async def work(order: Order, incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Sends what the order says, and reports it."""
    loop = asyncio.get_running_loop()

    def say(**facts: Any) -> None:
        outgoing.write(json.dumps(facts).encode() + b"\n")
        outgoing.flush()

    try:
        generator = Generator(
            order.profile,
            order.connection,
            connections=order.connections,
            share=order.share,
            count=order.count,
            seed=order.seed,
        )
    except (OSError, ValueError) as error:
        say(failed=str(error))
        return
    say(as_given=generator.as_given)
    started = await loop.run_in_executor(None, incoming.readline)
    if not started:
        return

    run = asyncio.create_task(generator.run(float(started)))
    # A pipe that closes is the order to stop; so none outlives whoever started it.
    closed = loop.run_in_executor(None, incoming.read)
    busy_s, wall_s = time.process_time(), time.monotonic()
    while True:
        ended, _ = await asyncio.wait(
            cast("set[asyncio.Future[Any]]", {run, closed}),
            timeout=TELL_INTERVAL_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        samples, generator.samples = generator.samples, []
        busy_before, wall_before = busy_s, wall_s
        busy_s, wall_s = time.process_time(), time.monotonic()
        say(
            samples=samples,
            at=generator.now,
            outstanding=generator.outstanding,
            busy=(busy_s - busy_before) / max(1e-3, wall_s - wall_before),
        )
        if ended:
            break
    if run.done():
        say(done=True, failure=repr(run.exception()) if run.exception() else "")
        return
    run.cancel()


def main() -> None:
    """Reads the order and works."""
    length = int(sys.stdin.buffer.readline() or 0)
    if length:
        order: Order = pickle.loads(sys.stdin.buffer.read(length))  # noqa: S301 - from whoever started this
        asyncio.run(work(order, sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    main()
