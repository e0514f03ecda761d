"""What a sentence says, read back by the terminology and the assertion rules.

Every word is accounted for: it names a finding, a drug or a measurement (a claim), says on which side, how
severe, where or how much (and belongs to the claim beside it), states nothing (`words.toml`), is part of the
phrase that made an assertion, or is loose. Loose words are what nothing is known of.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.language.assertion import AssertionResult, assert_entities
from services.language.assertion_lexicon import default_lexicon
from services.language.entities import Assertion, EntityType, Span
from services.language.linking import Linker, default_linker
from services.language.recovery import Terms, default_terms
from services.language.sections import split_sections
from services.language.sentences import split_sentences
from services.language.typography import plain
from services.language.vocabulary import normalize
from services.language.writing.tokens import Token, segment, tokens_of
from services.language.writing.words import BILATERAL, TOKEN, Kind, Words, default_words

_MOST_WORDS = 8
_LONGEST_SENTENCE = 800
"""Code points; keeps the time linear in the text."""
_OTHER = "Other "
"""How the title of a code begins that several unlike things share."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A word that nothing is known of."""

    word: str
    assertion: Assertion | None
    """What the sentence says of it; None for a word of negation, doubt or time that belongs to no claim."""
    segment: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a sentence says, in words as they are compared."""

    words: frozenset[str]
    """Of its name, without those of side, degree and place."""
    codes: frozenset[str]
    assertion: Assertion
    start: int
    end: int
    """Where its name stands, in code points."""
    segment: int = 0
    is_drug: bool = False
    name_places: frozenset[str] = frozenset()
    """Words of place in the name itself ("pleural" effusion)."""
    name_modifiers: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    modifiers: frozenset[str] = frozenset()
    degrees: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    sides: frozenset[str] = frozenset()
    """`left`, `right` or `bilateral`."""
    linked: Claim | None = None
    """The finding that this one explains ("opacity at the base, likely pneumonia"); it lies there too."""

    @property
    def side(self) -> str:
        """The one side; both are `bilateral`; empty: none is said."""
        if not self.sides:
            return ""
        return next(iter(self.sides)) if len(self.sides) == 1 else BILATERAL


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sentence says."""

    claims: tuple[Claim, ...]
    loose: tuple[Loose, ...]
    segments: tuple[tuple[str, ...], ...]
    """All words that state something, in their order; a segment ends at a comma, "and", "with", ..."""
    numbers: frozenset[str] = frozenset()
    """Those that belong to no claim."""

    @property
    def content(self) -> tuple[str, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment)


@dataclass(slots=True)
class _Mention:
    first: int
    last: int
    is_drug: bool
    core: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sentence:
    tokens: list[Token]
    mentions: list[_Mention]


class SentenceReader:
    """Reads sentences; `names` are further names of findings, drugs and measurements, beside the terms of the
    terminology. Immutable, safe to share between threads.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        drugs: Collection[str] = (),
        terms: Terms | None = None,
        linker: Linker | None = None,
        words: Words | None = None,
    ) -> None:
        self._terms = terms or default_terms()
        self._words = words or default_words()
        self._linker = linker or default_linker()
        self._names = {_forms(name): False for name in names} | {_forms(name): True for name in drugs}
        self._beginnings = {name[0] for name in self._names if name}

    def read(self, sentence: str) -> Reading:
        """What `sentence` says, by itself."""
        [reading] = self._read(plain(sentence), [(0, len(sentence))])
        return reading

    def read_text(self, text: str) -> list[tuple[int, int, Reading]]:
        """Each sentence of a note or report, and what it says there: under its header, in its list."""
        known = plain(text)
        bounds = [
            _stripped(known, first, last)
            for section in split_sections(known, (), default_lexicon())
            for start, end in split_sentences(known, (), section.body, section.end)
            for first, last in _pieces(known, start, end)
            if known[first:last].strip()
        ]
        readings = self._read(known, bounds)
        return [(start, end, reading) for (start, end), reading in zip(bounds, readings, strict=True)]

    def _read(self, text: str, bounds: Sequence[tuple[int, int]]) -> list[Reading]:
        sentences = [self._sentence(text, start, end) for start, end in bounds]
        named = [_span(sentence.tokens, one) for sentence in sentences for one in sentence.mentions]
        unnamed = [
            Span(token.start, token.end, EntityType.DISEASE)
            for sentence in sentences
            for token in sentence.tokens
            if self._is_loose(token)
        ]
        # Of the claims as a note's entities are read; of loose words as if each were one, so that "not
        # improving" is told from "improving". Not together: "mother" would no longer say whose it is.
        of_named = iter(assert_entities(text, named))
        of_unnamed = iter(_asserted(text, named, unnamed))
        return [self._reading(sentence, of_named, of_unnamed) for sentence in sentences]

    def _sentence(self, text: str, start: int, end: int) -> _Sentence:
        tokens = tokens_of(text, start, end, self._words)
        mentions = self._mentions(tokens)
        for number, mention in enumerate(mentions):
            for at in mention.core:
                tokens[at].mention = number
        segment(tokens)
        return _Sentence(tokens, mentions)

    def _reading(
        self, sentence: _Sentence, of_named: Iterator[AssertionResult], of_unnamed: Iterator[AssertionResult]
    ) -> Reading:
        tokens, mentions = sentence.tokens, sentence.mentions
        said = list(itertools.islice(of_named, len(mentions)))
        loose = [token for token in tokens if self._is_loose(token)]
        said_of_loose = list(itertools.islice(of_unnamed, len(loose)))
        self._account(tokens, [*said, *said_of_loose])
        left = [
            Loose(token.form, result.assertion, token.segment)
            for token, result in zip(loose, said_of_loose, strict=True)
            if not token.accounted
        ]
        left += [
            Loose(token.form, None, token.segment)
            for token in tokens
            if self._asserts(token) and not token.accounted and token.mention is None
        ]
        numbers: list[str] = []
        if not mentions:
            left += [
                Loose(token.form, Assertion.PRESENT, token.segment)
                for token in tokens
                if token.kind not in {Kind.FRAME, Kind.CONTENT, Kind.NUMBER}
            ]
            numbers = [token.form for token in tokens if token.kind is Kind.NUMBER]
        segments: list[list[str]] = [[] for _ in range(tokens[-1].segment + 1)] if tokens else []
        for token in tokens:
            if token.kind is not Kind.FRAME or token.mention is not None or self._asserts(token):
                segments[token.segment].append(token.form)
        claims = self._claims(tokens, mentions, said)
        return Reading(tuple(claims), tuple(left), tuple(map(tuple, segments)), frozenset(numbers))

    def _mentions(self, tokens: Sequence[Token]) -> list[_Mention]:
        texts = [token.text for token in tokens]
        found = {finding.first: finding for finding in self._terms.images.find(texts)}
        mentions: list[_Mention] = []
        at = 0
        while at < len(tokens):
            mention = self._longest(tokens, at)
            finding = found.get(at)
            if finding is not None and (mention is None or finding.last > mention.last):
                wanted = set(normalize(finding.term))
                core = [i for i in range(at, finding.last) if wanted & set(normalize(texts[i]))]
                mention = _Mention(at, finding.last, False, core)
            if mention is not None:
                mentions.append(mention)
            at = mention.last if mention is not None else at + 1
        return mentions

    def _longest(self, tokens: Sequence[Token], first: int) -> _Mention | None:
        """The longest name or term that starts at the token `first`; a hyphen within is no word."""
        head = tokens[first]
        begins = head.form in self._beginnings or _begins(self._terms, head.text)
        if not begins or not head.text[0].isalnum():
            return None
        reach = first
        while reach < min(first + 2 * _MOST_WORDS, len(tokens)) and (
            tokens[reach].text[0].isalnum() or tokens[reach].text in {"-", "/"}
        ):
            reach += 1
        for last in range(reach, first, -1):
            if not tokens[last - 1].text[0].isalnum():
                continue
            core = [at for at in range(first, last) if tokens[at].text not in {"-", "/"}]
            is_drug = self._named(" ".join(tokens[at].text for at in core))
            if is_drug is not None:
                return _Mention(first, last, is_drug, core)
        return None

    def _named(self, surface: str) -> bool | None:
        """Whether the words name a drug; None: they name nothing."""
        known = self._names.get(_forms(surface))
        if known is not None:
            return known
        found = _find(self._terms, surface) or _find(self._terms, surface.upper())
        return None if found is None else found[0] is EntityType.CHEMICAL

    def _is_loose(self, token: Token) -> bool:
        return token.mention is None and token.kind is Kind.CONTENT and not self._asserts(token)

    def _asserts(self, token: Token) -> bool:
        return any(self._words.belongs_to(kind, token.text) for kind in Assertion)

    def _account(self, tokens: Sequence[Token], results: Sequence[AssertionResult]) -> None:
        """Marks the words of the phrases that made the assertions."""
        for result in results:
            for trigger in result.triggers:
                if trigger.kind is not result.assertion:
                    continue
                for token in tokens:
                    inside = trigger.start <= token.start and token.end <= trigger.end
                    if inside and self._words.belongs_to(trigger.kind, token.text):
                        token.accounted = True
            for token in tokens:  # "no focal or acute ...": words that only sharpen a denial
                if (
                    result.assertion is Assertion.ABSENT
                    and token.mention is None
                    and self._words.belongs_to(Assertion.ABSENT, token.text)
                    and token.text in self._words.sharpening
                ):
                    token.accounted = True

    def _links(self, tokens: Sequence[Token], before: Claim, first: Token) -> bool:
        """Whether the words between a claim and the next one say that this is what that is."""
        return any(
            token.text in self._words.links for token in tokens if before.end <= token.start < first.start
        )

    def _claims(
        self,
        tokens: Sequence[Token],
        mentions: Sequence[_Mention],
        results: Sequence[AssertionResult],
    ) -> list[Claim]:
        bound: list[list[Token]] = [[] for _ in mentions]
        for at, token in enumerate(tokens):
            if token.mention is not None or token.accounted:
                continue
            if token.kind in {Kind.SIDE, Kind.DEGREE, Kind.PLACE, Kind.MODIFIER, Kind.NUMBER}:
                owner = _owner(tokens, mentions, at)
                if owner is not None:
                    bound[owner].append(token)
        claims: list[Claim] = []
        for mention, beside, result in zip(mentions, bound, results, strict=True):
            own = [tokens[at] for at in mention.core]
            core = [t for t in own if mention.is_drug or t.kind in {Kind.CONTENT, Kind.FRAME, Kind.NUMBER}]
            name_places = _of(own, Kind.PLACE) if not mention.is_drug else frozenset()
            if not core:  # a name of nothing but places
                core, name_places = own, frozenset()
            surface = " ".join(t.text for t in own if t.kind is not Kind.SIDE)
            kind = EntityType.CHEMICAL if mention.is_drug else EntityType.DISEASE
            codes = _codes(self._linker, surface, kind)
            everything = [*own, *beside]
            claims.append(
                Claim(
                    words=frozenset(t.form for t in core),
                    codes=frozenset(c.code for c in codes if not c.display.startswith(_OTHER)),
                    assertion=result.assertion,
                    start=own[0].start,
                    end=own[-1].end,
                    segment=own[0].segment,
                    is_drug=mention.is_drug,
                    name_places=name_places,
                    name_modifiers=_of(own, Kind.MODIFIER),
                    places=_of(beside, Kind.PLACE),
                    modifiers=_of(beside, Kind.MODIFIER),
                    degrees=_of(everything, Kind.DEGREE),
                    numbers=_of(beside, Kind.NUMBER),
                    sides=_of(everything, Kind.SIDE),
                    linked=claims[-1] if claims and self._links(tokens, claims[-1], own[0]) else None,
                )
            )
        return claims


# What is looked up again and again, by whatever request: parts of sentences, and the terms that they are.
_begins = functools.lru_cache(maxsize=20_000)(Terms.begins)
_find = functools.lru_cache(maxsize=20_000)(Terms.find)
_codes = functools.lru_cache(maxsize=5_000)(Linker.codes)


@functools.lru_cache(maxsize=4096)
def _forms(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared."""
    words = default_words()
    return tuple(
        words.of(match.group().lower())[1]
        for match in TOKEN.finditer(plain(name))
        if match.group()[0].isalnum()
    )


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence in pieces of bounded length: what goes on for longer has no full stops."""
    while end - start > _LONGEST_SENTENCE:
        blank = text.rfind(" ", start + _LONGEST_SENTENCE // 2, start + _LONGEST_SENTENCE)
        cut = blank if blank > 0 else start + _LONGEST_SENTENCE
        yield start, cut
        start = cut
    yield start, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The bounds without the blanks at either end."""
    own = text[start:end]
    return start + len(own) - len(own.lstrip()), start + len(own.rstrip())


def _asserted(text: str, named: Sequence[Span], unnamed: Sequence[Span]) -> list[AssertionResult]:
    """What `text` says of `unnamed`, read beside `named`."""
    if not unnamed:
        return []
    spans = sorted([*named, *unnamed], key=lambda span: span.start)
    said = dict(zip(((span.start, span.end) for span in spans), assert_entities(text, spans), strict=True))
    return [said[span.start, span.end] for span in unnamed]


def _of(tokens: Iterable[Token], kind: Kind) -> frozenset[str]:
    return frozenset(token.form for token in tokens if token.kind is kind)


def _span(tokens: Sequence[Token], mention: _Mention) -> Span:
    kind = EntityType.CHEMICAL if mention.is_drug else EntityType.DISEASE
    return Span(tokens[mention.first].start, tokens[mention.last - 1].end, kind)


def _owner(tokens: Sequence[Token], mentions: Sequence[_Mention], at: int) -> int | None:
    """The mention that a word of side, degree, place or number belongs to: one of its own segment, the next
    one before the last one; else the last one before it, else the next.
    """
    segment = tokens[at].segment
    before = [n for n, m in enumerate(mentions) if m.first <= at]
    after = [n for n, m in enumerate(mentions) if m.first > at]
    same_before = [n for n in before if tokens[mentions[n].first].segment == segment]
    same_after = [n for n in after if tokens[mentions[n].first].segment == segment]
    if same_after:
        between = tokens[at + 1 : mentions[same_after[0]].first]
        crossed = any(token.kind in {Kind.FRAME, Kind.CONTENT} for token in between)
        if not same_before or not crossed:
            return same_after[0]
    if same_before:
        return same_before[-1]
    return before[-1] if before else (after[0] if after else None)
