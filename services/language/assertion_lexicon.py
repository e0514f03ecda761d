"""Reads the trigger lexicon of the assertion rules and finds its phrases in a sentence.

The lexicon is data (`terminology/assertion_triggers.tsv`, whose head explains its columns), so that a
clinician can read and extend it. Matching walks a trie of words: the longest phrase wins, phrases do not
overlap, and the time is linear in the number of words because no phrase is longer than `Lexicon.longest`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TERMINOLOGY = Path(__file__).parent / "terminology"

_TOKEN = re.compile(r"\w+|[^\w\s]")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DECADE = re.compile(r"(?:(?:19|20)\d|[1-9])0s")  # "the 1990s", "her 40s"
_SPEAKING = ("absent", "possible", "refuted", "historical", "family", "present")
_CATEGORIES = frozenset({*_SPEAKING, "terminate", "pseudo", "class"})


@dataclass(frozen=True, slots=True)
class Token:
    """One word or one punctuation mark, lower case, with its place in the note."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What one phrase says: `category`, on which side (`forward`), how far (`reach` words; `clause`)."""

    category: str
    direction: str
    reach: int | None = None
    clause: bool = False
    ends: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Node:
    words: dict[str, _Node] = field(default_factory=dict)
    classes: dict[str, _Node] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)


def tokenize(text: str, start: int, end: int) -> list[Token]:
    """The words and punctuation marks of `text[start:end]`, with offsets into `text`."""
    return [Token(m.group().lower(), m.start(), m.end()) for m in _TOKEN.finditer(text, start, end)]


class Lexicon:
    """The phrases, their rules, and the classes of words that phrases may name."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._root = _Node()
        self._classes: dict[str, set[str]] = {}
        self.longest = 0
        for phrase, category, direction, *rest in rows:
            if category == "class":
                self._classes.setdefault(direction, set()).add(phrase)
            else:
                self._add(phrase, _rule(category, direction, rest[0] if rest else ""))

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """Reads a lexicon file; ValueError names the line that is malformed."""
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line or line.startswith("#"):
                continue
            row = line.split("\t")
            if len(row) not in {3, 4} or row[1] not in _CATEGORIES:
                raise ValueError(f"{path.name}, line {number}: not phrase, category, direction[, scope]")
            rows.append(row)
        return cls(rows)

    def is_a(self, token: str, word_class: str) -> bool:
        """Whether the lower-case word belongs to the class, e.g. `verb`."""
        if word_class == "number" and token.isdecimal():
            return True
        if word_class == "year":
            return _YEAR.fullmatch(token) is not None
        if word_class == "decade":
            return _DECADE.fullmatch(token) is not None
        return token in self._classes.get(word_class, ())

    def longest_match(self, tokens: Sequence[Token], at: int, stop: int) -> tuple[int, list[Rule]]:
        """The longest phrase that begins at word `at` and ends before `stop`: (word after it, its rules).

        (at, []) when no phrase begins here.
        """
        best: tuple[int, list[Rule]] = (at, [])
        frontier = [self._root]
        for position in range(at, min(stop, at + self.longest)):
            word = tokens[position].text
            frontier = [child for node in frontier for child in self._step(node, word)]
            if not frontier:
                break
            rules = [rule for node in frontier for rule in node.rules]
            if rules:
                best = (position + 1, rules)
        return best

    def _step(self, node: _Node, word: str) -> Iterator[_Node]:
        if word in node.words:
            yield node.words[word]
        for word_class, child in node.classes.items():
            if self.is_a(word, word_class):
                yield child

    def _add(self, phrase: str, rule: Rule) -> None:
        node = self._root
        words = re.findall(r"<\w+>|\w+|[^\w\s]", phrase)
        for word in words:
            if word.startswith("<") and len(word) > 1:
                node = node.classes.setdefault(word[1:-1], _Node())
            else:
                node = node.words.setdefault(word, _Node())
        node.rules.append(rule)
        self.longest = max(self.longest, len(words))


def _rule(category: str, direction: str, scope: str) -> Rule:
    if category == "terminate":
        return Rule(category, direction, ends=frozenset(scope.split("+")) if scope else frozenset())
    if scope.isdecimal():
        return Rule(category, direction, reach=int(scope))
    return Rule(category, direction, clause=scope == "clause")


@functools.cache
def default_lexicon() -> Lexicon:
    """The lexicon that lies beside this file, read once."""
    return Lexicon.read(TERMINOLOGY / "assertion_triggers.tsv")


@functools.cache
def section_defaults() -> dict[str, str]:
    """Section header (lower case, words and marks separated by one space) -> default assertion or `none`."""
    rows = (TERMINOLOGY / "section_headers.tsv").read_text(encoding="utf-8").splitlines()
    return dict(row.split("\t") for row in rows if row and not row.startswith("#"))
