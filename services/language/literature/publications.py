"""A publication, and the passages that it is divided into."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.chassis.errors import InvalidInput
from services.language.sentences import split_sentences
from services.language.texts import check_text

_SENTENCES = 3
"""Of a passage, at most: what is found is read at a glance, and an embedding blurs with each."""
_CHARACTERS = 700
"""Of a passage, where its sentences leave the choice: about 150 tokens, and a model may read 254."""
_LONGEST_SENTENCE = 1400
"""What is longer has no sentences (a table, a list of references) and is cut at white space."""


class Kind(enum.IntEnum):
    """Kinds of publication, numbered as in the contract's `PublicationKind`."""

    GUIDELINE = 1
    SYSTEMATIC_REVIEW = 2
    META_ANALYSIS = 3
    RANDOMIZED_TRIAL = 4
    CLINICAL_TRIAL = 5
    OBSERVATIONAL_STUDY = 6
    CASE_REPORT = 7
    REVIEW = 8
    OPINION = 9
    ARTICLE = 10
    RETRACTED = 11


@dataclass(frozen=True, slots=True)
class Publication:
    """A text that is to be found and cited. `text` may be empty where `title` is not."""

    id: str
    title: str = ""
    text: str = ""
    authors: tuple[str, ...] = ()
    journal: str = ""
    year: int | None = None
    pmid: str = ""
    kinds: tuple[Kind, ...] = ()

    def digest(self) -> str:
        """Of all that is kept of it: equal for equal publications."""
        parts = [self.title, self.text, self.authors, self.journal, self.year, self.pmid, self.kinds]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def problem(self) -> str:
        """Why it cannot be indexed, without quoting it; empty where it can."""
        if not self.title.strip() and not self.text.strip():
            return "it has neither a title nor a text"
        for name, part in (("id", self.id), ("title", self.title), ("text", self.text)):
            try:
                if part.strip():
                    check_text(part, name)
            except InvalidInput as error:
                return f"its {error.field} is {error.description}"
        return ""


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences of a publication that follow each other, `text[start:end]` of it. A publication without a
    text is one passage, its title, from 0 to 0.
    """

    text: str
    start: int
    end: int


def passages(publication: Publication) -> list[Passage]:
    """The passages in order, without a gap other than white space."""
    text = publication.text
    if not text.strip():
        return [Passage(publication.title, 0, 0)]
    return [Passage(text[start:end], start, end) for start, end in _windows(text)]


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, without the white space around it, none longer than a passage."""
    for start, end in split_sentences(text):
        yield from _trimmed_pieces(text, start, end)


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start, end, count = 0, 0, 0
    for first, last in sentences(text):
        if count and (count == _SENTENCES or last - start > _CHARACTERS):
            yield start, end
            count = 0
        if not count:
            start = first
        end = last
        count += 1
    if count:
        yield start, end


def _trimmed_pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _LONGEST_SENTENCE:
        limit = start + _LONGEST_SENTENCE
        spaces = [match.start() for match in re.finditer(r"\s", text[start + _CHARACTERS : limit])]
        cut = start + _CHARACTERS + spaces[-1] if spaces else limit
        yield from _trimmed(text, start, cut)
        start = cut
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if stripped := piece.strip():
        first = start + len(piece) - len(piece.lstrip())
        yield first, first + len(stripped)
