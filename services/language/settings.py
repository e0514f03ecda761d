"""The settings of the language service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import TerminologySettings, bounded


@dataclass(frozen=True, kw_only=True)
class LanguageSettings(TerminologySettings):
    """What the language service is told, next to what every service is told."""

    listen: str = "127.0.0.1:50062"
    """Address and port to listen on. Port 0 takes a free one."""
    bytes_per_place: int = bounded(16 * 1024, 1024, 1 << 30)
    """A request takes one place at work, and a further one for each so many bytes of text that it has."""
    report_templates: Path | None = None
    """Folder of further templates of reports, a TOML file each (see docs/writing.md). One that has the name
    of a shipped one takes its place."""

    deidentification_key_file: Path | None = None
    """File with the secret of surrogates, 16 to 256 bytes, for requests of `Deidentify` that bring none.
    Empty: such requests get placeholders only."""
    literature_folder: Path = Path(".medmesh/literature")
    """Folder of the corpora of literature, a folder each; made when the first is loaded. It outlives the
    process: in a container a volume."""
