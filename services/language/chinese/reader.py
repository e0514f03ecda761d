"""Reads the Chinese passages of a note: entities with concept and assertion, and what was not understood."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medmesh.common.v1.answer_pb2 import WEIGHTS_VERIFICATION_DIGESTED, Provenance
from services.chassis.notices import Notice
from services.language.chinese.assertion import AssertionRules, Said
from services.language.chinese.cues import default_cues
from services.language.chinese.lexicon import TABLES, Found, Lexicon, simplified
from services.language.chinese.passages import chinese_passages, joined
from services.language.entities import Assertion, Entity, EntityType, Origin, Span
from services.language.languages import Passage
from services.language.legibility import lines
from services.language.note_entities import ConceptLinker

NAME = "chinese_rules"
CONFIDENCE = 0.93
"""Of every entity: 191 of 197 were right in span, type and assertion on the held-out half of
tests/language/data/chinese_sentences.tsv; this is the lower end of that share's 95 % interval (Wilson). The
sentences are by the author of the rules; real notes may be harder.
"""

_INTENDED_USE = (
    "Research and engineering only. Not a medical device; not validated for diagnosis, treatment or triage. "
    "Every answer needs review by a qualified person."
)
_ALLERGY = re.compile(r"过敏(?!性|原)(?:史|反应)?")
_DENIED = re.compile(r"无|否认|未|不详|没有|抗过敏|皮试")
_CLAUSE_END = "，,。；;！!？\n\r"


@dataclass(frozen=True, slots=True)
class ChineseReading:
    """What was read: the passages, the entities of all of them in order, and notices."""

    passages: tuple[Passage, ...]
    entities: tuple[Entity, ...]
    notices: tuple[Notice, ...]


class ChineseReader:
    """Immutable, safe to share between threads."""

    def __init__(self, linker: ConceptLinker, intended_use: str = "") -> None:
        self._codes = functools.cache(linker.codes)
        self._lexicon = Lexicon.load()
        self._rules = AssertionRules(default_cues())
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in TABLES)).hexdigest()
        self.provenance = Provenance(
            model_name=NAME,
            model_version="1",
            weights_sha256=digest,
            model_sha256=digest,
            preprocessing_version="text/1",
            runtime="medmesh rules",
            weights_verification=WEIGHTS_VERIFICATION_DIGESTED,
            intended_use=intended_use or _INTENDED_USE,
        )
        """Of the lexicon and the rules: the digest is that of their tables."""

    def read(self, note: str) -> ChineseReading | None:
        """None where no passage of the note is Chinese."""
        passages = chinese_passages(note)
        if not passages:
            return None
        text = simplified(note)
        entities: list[Entity] = []
        unread: list[int] = []
        for start, end in joined(passages, note):
            inside = [
                Found(item.start + start, item.end + start, item.term)
                for item in self._lexicon.find(note[start:end], text[start:end])
                if item.term.type is not None
            ]
            said = self._rules.read(text, start, end, inside)
            own = [self._entity(note, found, one) for found, one in zip(inside, said, strict=True)]
            entities += own
            unread += _allergies_not_read(text, start, end, own)
        return ChineseReading(tuple(passages), tuple(entities), tuple(_notices(note, passages, unread)))

    def _entity(self, note: str, found: Found, said: Said) -> Entity:
        kind = found.term.type or EntityType.DISEASE
        concept, *equivalents = self._codes(found.term.english, kind) or (None,)
        return Entity(
            span=Span(found.start, found.end, kind),
            text=note[found.start : found.end],
            confidence=CONFIDENCE,
            assertion=said.assertion,
            triggers=said.triggers,
            concept=concept,
            equivalents=tuple(equivalents),
            origin=Origin.TERMINOLOGY,
        )


def _allergies_not_read(text: str, start: int, end: int, entities: Sequence[Entity]) -> Iterator[int]:
    """Where an allergy is told of something that is not in the lexicon."""
    read = {Assertion.ALLERGY, Assertion.ABSENT, Assertion.FAMILY}
    known = [entity.span.start for entity in entities if entity.assertion in read]
    at = 0
    for match in _ALLERGY.finditer(text, start, end):
        first = max(start, *(text.rfind(mark, start, match.start()) + 1 for mark in _CLAUSE_END))
        last = min(
            (to for mark in _CLAUSE_END if (to := text.find(mark, match.end(), end)) >= 0), default=end
        )
        while at < len(known) and known[at] < first:
            at += 1
        is_read = at < len(known) and known[at] < last
        if not is_read and not _DENIED.search(text, first, last):
            yield match.start()


def _notices(note: str, passages: Sequence[Passage], unread: Sequence[int]) -> Iterator[Notice]:
    message = "Chinese was read by a lexicon and rules, not by a model: what neither knows was not found."
    places = lines(note, [passage.start for passage in passages])
    yield Notice("CHINESE_READ_BY_RULES", message, review_required=True, places=places)
    if unread:
        message = "An allergy is told of something that was not recognised; it was not checked."
        yield Notice("ALLERGIES_NOT_READ", message, review_required=True, places=lines(note, unread))
