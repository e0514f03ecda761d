"""Whether everybody whom a node needs answers."""

from __future__ import annotations

import asyncio

from clients.hl7_node.configuration import Configuration, Destination
from clients.hl7_node.sending import connect
from medmesh import MedmeshError
from medmesh.aio.client import AsyncClient

_TIMEOUT_S = 10.0


async def problems(configuration: Configuration) -> dict[str, str]:
    """The mesh and each destination by name, with what is wrong; empty: it answers."""
    found = {to.name: await _destination(configuration, to) for to in configuration.destinations}
    return {"mesh": await _mesh()} | found


async def _mesh() -> str:
    try:
        async with AsyncClient(attempts=1) as client:
            served = (await client.models()).models
    except MedmeshError as error:
        return f"{error.message}: start it with `medmesh up`, or name it in MEDMESH_URL"
    return "" if served else "it serves no model"


async def _destination(configuration: Configuration, to: Destination) -> str:
    """A connection, and TLS where it is asked for: MLLP has no question that changes nothing."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await connect(configuration, to)
    except OSError:
        return "nothing answers there, or its TLS settings differ: check address and tls"
    writer.close()
    return ""
