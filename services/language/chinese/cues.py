"""The words by which Chinese notes say something of a finding or a drug (`cues.tsv`)."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.clinical.tables import rows
from services.language.chinese.lexicon import FOLDER

_PATTERN = re.compile(r"[\\\[(?{.]")
_FILLER = 6
"""Characters between a list and what is said after it."""


class Kind(enum.Enum):
    """What a cue says; `cues.tsv` explains each."""

    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    STOPPED = "stopped"
    FAMILY = "family"
    HYPOTHETICAL = "hypothetical"
    CONDITIONAL = "conditional"
    ALLERGY = "allergy"
    SELF = "self"
    NOW = "now"
    ENDS = "ends"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue of the text at `[start, end)` in code points."""

    start: int
    end: int
    kind: Kind


class Cues:
    """Finds cues; immutable."""

    def __init__(self) -> None:
        words: dict[str, Kind] = {}
        patterns: list[tuple[re.Pattern[str], Kind]] = []
        after: list[tuple[str, Kind]] = []
        self.headers: dict[str, Kind] = {}
        for name, side, written in rows(FOLDER / "cues.tsv", 3):
            kind = Kind(name)
            for word in written.split("; "):
                if side == "header":
                    self.headers[word] = kind
                elif side == "after":
                    after.append((word, kind))
                elif _PATTERN.search(word):
                    patterns.append((re.compile(word), kind))
                else:
                    words[word] = kind
        self._words, self._patterns = words, patterns
        self._longest: dict[str, int] = {}
        for word in words:
            self._longest[word[0]] = max(self._longest.get(word[0], 0), len(word))
        after.sort(key=lambda item: -len(item[0]))
        self._after_kinds = [kind for _, kind in after]
        self._after = re.compile(
            rf"[^，。；;,()]{{0,{_FILLER}}}?(?:{'|'.join(f'({word})' for word, _ in after)})"
        )

    def find(self, text: str, start: int, end: int) -> Iterator[Cue]:
        """The cues of `text[start:end]` that stand before what they speak of, in order, the longest first."""
        by_start = {
            match.start(): Cue(match.start(), match.end(), kind)
            for pattern, kind in self._patterns
            for match in pattern.finditer(text, start, end)
        }
        at = start
        while at < end:
            cue = by_start.get(at) or self._at(text, at, end)
            if cue is None:
                at += 1
                continue
            yield cue
            at = cue.end

    def after(self, text: str, start: int, end: int) -> Cue | None:
        """What is said right after a list that ends at `start`, within `text[start:end]`."""
        match = self._after.match(text, start, end)
        if match is None:
            return None
        index = match.lastindex or 1
        return Cue(match.start(index), match.end(index), self._after_kinds[index - 1])

    def is_said_before(self, word: str) -> bool:
        """Whether the word also speaks of what follows."""
        return word in self._words

    def _at(self, text: str, start: int, end: int) -> Cue | None:
        for length in range(min(self._longest.get(text[start], 0), end - start), 0, -1):
            kind = self._words.get(text[start : start + length])
            if kind is not None:
                return Cue(start, start + length, kind)
        return None


@functools.cache
def default_cues() -> Cues:
    """Those of `cues.tsv`, read once."""
    return Cues()
