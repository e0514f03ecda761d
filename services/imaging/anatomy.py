"""What words and codes say of body part and view: DICOM's terms and what people and devices write in their
place.

The knowledge is in two tables beside this file: `anatomy_words.tsv` (a word and what it means) and
`anatomy_codes.tsv` (a code of an anatomic region or a view). Words that run together, as in DICOM's own
CHESTABDPELVIS, are taken apart.
"""

from __future__ import annotations

import contextlib
import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from services.imaging.images import View
from services.imaging.models import BodyPart

ELSEWHERE = "elsewhere"
NEUTRAL = "neutral"
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

    parts: frozenset[BodyPart] = frozenset()
    """Body parts that a model here reads."""
    elsewhere: bool = False
    """Whether it names a body part that no model here reads."""
    views: frozenset[View] = frozenset()
    unknown: bool = False
    """Whether it holds a word that is not known."""


def understand(text: str) -> Understood:
    """Reads a Body Part Examined or View Position in whatever words it came; what is longer than a name is
    cut.
    """
    if not text:
        return Understood()
    meanings: list[str] = []
    unknown = False
    for word in _WORD.findall(_plain(text[:LONGEST_TEXT])):
        found = _meanings(word)
        unknown = unknown or found is None
        meanings += found or ()
    return Understood(
        frozenset(part for part in BodyPart if part.value.lower() in meanings),
        ELSEWHERE in meanings,
        frozenset(view for view in View if view.value in meanings),
        unknown,
    )


def agree(one: Understood, other: Understood) -> bool:
    """Whether two statements of a body part can both be true."""
    if not (one.parts or one.elsewhere) or not (other.parts or other.elsewhere):
        return True
    return bool(one.parts & other.parts) or (one.elsewhere and other.elsewhere)


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
        return (words[word],)
    for end in range(len(word) - 1, 1, -1):
        head = word[:end]
        if head in words and (len(head) >= _SHORTEST_PART or head in _SHORT_PARTS):
            rest = word[end:]
            if len(rest) < _SHORTEST_PART and rest not in _SHORT_PARTS:
                continue
            tail = _meanings(rest)
            if tail is not None:
                return (words[head], *tail)
    return None


@cache
def _words() -> dict[str, str]:
    return {_plain(row["word"]): row["meaning"] for row in _rows("anatomy_words.tsv")}


@cache
def _codes() -> dict[tuple[str, str, str], str]:
    return {(row["kind"], row["scheme"], row["code"]): row["meaning"] for row in _rows("anatomy_codes.tsv")}


def _rows(name: str) -> list[dict[str, str]]:
    lines = files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
