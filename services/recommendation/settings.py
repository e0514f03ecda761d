"""The settings of the recommendation service."""

from __future__ import annotations

from dataclasses import dataclass

from services.chassis.settings import TerminologySettings, bounded


@dataclass(frozen=True, kw_only=True)
class RecommendationSettings(TerminologySettings):
    """What the recommendation service is told, next to what every service is told."""

    listen: str = "127.0.0.1:50063"
    """Address and port to listen on. Port 0 takes a free one."""
    maximum_in_flight_count: int = bounded(8, 1, 10_000)
    """Requests that are worked on at the same time; those of one caller take at most three quarters. They are
    computed in turns by one process: further ones would only make each take longer.
    """
    bytes_per_place: int = bounded(256 * 1024, 1024, 1 << 30)
    """A request takes one place at work, and a further one for each so many bytes of a record that it has."""
    reading_thread_count: int = bounded(2, 1, 64)
    """FHIR bundles that are read at the same time; one takes up to ten times its size in memory."""
