"""What words and codes say of body part and view: DICOM's terms and what people and devices write in their
place.

The knowledge is in three tables beside this file: `anatomy_words.tsv` (a word and what it means),
`anatomy_codes.tsv` (a code of an anatomic region or a view) and `anatomy_parts.tsv` (which body part lies
within which). Words that run together, as in DICOM's own CHESTABDPELVIS, are taken apart.
"""

from __future__ import annotations

import contextlib
import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from services.imaging.images import View

NEUTRAL = "neutral"
UPRIGHT = "upright"
_SAME_SCHEME = {"SNM3": "SRT", "99SDM": "SRT"}
"""Earlier designators of the same codes (PS3.16 8.1)."""
_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST_PART = 3
"""Letters of a word that may be part of a longer one; shorter ones are found by chance."""
_SHORT_PARTS = frozenset({"AP", "PA"})
LONGEST_TEXT = 64
"""A code string has 16 characters; devices write up to a short sentence."""


@dataclass(frozen=True)
class Understood:
    """What a text says."""

    parts: frozenset[str] = frozenset()
    """Body parts, in the defined terms of Body Part Examined (PS3.16 Table L-1), e.g. `CHEST`; of a whole and
    its part only the part.
    """
    views: frozenset[View] = frozenset()
    unknown: bool = False
    """Whether it holds a word that is not known."""


def understand(text: str) -> Understood:
    """Reads a Body Part Examined or View Position in whatever words it came; what is longer than a name is
    cut.
    """
    if not text:
        return Understood()
    meanings: set[str] = set()
    unknown = False
    for word in _WORD.findall(_plain(text[:LONGEST_TEXT])):
        found = _meanings(word)
        unknown = unknown or found is None
        meanings.update(found or ())
    parts = {meaning for meaning in meanings if meaning.isupper()}
    wholes = {whole for part in parts for whole in lineage(part)[1:]}
    return Understood(
        frozenset(parts - wholes),
        frozenset(view for view in View if view.value in meanings),
        unknown,
    )


def is_term(part: str) -> bool:
    """Whether it is a term of Body Part Examined that the tables know, rather than a caller's own word."""
    return part in _terms()


def lineage(part: str) -> tuple[str, ...]:
    """The part itself, the whole that it lies within, the whole of that, and so on."""
    whole = _parts().get(part, ("", ""))[0]
    return (part, *lineage(whole)) if whole else (part,)


def includes(whole: str, part: str) -> bool:
    """Whether an image of `part` is an image of `whole`."""
    return whole in lineage(part)


def stands_upright(part: str) -> bool:
    """Whether a film of it is displayed with the patient's left at the right and the feet at the bottom."""
    return any(_parts().get(one, ("", ""))[1] == UPRIGHT for one in lineage(part))


def agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two statements of body parts can both be true: they share a part, or a whole that their parts
    lie within. Saying nothing contradicts nothing.
    """
    first, second = ({whole for part in parts for whole in lineage(part)} for parts in (one, other))
    return not first or not second or not first.isdisjoint(second)


def region(scheme: str, code: str) -> str:
    """The defined term (PS3.16 Annex L) of a coded anatomic region; empty when it is not known."""
    return _codes().get(("region", _SAME_SCHEME.get(scheme, scheme), code), "")


def view(scheme: str, code: str) -> View | None:
    """The view of a code of CID 4010; None when it is not known."""
    meaning = _codes().get(("view", _SAME_SCHEME.get(scheme, scheme), code))
    return None if meaning is None else View(meaning)


def _plain(text: str) -> str:
    """Upper case without accents; UTF-8 that was read as Latin-1, as a code string is, is put right."""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    decomposed = unicodedata.normalize("NFKD", text.upper())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _meanings(word: str) -> tuple[str, ...] | None:
    """What the word, or the words that it is made of, mean; None when some of it is not known."""
    words = _words()
    if word in words:
        return words[word]
    for end in range(len(word) - 1, 1, -1):
        head = word[:end]
        if head in words and (len(head) >= _SHORTEST_PART or head in _SHORT_PARTS):
            rest = word[end:]
            if len(rest) < _SHORTEST_PART and rest not in _SHORT_PARTS:
                continue
            tail = _meanings(rest)
            if tail is not None:
                return (*words[head], *tail)
    return None


@cache
def _words() -> dict[str, tuple[str, ...]]:
    return {_plain(row["word"]): tuple(row["meaning"].split()) for row in _rows("anatomy_words.tsv")}


@cache
def _terms() -> frozenset[str]:
    return frozenset(term for meaning in _words().values() for term in meaning)


@cache
def _codes() -> dict[tuple[str, str, str], str]:
    return {(row["kind"], row["scheme"], row["code"]): row["meaning"] for row in _rows("anatomy_codes.tsv")}


@cache
def _parts() -> dict[str, tuple[str, str]]:
    """A part's whole, and how it stands; both may be empty."""
    return {row["part"]: (row["within"], row["stands"]) for row in _rows("anatomy_parts.tsv")}


def _rows(name: str) -> list[dict[str, str]]:
    lines = files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
