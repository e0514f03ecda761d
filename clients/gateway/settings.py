"""The settings of the HTTP door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from services.chassis.settings import ListeningSettings, bounded


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ListeningSettings):
    """What the HTTP door is told. Where the mesh is, and its TLS, it is told as every client is."""

    NAME: ClassVar[str] = "gateway"
    """What the door is called in its log and its audit log."""

    listen: str = "127.0.0.1:8080"
    """Address and port to listen on. Port 0 takes a free one."""
    maximum_in_flight_count: int = bounded(128, 1, 10_000)
    """Requests that are worked on at the same time: they wait for their turn in the services."""
    maximum_queue_count: int = bounded(0, 0, 100_000)
    """Requests that wait for their turn beyond that; the next one is refused as OVERLOADED."""
    maximum_request_bytes: int = bounded(96 * 1024 * 1024, 1024, 1 << 30)
    """Largest body that is taken. In JSON a file takes four bytes for three; as a form it takes its own."""
    maximum_response_bytes: int = bounded(80 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is taken from a service."""
    maximum_stall_s: float = bounded(10.0, 0.001, 3600.0)
    """Longest time between two pieces of a body, and before its first one, in seconds."""
    minimum_bytes_per_second: int = bounded(16 * 1024, 0, 1 << 30)
    """Least rate of a body, in bytes a second: once it is `maximum_stall_s` behind that, the call ends. 0:
    any rate will do."""
    allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may call it from a browser, e.g. `https://portal.hospital.example`. None: only a
    page that it served itself on this machine."""

    cds_clients: Path | None = None
    """TOML file of the EHRs whose CDS Hooks are answered, with their keys. Unset: all that reach it on this
    machine, none on another."""
    cds_feedback_file: Path = Path(".medmesh/cds-feedback.jsonl")
    """File to which the feedback on cards is appended."""
