"""Whether a passage says of a query's concepts what the query says of them.

Embeddings hardly tell "there is no pneumothorax" from "there is a pneumothorax": both speak of one thing. So
the concepts of both are found by the terminology, and what each says of them by the assertion rules.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.language.assertion import assert_entities
from services.language.entities import Assertion, EntityType, Span
from services.language.languages import are_readable
from services.language.recovery import Terms
from services.language.vocabulary import normalize, read_terms, term_words

_SEARCH_WORDS = Path(__file__).parent / "terminology" / "search_words.tsv"
_MOST_WORDS = 8
_MOST_SPECIFYING = 3
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_WITHIN_A_TERM = re.compile(r"\s{1,2}|\s?[-/\u2010\u2011]\s?")
"""What may stand between two words of one term."""

_QUESTION = re.compile(
    r"(?:who|what|when|where|why|how|which|any|(?:is|are|was|were) there"
    r"|(?:is|was|does|did|has|had|can|could|should) (?:the|he|she|it|this|that|they|patient))\b",
    re.IGNORECASE,
)
"""How a question begins that nobody closed with a question mark; "has fever" is not one."""


_LATERALITY = re.compile(r"\b(left|right)(?=\b|-)", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[.;,\n]")
_NEAR = 40
"""Characters before and behind a mention in which its side is looked for."""

_TIMES = frozenset({"history", "prior", "previous", "old", "healed"})
"""With these a term may begin ("old myocardial infarction"), and so may the rest of it."""


class Side(enum.Enum):
    """What an assertion comes to when two of them are compared."""

    AFFIRMED = enum.auto()
    """Stated of the patient: now, once, or perhaps."""
    DENIED = enum.auto()
    OTHERS = enum.auto()
    """Of a relative."""
    SUPPOSED = enum.auto()
    """Of a risk, a plan, a precaution."""
    ALLERGY = enum.auto()


_SIDES = {
    Assertion.PRESENT: Side.AFFIRMED,
    Assertion.POSSIBLE: Side.AFFIRMED,
    Assertion.HISTORICAL: Side.AFFIRMED,
    Assertion.ABSENT: Side.DENIED,
    Assertion.FAMILY: Side.OTHERS,
    Assertion.HYPOTHETICAL: Side.SUPPOSED,
    Assertion.ALLERGY: Side.ALLERGY,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One mention of a concept, and on which side the text puts it."""

    words: tuple[str, ...]
    """As the terminology normalises them."""
    concept: str
    """The code, or the words where the terminology has none: equal for synonyms."""
    side: Side
    lies: str = ""
    """`left` or `right`, where the text says so near the mention."""


class Vocabulary:
    """The terms and what concept each names, and general words such as "fracture"; immutable, safe to share
    between threads.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        words = [row.split("\t") for row in _SEARCH_WORDS.read_text(encoding="utf-8").splitlines()]
        self._heads = frozenset(normalize(row[1]) for row in words if row[0] == "head")
        self._plain = frozenset(row[1] for row in words if row[0] == "plain")
        self._plain |= term_words("disease_modifier").keys()
        self._concepts: dict[tuple[str, ...], str] = {}
        for entity_type in EntityType:
            for term, codes in read_terms(entity_type):
                self._concepts.setdefault(normalize(term), codes[0].code)

    def begins(self, word: str) -> bool:
        """Whether a term can begin with the word; what only says when is left to the assertion rules."""
        return self._terms.begins(word) and word.lower() not in _TIMES

    def find(self, surface: str) -> EntityType | None:
        """The type of the term that `surface` is."""
        found = self._terms.find(surface)
        return None if found is None else found[0]

    def is_head(self, word: str) -> bool:
        """Whether the word names a finding in general: what stands before it says which."""
        return normalize(word) in self._heads

    def specifies(self, word: str) -> bool:
        """Whether the word before a head says which finding it is ("vertebral"), not how or whether."""
        return word.lower() not in self._plain and not word.isdecimal()

    def concept(self, words: tuple[str, ...]) -> str:
        """The code of a term; where it has none, its words."""
        return self._concepts.get(words, " ".join(words))


class StatementReader:
    """Reads what texts state. It remembers the words it has seen, so it is created for each request."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._concept = vocabulary.concept
        self._begins = functools.cache(vocabulary.begins)
        self._find = functools.cache(vocabulary.find)
        self._is_head = functools.cache(vocabulary.is_head)
        self._specifies = vocabulary.specifies

    def of_query(self, query: str) -> tuple[Statement, ...]:
        """What a query states; nothing where it asks, since either answer is one."""
        if query.rstrip().endswith("?") or _QUESTION.match(query.lstrip()):
            return ()
        return self.of(query)

    def of(self, text: str, about: Sequence[Statement] = ()) -> tuple[Statement, ...]:
        """What a text states, in its order; the longest term from the left wins. With `about` only what bears
        on those statements; a text without such is read in a fraction of the time.
        """
        found = list(self._mentions(text))
        readable = are_readable(text, [span.start for _, span in found])
        mentions = [
            (words, self._concept(words), span)
            for (words, span), is_readable in zip(found, readable, strict=True)
            if is_readable
        ]
        bears = [
            not about or any(_related(asked, words, concept) for asked in about)
            for words, concept, _ in mentions
        ]
        if not any(bears):
            return ()
        # All of them: the rules read lists, in which one mention decides on the next.
        results = assert_entities(text, [span for _, _, span in mentions])
        return tuple(
            Statement(words, concept, _SIDES[result.assertion], _laterality(text, span))
            for (words, concept, span), result, wanted in zip(mentions, results, bears, strict=True)
            if wanted
        )

    def _mentions(self, text: str) -> Iterator[tuple[tuple[str, ...], Span]]:
        words = list(_WORD.finditer(text))
        at, free = 0, 0  # the next word, and the first that belongs to no mention
        while at < len(words):
            found = self._longest(text, words, at) if self._begins(words[at].group()) else None
            if found is not None:
                first, (last, kind) = at, found
            elif self._is_head(words[at].group()):
                first, last, kind = self._specified_from(text, words, at, free), at + 1, EntityType.DISEASE
            else:
                at += 1
                continue
            span = Span(words[first].start(), words[last - 1].end(), kind)
            yield normalize(text[span.start : span.end]), span
            at = free = last

    def _specified_from(self, text: str, words: Sequence[re.Match[str]], head: int, free: int) -> int:
        """The first of the words that say which finding a head is."""
        first = head
        while (
            first > max(free, head - _MOST_SPECIFYING)
            and _WITHIN_A_TERM.fullmatch(text, words[first - 1].end(), words[first].start())
            and self._specifies(words[first - 1].group())
        ):
            first -= 1
        return first

    def _longest(
        self, text: str, words: Sequence[re.Match[str]], first: int
    ) -> tuple[int, EntityType] | None:
        last = first + 1
        while last < min(first + _MOST_WORDS, len(words)):
            if not _WITHIN_A_TERM.fullmatch(text, words[last - 1].end(), words[last].start()):
                break
            last += 1
        for end in range(last, first, -1):
            kind = self._find(text[words[first].start() : words[end - 1].end()])
            if kind is not None:
                return end, kind
        return None


def contradicts(query: Sequence[Statement], passage: Sequence[Statement]) -> bool:
    """Whether the passage contradicts the query on some concept, and nowhere agrees with it on that one.

    What the query denies is contradicted by what the passage affirms. What it affirms is contradicted by a
    passage that only denies it, says it of a relative or supposes it; and so on for the other sides.
    """
    return any(_contradicted(statement, passage) for statement in query)


def _contradicted(asked: Statement, passage: Sequence[Statement]) -> bool:
    sides = {side for said in passage if (side := bearing(asked, said)) is not None}
    if asked.side is Side.DENIED:
        return Side.AFFIRMED in sides
    return bool(sides) and asked.side not in sides


def bearing(asked: Statement, said: Statement) -> Side | None:
    """On which side a statement of a passage puts the concept that is asked for; None where it says nothing
    of it, or of the other side of the body. Who has a kind of it has it ("tension pneumothorax"), and who
    does not have it has no kind of it.
    """
    if said.lies and asked.lies and said.lies != asked.lies:
        return None
    if said.concept == asked.concept:
        return said.side
    if _is_kind_of(said.words, asked.words):
        return Side.AFFIRMED if said.side is Side.AFFIRMED else None
    if _is_kind_of(asked.words, said.words):
        return Side.DENIED if said.side is Side.DENIED else None
    return None


def _laterality(text: str, span: Span) -> str:
    """The only side that is named close by in the same clause; none where both are, or neither."""
    before = _CLAUSE_END.split(text[max(0, span.start - _NEAR) : span.start])[-1]
    after = _CLAUSE_END.split(text[span.end : span.end + _NEAR])[0]
    found = {word.lower() for word in _LATERALITY.findall(f"{before} {after}")}
    return found.pop() if len(found) == 1 else ""


def _related(asked: Statement, words: tuple[str, ...], concept: str) -> bool:
    return concept == asked.concept or _is_kind_of(words, asked.words) or _is_kind_of(asked.words, words)


def _is_kind_of(words: tuple[str, ...], of: tuple[str, ...]) -> bool:
    """Whether a term ends with another, which it so makes narrower."""
    return words[-len(of) :] == of
