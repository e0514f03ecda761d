"""The settings of the jobs door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import AssertingSettings, Secret, bounded


@dataclass(frozen=True, kw_only=True)
class JobsSettings(AssertingSettings):
    """What the jobs door is told, next to what every service is told."""

    listen: str = "127.0.0.1:50064"
    """Address and port to listen on. Port 0 takes a free one."""
    url: str = "127.0.0.1:50060"
    """Address and port of the orchestrator."""
    maximum_request_bytes: int = bounded(80 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is taken from a caller or the orchestrator: images of 64 MiB, a bundle, a note."""
    maximum_response_bytes: int = bounded(80 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is sent, as an answer or to the orchestrator."""
    jobs_folder: Path = Path(".medmesh/jobs")
    """Folder of the jobs that wait and of their diagnoses, in SQLite; made when missing, for its
    owner's eyes. In a container a volume. It holds patient data."""
    jobs_database: Secret | None = None
    """`postgresql://…`: jobs are kept there instead, and several doors work on them. Unset: in the folder."""
    jobs_at_once: int = bounded(8, 1, 1_000)
    """Most jobs that this door has under way; fewer where the mesh refuses some."""
    jobs_maximum_waiting_count: int = bounded(10_000, 1, 10_000_000)
    """Most jobs of one tenant that wait; the next is refused as QUOTA_EXCEEDED."""
    jobs_maximum_attempts: int = bounded(5, 1, 100)
    """Attempts of a job that fails for what may pass. A refusal for want of room is none."""
    jobs_timeout_s: float = bounded(120.0, 0.1, 3600.0)
    """Time for one attempt, where the caller asked for none, in seconds."""
    jobs_retention_s: float = bounded(7 * 86_400.0, 1.0, 10 * 366 * 86_400.0)
    """How long a job that has ended is kept with its diagnosis, in seconds. Its case goes as it ends."""
    webhooks: Path | None = None
    """TOML file of the endpoints that may be told of ended jobs (docs/jobs.md). Unset: none."""
