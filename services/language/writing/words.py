"""What the words of a draft count as, from `words.toml`, and the one form in which they are compared."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from importlib.resources import files

from services.language.entities import Assertion
from services.language.vocabulary import normalize

BILATERAL = "bilateral"


class Kind(Enum):
    """What a word does in a sentence."""

    FRAME = auto()
    """States nothing."""
    SIDE = auto()
    DEGREE = auto()
    PLACE = auto()
    MODIFIER = auto()
    """Another word that says how, when or how many."""
    NUMBER = auto()
    """With its unit."""
    CONTENT = auto()
    """Anything else: it has to be accounted for."""


class Words:
    """The lists of `words.toml`; immutable, safe to share between threads."""

    def __init__(self) -> None:
        table = tomllib.loads((files(__package__) / "words.toml").read_text(encoding="utf-8"))
        self._kinds: dict[str, tuple[Kind, str]] = {}
        self._list(Kind.FRAME, table["frame"].split())
        self._list(Kind.MODIFIER, table["modifiers"].split())
        for group in table["regions"]:
            self._group(Kind.PLACE, group)
        for group in table["families"]:
            self._group(Kind.CONTENT, group)
        self.links = frozenset(table["links"].split())
        for group in table["degrees"]:
            self._group(Kind.DEGREE, group)
        for side in ("left", "right", BILATERAL):
            self._group(Kind.SIDE, table[side])
        self._of_assertion = {
            Assertion.ABSENT: frozenset(table["absent"].split()),
            Assertion.POSSIBLE: frozenset(table["possible"].split()),
            Assertion.HISTORICAL: frozenset(table["historical"].split()),
        }
        self.sharpening = frozenset(table["sharpening"].split())
        self.units = {unit: line.split()[0] for line in table["units"] for unit in line.split()}
        self.frame_of_orders = frozenset(table["frame_of_orders"].split())
        self.spelled_out: dict[str, tuple[str, ...]] = {
            word: tuple(parts.split()) for word, parts in table["spelled_out"].items()
        }
        self.numbers = {word: str(value) for value, word in enumerate(table["numbers"].split())}
        self.comparators = [(phrase, ">") for phrase in table["greater"]]
        self.comparators += [(phrase, "<") for phrase in table["less"]]
        self.implied_places: dict[str, str] = table["implied_places"]
        self.normality = Normality(table["normality"], lambda word: self.of(word)[1])

    def of(self, word: str) -> tuple[Kind, str]:
        """What a word (lower case) counts as, and the form in which it is compared."""
        known = self._kinds.get(word)
        if known is not None:
            return known
        form = _form(word)
        return self._kinds.get(form, (Kind.CONTENT, form))

    def belongs_to(self, assertion: Assertion, word: str) -> bool:
        """Whether the word may be part of a phrase that says so, and states nothing beside."""
        return word in self._of_assertion.get(assertion, frozenset())

    def _list(self, kind: Kind, words: Iterable[str]) -> None:
        for word in words:
            self._kinds.setdefault(word, (kind, word))

    def _group(self, kind: Kind, group: str) -> None:
        first, *others = group.split()
        for word in (first, *others):
            self._kinds[word] = (kind, first)


@functools.lru_cache(maxsize=20_000)
def _form(word: str) -> str:
    return " ".join(normalize(word)) or word


class Normality:
    """The words with which a sentence says that a study shows nothing, as they are compared."""

    def __init__(self, table: Mapping[str, str], form: Callable[[str], str]) -> None:
        def words(key: str) -> frozenset[str]:
            return frozenset(form(word) for word in table[key].split())

        self.nouns = words("nouns")
        self.adjectives = words("adjectives")
        self.urgent = words("urgent")
        self.denials = words("denials")
        self.beside = words("beside")
        self.chest_parts = words("chest_parts")
        self.parts_adjectives = words("parts_adjectives")
        self.technique = words("technique")
        self.explained = words("explained")
        self.chronic = words("chronic")


@functools.cache
def default_words() -> Words:
    """The lists, read once a process."""
    return Words()


NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|[^\w\s]|_")


def number_form(text: str) -> str:
    """A number as it is compared: `1,200` is 1200, `3.0` is 3."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    try:
        return f"{float(text.replace(',', '.')):.10g}"
    except ValueError:  # 1.2.3
        return text
