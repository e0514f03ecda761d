"""A note to its entities: tokens, the tagger's probabilities, spans, what the terminology adds to them, what
is asserted of each, and its concept.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from services.chassis.errors import ModelFailed
from services.chassis.models.inference import Inference
from services.clinical.concepts import Concept
from services.language.assertion import assert_entities
from services.language.assertion_lexicon import default_lexicon
from services.language.batches import infer_sequences
from services.language.confidence import AS_DECODED, Confidence
from services.language.consistency import decode_note
from services.language.decoding import FloatArray, WordSpan, assemble, word_log_probabilities
from services.language.entities import Entity, EntityType, Span
from services.language.languages import are_readable
from services.language.models import CLINICAL_NER, LABELS
from services.language.recovery import Terms, recover
from services.language.sentences import line_breaks
from services.language.texts import MAX_NOTE_CODE_POINTS, check_text
from services.language.tokenization import Encoding, NoteTokenizer, windows, word_bounds
from services.language.typography import plain

_SHORTHAND = re.compile(r"[A-Z][A-Z0-9&/]{1,9}s?")


class ConceptLinker(Protocol):
    """Finds the codes that a surface form names."""

    def codes(self, surface: str, entity_type: EntityType) -> tuple[Concept, ...]:
        """Every code of the concept, the preferred one first; empty when the term is not known."""
        ...

    def names_drug(self, surface: str) -> bool:
        """Whether the words are a drug's or a drug class's name, with or without a code."""
        ...


class NoteAnnotator:
    """Finds entities in notes with the model `clinical_ner`."""

    def __init__(
        self,
        inference: Inference,
        tokenizer: NoteTokenizer,
        linker: ConceptLinker,
        terms: Terms,
        confidence: Confidence = AS_DECODED,
    ) -> None:
        self._inference = inference
        self._tokenizer = tokenizer
        self._linker = linker
        self._terms = terms
        self._confidence = confidence

    async def annotate(self, note: str) -> list[Entity]:
        """The entities of `note` in order, not overlapping; raises InvalidInput naming `note`."""
        check_text(note, "note", MAX_NOTE_CODE_POINTS)
        # A long note takes tens of milliseconds to tokenize and to decode: off the event loop.
        text = plain(note)
        encoding = await asyncio.to_thread(self._tokenizer.encode, text)
        probabilities = await self._probabilities(encoding)
        entities = await asyncio.to_thread(self._entities, text, encoding, probabilities)
        return [replace(entity, text=note[entity.span.start : entity.span.end]) for entity in entities]

    async def _probabilities(self, encoding: Encoding) -> FloatArray:
        """FP32 [tokens, labels]: for each token from the window that owns it."""
        cuts = list(windows(encoding.words))
        ids = encoding.cased_ids
        rows = await infer_sequences(
            self._inference,
            CLINICAL_NER.name,
            "probabilities",
            self._tokenizer,
            [ids[cut.start : cut.end] for cut in cuts],
        )
        probabilities = assemble(cuts, rows, len(encoding))
        if not np.isfinite(probabilities).all():
            raise ModelFailed("clinical_ner answered with numbers that are not finite")
        return probabilities

    def _entities(self, note: str, encoding: Encoding, probabilities: FloatArray) -> list[Entity]:
        if len(encoding) == 0:
            return []
        bounds = word_bounds(encoding.words)
        starts = [int(encoding.starts[first]) for first, _ in bounds]
        ends = [int(encoding.ends[last - 1]) for _, last in bounds]
        surfaces = [_word(note, start, end) for start, end in zip(starts, ends, strict=True)]
        breaks = _breaks(note, starts)
        logs = word_log_probabilities(probabilities, bounds)
        words = recover(logs, surfaces, decode_note(logs, surfaces, LABELS, breaks), self._terms, breaks)
        found = []
        for word in words:
            span = Span(starts[word.first], ends[word.last - 1], EntityType(word.label))
            known = span if word.stands_for is not None else self._known(note, span)
            if known is not None:
                found.append((known, word))
        return self._described(note, _readable(note, found))

    def _known(self, note: str, span: Span) -> Span | None:
        """The entity as the terminology knows its shorthand, or None for a section's header and for words
        that are themselves a trigger of the assertion rules ("PRN", "allergic to").

        The model learned from abstracts, where few of the wards' abbreviations stand ("HTN", "PMH:"). For
        them, and only for them, the terminology goes before the model when it knows them as the other type.
        """
        surface = note[span.start : span.end]
        lexicon = default_lexicon()
        if lexicon.is_a(surface.lower(), "no_entity"):
            return None
        if lexicon.is_trigger(note, span.start, span.end) and not self._linker.codes(surface, span.type):
            return None
        if self._linker.codes(surface, span.type):
            return span
        if span.type is EntityType.DISEASE and self._linker.names_drug(surface):
            return Span(span.start, span.end, EntityType.CHEMICAL)  # "PCN"
        if not _SHORTHAND.fullmatch(surface):
            return span
        other = EntityType.CHEMICAL if span.type is EntityType.DISEASE else EntityType.DISEASE
        if self._linker.codes(surface, other):
            return Span(span.start, span.end, other)
        begins_line = not note[note.rfind("\n", 0, span.start) + 1 : span.start].strip()
        return None if begins_line and note[span.end : span.end + 1] == ":" else span

    def _described(self, note: str, found: Sequence[tuple[Span, WordSpan]]) -> list[Entity]:
        """Spans, and the words they were found as, with assertion and concept."""
        entities = []
        results = assert_entities(note, [span for span, _ in found])
        for (span, word), result in zip(found, results, strict=True):
            surface = note[span.start : span.end]
            term = surface if word.stands_for is None else word.stands_for
            concept, *equivalents = self._linker.codes(term, span.type) or (None,)
            entities.append(
                Entity(
                    span=span,
                    text=surface,
                    confidence=self._confidence.of(word),
                    assertion=result.assertion,
                    triggers=tuple(result.triggers),
                    concept=concept,
                    equivalents=tuple(equivalents),
                    from_terminology=word.from_terminology,
                )
            )
        return entities


def _readable(note: str, found: list[tuple[Span, WordSpan]]) -> list[tuple[Span, WordSpan]]:
    """Without what stands in a passage in another language: the rules would read it as English."""
    readable = are_readable(note, [span.start for span, _ in found])
    return [item for item, is_readable in zip(found, readable, strict=True) if is_readable]


def _word(note: str, start: int, end: int) -> str:
    """A word as written; a hyphen between blanks joins nothing and is a dash ("fever - none")."""
    word = note[start:end]
    apart = note[start - 1 : start].isspace() and note[end : end + 1].isspace()
    return "\u2014" if word == "-" and apart else word


def _breaks(note: str, starts: Sequence[int]) -> list[int]:
    """The words before which a new thought begins although no mark says so; no entity reaches over it."""
    return sorted({int(word) for word in np.searchsorted(starts, line_breaks(note))} - {len(starts)})
