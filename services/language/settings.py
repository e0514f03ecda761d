"""The settings of the language service."""

from __future__ import annotations

from dataclasses import dataclass

from services.clinical.terminology_setting import TerminologySettings


@dataclass(frozen=True, kw_only=True)
class LanguageSettings(TerminologySettings):
    """What the language service is told, next to what every service is told."""

    listen: str = "127.0.0.1:50062"
    """Address and port to listen on. Port 0 takes a free one."""
