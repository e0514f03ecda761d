"""Reads the trigger lexicon of the assertion rules and finds its phrases in a sentence.

The lexicon is data (`terminology/assertion_triggers.tsv`, whose head explains its columns), so that a
clinician can read and extend it. Matching walks a trie of words: the longest phrase wins, phrases do not
overlap, and the time is linear in the number of words because no phrase is longer than `Lexicon.longest`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.language.entities import EntityType
from services.language.typography import INVISIBLE

TERMINOLOGY = Path(__file__).parent / "terminology"

_DEIDENTIFIED = re.compile(r"\[\*\*.*\*\*\]", re.DOTALL)
_TOKEN = re.compile(
    r"\[\*\*[^\]\n]{0,80}\*\*\]|\[ {0,3}x? {0,3}\]|\((?:[x+-]| {1,3})\)|[-+]ve\b"
    rf"|\w[\w{INVISIBLE}]*|[^\w\s{INVISIBLE}]",
    re.IGNORECASE,
)
_BOXES = {"\u2611": "[x]", "(x)": "[x]", "\u2610": "[ ]", "()": "[ ]", "[]": "[ ]", "[x]": "[x]"}
_BOXES |= {"(+)": "\u2295", "(-)": "\u2296"}
_SIGNS = {"+": "\u2295", "-": "\u2296"}
_PLAIN_GAPS = frozenset({"", " ", "\t", "\n"})
_YEAR = re.compile(r"(?:19|20|21)\d\d")  # de-identified notes lie in the future
_DECADE = re.compile(r"(?:(?:19|20)\d|[1-9])0s")  # "the 1990s", "her 40s"
_SPEAKING = ("absent", "possible", "refuted", "hypothetical", "allergy", "historical", "family", "present")
_CATEGORIES = frozenset({*_SPEAKING, "terminate", "pseudo", "class"})
_AFTER_AN_ANSWER = frozenset({*".,;)]|/-?!", "[x]", "[ ]", "and", "or", "but"})
_ANSWERS = frozenset({"negative", "positive", "yes", "absent", "present", "denied", "-ve", "+ve"})
_LABEL_WORDS = 4
_SHORT, _AROUND = 2, 4  # characters of a piece of shorthand, and those on each side that belong to it


@dataclass(frozen=True, slots=True)
class Token:
    r"""One word, mark or check box, lower case, with its place in the note.

    `gap` is what stands before it: "" (nothing), " ", "\t" (a column) or "\n" (a line end).
    """

    text: str
    start: int
    end: int
    gap: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What one phrase says: `category`, on which side (`direction`), and how far its word reaches.

    `reach`: words; `clause`: the whole clause; `phrase`: up to a comma that does not stand in a list with
    "or"; `final`: only where the clause ends after it ("Asthma: no");
    `only`: of entities of this type ("refused" negates a drug); `timeless`: does not say when, so that a
    section of the past still decides ("PMH: He has gout"); `ends`: the categories that a terminating phrase
    ends, empty for all.
    """

    category: str
    direction: str
    reach: int | None = None
    clause: bool = False
    phrase: bool = False
    final: bool = False
    only: EntityType | None = None
    timeless: bool = False
    ends: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Node:
    words: dict[str, _Node] = field(default_factory=dict)
    classes: dict[str, _Node] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)


def tokenize(text: str, start: int, end: int) -> list[Token]:
    """The words, marks and boxes of `text[start:end]` (plain text), with offsets into `text`."""
    tokens: list[Token] = []
    before = start
    for match in _TOKEN.finditer(text, start, end):
        word = match.group().lower()
        first, last = match.span()
        if not word.isalnum():
            if _DEIDENTIFIED.fullmatch(word):  # of "[**2142**]" the year counts, of a name nothing
                word = word[3:-3] if _YEAR.fullmatch(word[3:-3]) else "[**]"
            for mark in INVISIBLE if not word.isascii() else "":
                word = word.replace(mark, "")
            word = _boxed(word)
        lead = text[before:first]
        gap = lead if lead in _PLAIN_GAPS else "\n" if "\n" in lead else "\t" if "\t" in lead else " "
        tokens.append(Token(word, first, last, gap))
        before = last
    return _signed(tokens)


def _signed(tokens: list[Token]) -> list[Token]:
    """The tokens with the signs of ward shorthand ("+cough -fever", "+ cough, - fever") as ⊕ and ⊖.

    A minus counts only beside a plus: alone it is a bullet or a dash.
    """
    signs = [at for at, token in enumerate(tokens[:-1]) if token.text in _SIGNS and _is_sign(tokens, at)]
    if any(tokens[at].text == "+" for at in signs):
        for at in signs:
            tokens[at] = replace(tokens[at], text=_SIGNS[tokens[at].text])
    return tokens


def _is_sign(tokens: Sequence[Token], at: int) -> bool:
    apart = at == 0 or tokens[at].gap != ""
    opens = at == 0 or tokens[at - 1].text in {",", ";", ":", "and"}
    return tokens[at + 1].text[0].isalpha() and apart and (opens or tokens[at + 1].gap == "")


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
        self._beginnings = frozenset(self._root.words).union(
            *(self._classes.get(name, ()) for name in self._root.classes)
        )
        """Words with which phrases begin, but for numbers: most words begin none."""

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

        A terminating phrase may reach beyond `stop`, into the entity that begins there ("with small" before
        "small effusion"). (at, []) when no phrase begins here.
        """
        best: tuple[int, list[Rule]] = (at, [])
        if at < len(tokens) and not self._may_begin(tokens[at].text):
            return best
        frontier = [self._root]
        for position in range(at, min(len(tokens), at + self.longest)):
            word = tokens[position].text
            frontier = [child for node in frontier for child in self._step(node, word)]
            if not frontier:
                break
            rules = [rule for node in frontier for rule in node.rules]
            if not rules:
                continue
            if position >= stop:
                rules = [rule for rule in rules if rule.category == "terminate"]
            if any(rule.final for rule in rules) and not _clause_ends(tokens, position + 1):
                rules = [rule for rule in rules if not rule.final]
            if rules:
                best = (position + 1, rules)
        return best

    def is_trigger(self, text: str, start: int, end: int) -> bool:
        """Whether plain `text[start:end]` is a phrase of the lexicon ("prn", "allergic to") or, being short,
        a part of one ("h" of "h/o").
        """
        around = _AROUND if end - start <= _SHORT else 0
        tokens = tokenize(text, max(0, start - around), min(len(text), end + around))
        for at, token in enumerate(tokens):
            if token.start > start:
                break
            after = self.longest_match(tokens, at, len(tokens))[0]
            if after > at and tokens[after - 1].end >= end:
                return True
        return False

    def _may_begin(self, word: str) -> bool:
        return word in self._beginnings or word[:1].isdecimal()

    def _step(self, node: _Node, word: str) -> list[_Node]:
        following = node.words.get(word)
        found = [] if following is None else [following]
        if node.classes:
            found += [child for word_class, child in node.classes.items() if self.is_a(word, word_class)]
        return found

    def _add(self, phrase: str, rule: Rule) -> None:
        node = self._root
        words = re.findall(rf"<\w+>|{_TOKEN.pattern}", phrase)
        for word in words:
            if word.startswith("<") and len(word) > 1:
                node = node.classes.setdefault(word[1:-1], _Node())
            else:
                node = node.words.setdefault(_boxed(word), _Node())
        node.rules.append(rule)
        self.longest = max(self.longest, len(words))


def _boxed(word: str) -> str:
    """The word, a check box in its one form."""
    return _BOXES.get(word.replace(" ", ""), word)


def _clause_ends(tokens: Sequence[Token], at: int) -> bool:
    """Whether a clause ends before word `at`: a mark, a column, or the next item with its answer ("Asthma: no
    Diabetes: yes").
    """
    if at >= len(tokens) or tokens[at].text in _AFTER_AN_ANSWER or tokens[at].gap == "\t":
        return True
    for token in tokens[at : at + _LABEL_WORDS]:
        if token.text == ":" or token.text in _ANSWERS:
            return True
        if not token.text[0].isalnum():
            return False
    return False


def _rule(category: str, direction: str, scope: str) -> Rule:
    if category == "terminate":
        return Rule(category, direction, ends=frozenset(scope.split("+")) if scope else frozenset())
    parts = set(scope.split(",")) if scope else set()
    reach = next((int(part) for part in parts if part.isdecimal()), None)
    only = next((kind for kind in EntityType if kind.value.lower() in parts), None)
    return Rule(
        category,
        direction,
        reach,
        clause="clause" in parts,
        phrase="phrase" in parts,
        final="final" in parts,
        only=only,
        timeless="timeless" in parts,
    )


@functools.cache
def default_lexicon() -> Lexicon:
    """The lexicon that lies beside this file, read once."""
    return Lexicon.read(TERMINOLOGY / "assertion_triggers.tsv")
