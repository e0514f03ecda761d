"""The lists that the rules read: names, cities, words that are no names; see lists/NOTICE."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.clinical.drugs import read_ingredients

_LISTS = Path(__file__).parent / "lists"


def folded(word: str) -> str:
    """In small letters without accents, as the lists have it."""
    if word.isascii():
        return word.lower()
    word = word.replace("đ", "d").replace("Đ", "D").replace("ł", "l").replace("Ł", "L").replace("’", "'")
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c)).casefold()


@dataclass(frozen=True)
class Lexicon:
    """What words are known as; all of them folded."""

    given: dict[str, str]
    """Given names, and whose they are: `f`, `m` or `fm`."""
    surnames: frozenset[str]
    cities: frozenset[str]
    """Cities and counties, of several words too."""
    plain: frozenset[str]
    """Words that notes use as words: a name of them needs the words around it."""
    too: frozenset[str]
    """Names and cities that are English words as well, and that notes do not use as such."""
    medical: frozenset[str]
    """Names in medicine that are nobody's here: eponyms, drugs, devices, tests, and what headers are made of."""
    eponym_heads: frozenset[str]
    """What follows the name of an instrument, a sign or a disease that is called after somebody."""
    states: frozenset[str]
    """States and countries: no identifiers, and not the names of people."""

    def is_given(self, word: str) -> bool:
        return folded(word) in self.given

    def is_surname(self, word: str) -> bool:
        name = folded(word)
        return name in self.surnames or ("-" in name and any(p in self.surnames for p in name.split("-")))

    def is_name(self, word: str) -> bool:
        return self.is_given(word) or self.is_surname(word)

    def is_taken(self, word: str) -> bool:
        """Whether the word is known in notes as something else than a name."""
        name = folded(word)
        return name in self.plain or name in self.medical or name in self.states

    def is_word(self, word: str) -> bool:
        """Whether the word is known as something else than a name anywhere."""
        return folded(word) in self.too or self.is_taken(word)


def _rows(name: str) -> list[str]:
    lines = (_LISTS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def words_of(name: str) -> list[str]:
    """The words of a file of this folder's lists."""
    return [folded(word) for row in _rows(name) for word in row.split()]


@cache
def default_lexicon() -> Lexicon:
    """The lists of this folder, read once."""
    medical = set(words_of("medical_names.txt"))
    for drug in read_ingredients():
        medical |= {folded(word) for term in drug.terms for word in re.findall(r"[^\W\d_]{3,}", term)}
    return Lexicon(
        given=dict(row.split("\t") for row in _rows("given_names.tsv")),
        surnames=frozenset(_rows("surnames.txt")),
        cities=frozenset(_rows("cities.txt")),
        plain=frozenset(_rows("plain_words.txt")),
        too=frozenset(_rows("words_too.txt")),
        medical=frozenset(medical),
        eponym_heads=frozenset(words_of("eponym_heads.txt")),
        states=frozenset(
            word for row in _rows("states.txt") for word in (row, *row.split()) if len(word) > 2
        ),
    )
