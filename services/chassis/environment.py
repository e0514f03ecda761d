"""Variables of the environment that look like settings of the mesh and are not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

PREFIX = "MEDMESH_"
KNOWN = Path(__file__).with_name("variables.txt")
"""Every variable that some process of the mesh reads, one a line; written by `make docs`."""


def unknown(names: Iterable[str]) -> list[str]:
    """One sentence for each name that begins with MEDMESH_ and that nothing reads; no value is shown."""
    known = KNOWN.read_text(encoding="utf-8").split()
    sentences = []
    for name in sorted(set(names) - set(known)):
        if name.startswith(PREFIX):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; {near[0]} is, did you mean that?" if near else ""
            sentences.append(f"{name} is not a setting of the mesh and has no effect{hint}")
    return sentences
