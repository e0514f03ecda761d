"""The settings of a service that takes uploads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import ServiceSettings, bounded


@dataclass(frozen=True, kw_only=True)
class UploadSettings(ServiceSettings):
    """What a service that takes uploads is told, next to what every service is told."""

    upload_folder: Path | None = None
    """Folder on whose disk uploads are held; the files have no names there and vanish with the process.
    Unset: the system's folder for temporary files."""
    maximum_upload_bytes: int = bounded(1024**3, 1024, 1 << 40)
    """Largest upload."""
    maximum_caller_upload_bytes: int = bounded(4 * 1024**3, 1024, 1 << 42)
    """Most bytes of one identity's uploads, by their declared sizes."""
    maximum_held_upload_bytes: int = bounded(16 * 1024**3, 1024, 1 << 44)
    """Most bytes of all uploads together, by their declared sizes."""
    maximum_upload_count: int = bounded(1_000, 1, 100_000)
    """Most uploads that are held."""
    maximum_read_upload_bytes: int = bounded(1024**3, 1024, (1 << 31) - 4096)
    """Most bytes of uploads that requests at work have in memory; more is refused as OVERLOADED."""
    upload_expiry_s: float = bounded(900.0, 1.0, 86_400.0)
    """Time after which an upload that nobody writes to or uses is deleted, in seconds."""
