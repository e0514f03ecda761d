"""The settings of the recommendation service."""

from __future__ import annotations

from dataclasses import dataclass

from services.chassis.settings import TerminologySettings, bounded


@dataclass(frozen=True, kw_only=True)
class RecommendationSettings(TerminologySettings):
    """What the recommendation service is told, next to what every service is told."""

    listen: str = "127.0.0.1:50063"
    """Address and port to listen on. Port 0 takes a free one."""
    reading_thread_count: int = bounded(2, 1, 64)
    """FHIR bundles that are read at the same time; one takes up to ten times its size in memory."""
