"""What an address in gRPC's spelling names: one server, several, a name that is looked up, or a socket."""

from __future__ import annotations

from functools import lru_cache

_LISTS = ("ipv4:", "ipv6:")
_SOCKETS = ("unix:", "unix-abstract:")


def parts(target: str) -> list[tuple[str, str]]:
    """Host and port of each address that `target` spells out; a name stands for itself, a socket is the host.

    Hosts have no brackets. The port is empty where none is written.
    """
    scheme, _, rest = target.partition(":")
    if f"{scheme}:" in _LISTS:
        return [_split(one) for one in rest.split(",")]
    if f"{scheme}:" in _SOCKETS:
        return [(rest.removeprefix("//"), "")]
    if scheme == "dns":
        target = rest.rpartition("/")[2]  # before it stands the name server, if any
    return [_split(target)]


@lru_cache(maxsize=256)
def server(target: str) -> tuple[str, int | None]:
    """OpenTelemetry's `server.address` and `server.port` of `target` as it is configured, without a look-up.

    Several addresses are one group of servers: it is named as it is spelled, and has no port.
    """
    found = parts(target)
    if len(found) > 1:
        return target, None
    [(host, port)] = found
    return host, int(port) if port else None


def _split(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or (":" in host and not host.startswith("[")):  # no port, or IPv6 without brackets
        return address.strip("[]"), ""
    return host.strip("[]"), port
