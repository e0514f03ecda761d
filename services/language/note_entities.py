"""What a tagger says of a note's words to its entities: spans, what the terminology adds to them, what is
asserted of each, and its concept.

The terminology and the rules are the mesh's own. They read English, and know the types of `EntityType`;
whichever model found them, such entities are completed, linked and read alike. Of entities of other types
the assertion is told and no concept; of entities in passages that only the model reads, neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from services.clinical.concepts import Concept
from services.language.assertion import assert_entities
from services.language.assertion_lexicon import default_lexicon
from services.language.confidence import AS_DECODED, Confidence
from services.language.consistency import LEAST_PROBABILITY, decode_note
from services.language.decoding import FloatArray, WordSpan
from services.language.entities import Entity, EntityType, Origin, Span, entity_type
from services.language.languages import ENGLISH, Languages, are_readable
from services.language.recovery import Terms, recover
from services.language.sentences import line_breaks
from services.language.tokenization import Word

_SHORTHAND = re.compile(r"[A-Z][A-Z0-9&/]{1,9}s?")


class ConceptLinker(Protocol):
    """Finds the codes that a surface form names."""

    def codes(self, surface: str, entity_type: EntityType) -> tuple[Concept, ...]:
        """Every code of the concept, the preferred one first; empty when the term is not known."""
        ...

    def names_drug(self, surface: str) -> bool:
        """Whether the words are a drug's or a drug class's name, with or without a code."""
        ...


@dataclass(frozen=True)
class Tagged:
    """What a tagger says of a text, and how its card says that this is to be read.

    `log_probabilities` FP32 [words, columns], the columns named by `columns` ("O" first, "B-DISEASE", ...).
    """

    words: Sequence[Word]
    log_probabilities: FloatArray
    columns: Sequence[str]
    reads: Languages = ENGLISH
    confidence: Confidence = field(default=AS_DECODED)
    least_probability: float = LEAST_PROBABILITY

    @property
    def types(self) -> frozenset[str]:
        """The types of entity that the tagger knows."""
        return frozenset(name[2:] for name in self.columns if name.startswith("B-"))


@dataclass(frozen=True, slots=True)
class _Found:
    """An entity on its way: where it lies, the words it was found as, whether the rules read it."""

    span: Span
    word: WordSpan
    is_ruled: bool


class EntityReader:
    """Makes entities of what taggers say; immutable, safe to share between threads."""

    def __init__(self, linker: ConceptLinker, terms: Terms) -> None:
        self._linker = linker
        self._terms = terms

    def read(self, note: str, tagged: Tagged) -> list[Entity]:
        """The entities of `note` (plain text: `typography.plain`) in order, not overlapping."""
        if not tagged.words:
            return []
        surfaces = [_word(note, word.start, word.end) for word in tagged.words]
        breaks = _breaks(note, [word.start for word in tagged.words])
        decoded = decode_note(
            tagged.log_probabilities, surfaces, tagged.columns, breaks, tagged.least_probability
        )
        ruled, others = self._parted(note, tagged, decoded)
        completed = self._completed(tagged, surfaces, ruled, others, breaks)
        found, unruled = [], set(others)
        for word in sorted([*completed, *others], key=lambda word: word.first):
            span = _span(tagged, word)
            is_ruled = word not in unruled
            known = self._known(note, span) if is_ruled and word.stands_for is None else span
            if known is not None:
                found.append(_Found(known, word, is_ruled))
        return self._described(note, tagged, found)

    def _parted(
        self, note: str, tagged: Tagged, decoded: Sequence[WordSpan]
    ) -> tuple[list[WordSpan], list[WordSpan]]:
        """The entities that the terminology knows how to complete, and the others."""
        starts = [tagged.words[word.first].start for word in decoded]
        is_english = are_readable(note, starts) if tagged.reads != ENGLISH else [True] * len(starts)
        ruled: list[WordSpan] = []
        others: list[WordSpan] = []
        for word, english in zip(decoded, is_english, strict=True):
            known = english and word.label in EntityType.__members__
            (ruled if known else others).append(word)
        return ruled, others

    def _completed(
        self,
        tagged: Tagged,
        surfaces: Sequence[str],
        spans: Sequence[WordSpan],
        others: Sequence[WordSpan],
        breaks: Sequence[int],
    ) -> list[WordSpan]:
        """What `recover` makes of the entities, as far as the tagger is one for their type."""
        known = tagged.types & EntityType.__members__.keys()
        if not known:
            return list(spans)
        logs = _of_known_types(tagged.log_probabilities, tagged.columns)
        completed = recover(logs, surfaces, spans, self._terms, breaks)
        taken = {word for span in others for word in range(span.first, span.last)}
        own = {word for span in spans for word in range(span.first, span.last)}
        return [
            span
            for span in completed
            if not span.from_terminology
            or (
                taken.isdisjoint(range(span.first, span.last))
                and (span.label in known or not own.isdisjoint(range(span.first, span.last)))
            )
        ]

    def _known(self, note: str, span: Span) -> Span | None:
        """The entity as the terminology knows its shorthand, or None for a section's header and for words
        that are themselves a trigger of the assertion rules ("PRN", "allergic to").

        The model learned from abstracts, where few of the wards' abbreviations stand ("HTN", "PMH:"). For
        them, and only for them, the terminology goes before the model when it knows them as the other type.
        """
        surface = note[span.start : span.end]
        kind = EntityType(span.type)
        lexicon = default_lexicon()
        if lexicon.is_a(surface.lower(), "no_entity"):
            return None
        if lexicon.is_trigger(note, span.start, span.end) and not self._linker.codes(surface, kind):
            return None
        if self._linker.codes(surface, kind):
            return span
        if kind is EntityType.DISEASE and self._linker.names_drug(surface):
            return Span(span.start, span.end, EntityType.CHEMICAL)  # "PCN"
        if not _SHORTHAND.fullmatch(surface):
            return span
        other = EntityType.CHEMICAL if kind is EntityType.DISEASE else EntityType.DISEASE
        if self._linker.codes(surface, other):
            return Span(span.start, span.end, other)
        begins_line = not note[note.rfind("\n", 0, span.start) + 1 : span.start].strip()
        return None if begins_line and note[span.end : span.end + 1] == ":" else span

    def _described(self, note: str, tagged: Tagged, found: Sequence[_Found]) -> list[Entity]:
        """What lies in a passage that is read, with assertion and concept."""
        starts = [item.span.start for item in found]
        english = are_readable(note, starts)
        read = english if tagged.reads == ENGLISH else are_readable(note, starts, tagged.reads)
        # The rules would read another language as English, so they see nothing of it.
        kept = [
            (item, is_english)
            for item, is_english, is_read in zip(found, english, read, strict=True)
            if is_read and (is_english or not item.word.from_terminology)
        ]
        said = iter(assert_entities(note, [item.span for item, is_english in kept if is_english]))
        entities = []
        for item, is_english in kept:
            result = next(said) if is_english else None
            concept, *equivalents = self._codes(note, item) or (None,)
            entities.append(
                Entity(
                    span=item.span,
                    text=note[item.span.start : item.span.end],
                    confidence=tagged.confidence.of(item.word),
                    assertion=result.assertion if result else None,
                    triggers=tuple(result.triggers) if result else (),
                    concept=concept,
                    equivalents=tuple(equivalents),
                    origin=_origin(item),
                )
            )
        return entities

    def _codes(self, note: str, item: _Found) -> tuple[Concept, ...]:
        if not item.is_ruled or not isinstance(item.span.type, EntityType):
            return ()
        surface = note[item.span.start : item.span.end]
        term = surface if item.word.stands_for is None else item.word.stands_for
        return self._linker.codes(term, item.span.type)


def _span(tagged: Tagged, word: WordSpan) -> Span:
    first, last = tagged.words[word.first], tagged.words[word.last - 1]
    return Span(first.start, last.end, entity_type(word.label))


def _origin(item: _Found) -> Origin:
    if item.word.from_terminology:
        return Origin.TERMINOLOGY
    return Origin.MODEL if item.span.type == item.word.label else Origin.MODEL_RETYPED


def _of_known_types(log_probabilities: FloatArray, columns: Sequence[str]) -> FloatArray:
    """The log-probabilities with "O" in the first column for all that the terminology does not know."""
    others = [
        column for column, name in enumerate(columns) if name == "O" or name[2:] not in EntityType.__members__
    ]
    if len(others) == 1:
        return log_probabilities
    outside = np.logaddexp.reduce(log_probabilities[:, others], axis=1, keepdims=True)
    rest = [column for column in range(len(columns)) if column not in others]
    return np.concatenate([outside, log_probabilities[:, rest]], axis=1)


def _word(note: str, start: int, end: int) -> str:
    """A word as written; a hyphen between blanks joins nothing and is a dash ("fever - none")."""
    word = note[start:end]
    apart = note[start - 1 : start].isspace() and note[end : end + 1].isspace()
    return "\u2014" if word == "-" and apart else word


def _breaks(note: str, starts: Sequence[int]) -> list[int]:
    """The words before which a new thought begins although no mark says so; no entity reaches over it."""
    return sorted({int(word) for word in np.searchsorted(starts, line_breaks(note))} - {len(starts)})
