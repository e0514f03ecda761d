"""Short ways to say what branches found."""

from __future__ import annotations

from services.clinical.code_systems import SNOMED
from services.orchestrator.case import Assertion, Case, Mention, Reading, RecordedCondition, Standing
from services.orchestrator.fusion import Source
from services.orchestrator.knowledge import load
from tests.orchestrator.cards import declared

PNEUMONIA, BACTERIAL, VIRAL, ASTHMA = "233604007", "53084003", "75570004", "195967001"
KNOWLEDGE = load()
CHEST, HEAD = declared("chest_xray"), declared("head_ct")
DECLARED = {Source.IMAGE: (CHEST, HEAD), Source.NOTE: ()}


def chest(
    bacterial: float, viral: float, index: int = 0, *, accepted: bool = True, declaration=CHEST, **fields
) -> Reading:
    """A chest X-ray read as this."""
    normal = 1 - bacterial - viral
    probabilities = {"normal": normal, "bacterial_pneumonia": bacterial, "viral_pneumonia": viral}
    standing = Standing.COUNTS if accepted else Standing.REJECTED
    return Reading(
        Source.IMAGE,
        **{
            "model": "chest_xray",
            "probabilities": probabilities,
            "image_index": index,
            "declaration": declaration,
            "standing": standing,
            **fields,
        },
    )


def says(code: str, assertion: Assertion = Assertion.PRESENT, confidence: float = 0.95) -> Mention:
    """A mention with this SNOMED CT code."""
    return Mention(((SNOMED, code),), "", assertion, confidence)


def has(code: str, *, active: bool = True, tentative: bool = False) -> RecordedCondition:
    """A condition of the record."""
    return RecordedCondition(((SNOMED, code),), (), active, tentative)


def case(*findings: Reading | Mention | RecordedCondition, age_years: int | None = None) -> Case:
    """A case of these findings."""
    return Case(
        readings=tuple(f for f in findings if isinstance(f, Reading)),
        mentions=tuple(f for f in findings if isinstance(f, Mention)),
        recorded=tuple(f for f in findings if isinstance(f, RecordedCondition)),
        age_years=age_years,
    )
