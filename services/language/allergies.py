"""Whether what a note says of allergies was read: nothing may be left out of their check in silence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.chassis.notices import Notice
from services.language.assertion_lexicon import default_lexicon
from services.language.entities import Assertion, Entity, EntityType
from services.language.sections import split_sections
from services.language.typography import plain

_WORD = re.compile(r"[^\W\d_]{2,}")
_DENIED = re.compile(
    r"\b(?:no|not|none|nil|nka|nkda|nkfa|denie[sd]|negative|unknown|unremarkable)\b", re.IGNORECASE
)
_READ = (Assertion.ALLERGY, Assertion.ABSENT)


def allergy_notices(note: str, entities: Sequence[Entity]) -> list[Notice]:
    """A notice where sections on allergies name something, and no substance was recognised in them by any
    model.
    """
    text = plain(note)
    places = []
    spans = sorted((entity.span for entity in entities), key=lambda span: (span.start, span.end))
    for section in split_sections(text, spans, default_lexicon()):
        if section.named is None or section.defaults.get(EntityType.CHEMICAL) is not Assertion.ALLERGY:
            continue
        body = text[section.body : section.end]
        if not _WORD.search(body) or _DENIED.search(body):
            continue
        inside = (e for e in entities if section.body <= e.span.start < section.end)
        if not any(entity.assertion in _READ for entity in inside):
            places.append(f"line {text.count(chr(10), 0, section.start) + 1}")
    if not places:
        return []
    message = "A section on allergies names something that was not recognised; it was not checked."
    return [Notice("ALLERGIES_NOT_READ", message, review_required=True, places=tuple(places))]
