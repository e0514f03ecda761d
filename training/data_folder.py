"""Where the data sets lie that models are trained and measured on."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder() -> Path:
    """`MEDMESH_DATA`, else `../shared/data` beside the repository."""
    return Path(os.environ.get("MEDMESH_DATA", _DEFAULT))
