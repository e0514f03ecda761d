"""Short ways to say what branches found."""

from __future__ import annotations

from services.orchestrator.catalogue import SNOMED
from services.orchestrator.evidence import Assertion, Case, ImageReading, Mention, RecordedCondition

PNEUMONIA, BACTERIAL, VIRAL, ASTHMA = "233604007", "53084003", "75570004", "195967001"


def chest(bacterial: float, viral: float, index: int = 0, *, accepted: bool = True) -> ImageReading:
    """A chest X-ray read as this."""
    normal = 1 - bacterial - viral
    probabilities = {"normal": normal, "bacterial_pneumonia": bacterial, "viral_pneumonia": viral}
    return ImageReading(index, "chest_xray", probabilities, accepted)


def says(code: str, assertion: Assertion = Assertion.PRESENT, confidence: float = 0.95) -> Mention:
    """A mention with this SNOMED CT code."""
    return Mention(((SNOMED, code),), "", assertion, confidence)


def has(code: str, *, active: bool = True, tentative: bool = False) -> RecordedCondition:
    """A condition of the record."""
    return RecordedCondition(((SNOMED, code),), (), active, tentative)


def case(*findings: ImageReading | Mention | RecordedCondition, age_years: int | None = None) -> Case:
    """A case of these findings."""
    return Case(
        images=tuple(f for f in findings if isinstance(f, ImageReading)),
        mentions=tuple(f for f in findings if isinstance(f, Mention)),
        recorded=tuple(f for f in findings if isinstance(f, RecordedCondition)),
        age_years=age_years,
    )
