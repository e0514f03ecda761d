"""A service in a process of its own, whose wall clock a test moves: it sleeps, or asks itself to."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from services.chassis.rpc.server import running_server
from services.chassis.settings import ServiceSettings
from services.chassis.upstream.call import Upstream
from tests.chassis.conftest import PREFIX, Handlers, Text


async def main(folder: Path) -> None:
    upstreams: list[Upstream] = []

    async def unary(parts, message, context):
        what, _, seconds = message.note.partition(" ")
        if what == "ask":
            asked = upstreams[0].channel.unary_unary(
                PREFIX + "Unary",
                request_serializer=Text.SerializeToString,
                response_deserializer=Text.FromString,
            )
            return await upstreams[0].call(asked, Text(note=f"sleep {seconds}"), timeout_s=5.0)
        await asyncio.sleep(float(seconds))
        return Text(note=str(time.time()))

    service = Handlers(unary=unary, tasks=()).service()
    settings = ServiceSettings(listen="127.0.0.1:0", audit_folder=folder, drain_s=2.0)
    async with (
        running_server(service, settings) as running,
        Upstream("sample", running.address, settings) as upstream,
    ):
        upstreams.append(upstream)
        sys.stdout.write(f"{running.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
