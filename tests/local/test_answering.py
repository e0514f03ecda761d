"""What is found of parts that run: they do not answer, do not serve, or serve without something."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import grpc

from services.chassis.rpc.health import Health, add_health
from services.chassis.settings import ServiceSettings
from services.local.answering import Answering, Running
from services.local.watch import SILENT_LOOKS


async def test_a_service_is_asked_what_its_health_tells_and_found_when_it_falls_silent():
    states = {"models": "", "safeguards": ""}
    health = Health(["medmesh.Service"], ["medmesh.Catalog"], interval_s=60)

    async def models() -> str:
        return states["models"]

    health.require("models", models)
    health.tell("safeguards", lambda: states["safeguards"])
    server = grpc.aio.server()
    add_health(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    part = Running(os.getpid(), f"127.0.0.1:{port}")
    asking = Answering(lambda: {"imaging": part}, ["imaging"], ServiceSettings(), Path("run"))

    async def found() -> list[str]:
        await health.refresh()
        (findings,) = (await asking.look()).values()
        return [one.wrong for one in findings]

    assert await found() == []
    states["safeguards"] = "missing: a gate"
    assert await found() == ["imaging: safeguards: missing: a gate"]
    states["models"] = "not loaded"
    assert len(await found()) == 2
    assert "imaging says that it cannot serve; why is in its log: run/imaging.log" in await found()

    await server.stop(0)
    with socket.create_server(("127.0.0.1", port)):  # takes connections, and says nothing
        (findings,) = (await asking.look()).values()
    assert findings[0].wrong.startswith("imaging no longer answers (")
    assert (findings[0].again, findings[0].looks) == ("imaging answers again", SILENT_LOOKS)
    assert len(findings) == 3  # what it said last stands
    await asking.close()


async def test_a_door_and_a_triton_that_take_connections_and_a_triton_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        part = Running(os.getpid(), f"127.0.0.1:{listener.getsockname()[1]}")
        parts = {"gateway": part, "triton": part}
        asking = Answering(lambda: parts, (), ServiceSettings(), Path("run"))
        found = await asking.look()
    assert found["gateway"] == []
    assert [one.wrong.partition(".")[0] for one in found["triton"] or ()] == [
        "triton no longer answers (it does not answer in time)"
    ]
    parts.clear()
    assert await asking.look() == {"gateway": None, "triton": None}
