"""What was done to a file, counted by attribute: no value is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done; the contract's names."""

    REMOVED = "removed"
    EMPTIED = "emptied"
    REPLACED = "replaced"
    UID_MAPPED = "uid_mapped"
    DATE_SHIFTED = "date_shifted"
    CLEANED = "cleaned"


class Cause(StrEnum):
    """Why; the contract's names."""

    PROFILE = "profile"
    PRIVATE = "private"
    FREE_TEXT = "free_text"
    UNKNOWN = "unknown"
    EMBEDDED = "embedded"
    PICTURE_METADATA = "picture_metadata"


@dataclass(frozen=True, order=True)
class Change:
    """What was done to one attribute, wherever it stood."""

    tag: str
    """Eight hexadecimal digits; of a picture the segment or chunk."""
    name: str
    """The standard's; empty: private or unknown."""
    action: Action
    cause: Cause
    count: int = 1


class Changes:
    """Counts changes."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Action, Cause]] = Counter()

    def add(self, tag: str, name: str, action: Action, cause: Cause) -> None:
        """One more of it."""
        self._counts[tag, name, action, cause] += 1

    def __iter__(self) -> Iterator[Change]:
        """By tag."""
        return iter(sorted(Change(*key, count) for key, count in self._counts.items()))
