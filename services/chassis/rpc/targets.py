"""The replicas behind the address of an upstream, in gRPC's spelling (`medmesh.targets`)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from medmesh.targets import parts


def is_name(host: str) -> bool:
    """Whether the host has to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


async def addresses(target: str) -> list[str]:
    """HOST:PORT of each replica behind the target, in order; empty: the name is not known now."""
    found = parts(target)
    if len(found) > 1 or not is_name(found[0][0]):
        return [_joined(*one) for one in found]
    host, port = found[0]
    try:
        known = await asyncio.get_running_loop().getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    families = {family for family, *_ in known}
    # A host of both kinds is one replica, not two.
    family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
    return sorted({_joined(str(one[4][0]), port) for one in known if one[0] == family})


def _joined(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
