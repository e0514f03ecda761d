"""Sentences with identifiers marked `{{KIND|identifier}}`, as plain text and spans."""

from __future__ import annotations

import re
from pathlib import Path

_MARK = re.compile(r"\{\{(\w+)\|([^}]*)\}\}")
_DATA = Path(__file__).parent / "data"


def sentences(name: str = "sentences.txt") -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Each text with (first character, one past the last, kind) of its identifiers."""
    result = []
    for row in (_DATA / name).read_text(encoding="utf-8").splitlines():
        if not row or row.startswith("#"):
            continue
        line = row.replace("\\n", "\n")
        parts, spans, before, length = [], [], 0, 0
        for mark in _MARK.finditer(line):
            parts += [line[before : mark.start()], mark[2]]
            length += mark.start() - before
            spans.append((length, length + len(mark[2]), mark[1]))
            length += len(mark[2])
            before = mark.end()
        result.append(("".join([*parts, line[before:]]), spans))
    return result
