"""The settings of the HL7 node that come from the environment; the others stand in its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import LogLevel, Settings


@dataclass(frozen=True, kw_only=True)
class Hl7NodeSettings(Settings):
    """What the HL7 node is told. Where the mesh is, it is told as every client is."""

    listen: str = "127.0.0.1:2575"
    """Address and port to listen on, instead of the file's `node.listen`. Port 0 takes a free one."""
    insecure: bool = False
    """Whether to listen beyond loopback without TLS or without addresses, as `node.insecure`."""
    log_level: LogLevel = LogLevel.INFO
    """How much is logged."""
    hl7_configuration: Path | None = None
    """TOML file of the node (docs/hl7.md). Unset: messages are read, and nothing is sent anywhere."""
    hl7_folder: Path | None = None
    """Folder of what was taken and not dealt with yet, instead of the file's `node.folder`."""
