"""The settings of the DICOM node that come from the environment; what it does with which images, its file
says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import LogLevel, Settings


@dataclass(frozen=True, kw_only=True)
class DicomNodeSettings(Settings):
    """What the DICOM node is told. Where the mesh is, it is told as every client is."""

    listen: str = "127.0.0.1:11112"
    """Address and port to listen on, instead of the file's `node.listen`. Port 0 takes a free one."""
    insecure: bool = False
    """Whether to listen beyond loopback without TLS, as `node.insecure`."""
    log_level: LogLevel = LogLevel.INFO
    """How much is logged."""
    dicom_configuration: Path | None = None
    """TOML file of the node (docs/dicom-node.md). Unset: everything is analysed, and nothing is sent
    anywhere.
    """
    dicom_spool: Path | None = None
    """Folder of what was taken and not dealt with yet, instead of the file's `node.spool`."""
