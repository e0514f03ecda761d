"""Names in running text: the words of a text, and which of a list of names occur in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

_WORD = re.compile(r"[^\W_]+")
_ALLERGY = re.compile("allerg|empfindlich|vertraglich")
_ALLERGY_ENDINGS = re.compile(r"(?<=.{3})(?:allerg(?:ie|y|ia|i)|uberempfindlichkeit|unvertraglichkeit)$")


def words(text: str) -> tuple[str, ...]:
    """The words of a text: lower case, without accents, and without an ending that says "allergy" in a
    compound ("Penicillinallergie").
    """
    plain = text.casefold()
    if not text.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    found = _WORD.findall(plain)
    if _ALLERGY.search(plain):
        found = [_ALLERGY_ENDINGS.sub("", word) for word in found]
    return tuple(found)


class Names:
    """Names of things, found in texts by whole words; of names that overlap, the longest counts."""

    def __init__(self, things: Mapping[str, Iterable[str]]) -> None:
        """`things` gives the names of each thing; one name may belong to several things."""
        self._things: dict[tuple[str, ...], set[str]] = {}
        for thing, names in things.items():
            for name in names:
                self._things.setdefault(words(name), set()).add(thing)
        self._things.pop((), None)
        self._longest: dict[str, int] = {}
        """Words of the longest name that begins with a word."""
        for spoken in self._things:
            self._longest[spoken[0]] = max(self._longest.get(spoken[0], 0), len(spoken))

    def whole(self, text: str) -> frozenset[str]:
        """The things of which the whole text is a name."""
        return frozenset(self._things.get(words(text), ()))

    def within(self, text: str) -> frozenset[str]:
        """The things that the text names anywhere."""
        return frozenset(thing for things, _ in self._spans(words(text)) for thing in things)

    def rest(self, text: str) -> tuple[str, ...]:
        """The words of the text that belong to no name."""
        kept = list(words(text))
        for _, span in self._spans(kept):
            kept[span] = [""] * (span.stop - span.start)
        return tuple(word for word in kept if word)

    def _spans(self, spoken: Iterable[str]) -> Iterator[tuple[set[str], slice]]:
        every = tuple(spoken)
        start = 0
        while start < len(every):
            longest = self._longest.get(every[start], 0)
            for length in range(min(longest, len(every) - start), 0, -1):
                things = self._things.get(every[start : start + length])
                if things:
                    yield things, slice(start, start + length)
                    start += length
                    break
            else:
                start += 1
