"""Taking a user's own terminology into use."""

from __future__ import annotations

from pathlib import Path

from services.clinical import terminology
from services.clinical.drugs import Drugs


def take(folder: Path | None) -> str:
    """Take the tables of the folder into use, and give their digest; None: those of the mesh alone, and an
    empty one. ValueError, which names the file and the remedy, where they cannot be used.
    """
    if folder is None:
        terminology.use(None)
        return ""
    read = terminology.Terminology.read(folder)
    terminology.use(read)
    Drugs.load()  # what a table alone cannot show: a code of a drug that no table has
    return read.sha256
