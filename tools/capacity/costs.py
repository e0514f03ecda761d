"""What one request takes of each process, from the figures that `make bench` keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Work = Mapping[str, float]
"""Processor time of one request in ms, by process; the client's own is left out."""


def of(row: str, kept: Mapping[str, Mapping[str, Any]], side: str = "mesh") -> Work:
    """Of a row of the bench. Raises KeyError where it was not measured."""
    spent: Mapping[str, float] = kept[row]["sides"][side]["cpu_ms_each"]
    return {process: ms for process, ms in spent.items() if process != "client"}


def of_study(kept: Mapping[str, Mapping[str, Any]]) -> Work:
    """Of a case whose image is a film of 2,048² in DICOM: the bench's case has a small picture."""
    case, film, picture = (
        of("orchestrator.16", kept),
        of("imaging.dicom-plain", kept),
        of("orchestrator.added", kept, "image"),
    )
    return {**case, "imaging": case["imaging"] + film["imaging"] - picture["imaging"]}


KINDS: Mapping[str, Callable[[Mapping[str, Mapping[str, Any]]], Work]] = {
    "a small JPEG": lambda kept: of("imaging.small-jpeg", kept),
    "a JPEG of 1,536²": lambda kept: of("imaging.large-jpeg", kept),
    "a film of 2,048² in DICOM": lambda kept: of("imaging.dicom-plain", kept),
    "a note of 9 entities": lambda kept: of("orchestrator.added", kept, "note"),
    "a case: small picture, note, record": lambda kept: of("orchestrator.16", kept),
    "a study: the same with a film": of_study,
}


def total_ms(work: Work) -> float:
    """Processor time of a request."""
    return sum(work.values())
