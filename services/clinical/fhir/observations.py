"""Observation: measured values and coded findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from services.clinical.code_systems import LOINC, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import PartialDate
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.codings import concept_of
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.limits import MAX_CODE, MAX_DISPLAY
from services.clinical.measurements import measurement_of, seems_used
from services.clinical.record import Observation, Quantity
from services.clinical.statuses import Comparator

NO_RESULT: Final = {"entered-in-error", "cancelled", "registered"}

_COMPARATORS: Final = {
    **{item.value: item for item in Comparator},
    "≤": Comparator.LESS_OR_EQUAL,
    "≥": Comparator.GREATER_OR_EQUAL,
}
_NUMBER_IN_WORDS = re.compile(
    r"([<>]=?|[≤≥])?\s*(\d{1,9}(?:\.\d{1,9})?)\s*((?:[A-Za-zµμ%\[{°][^<>=]{0,40})?)"
)
"""A value that a laboratory wrote as text: a comparator, a number with a point, a unit."""

_TELLS_OF_PATIENT = re.compile(
    r"metaboli[sz]er|\*\s?\d|\b(?:geno|pheno|haplo)type|\ballele|\bgene\b|\bHLA|\brs\d{3}"
    r"|transporter function|smok|tobacco|alcohol|pregnan|breast.?feed|lactat(?:ing|ion)",
    re.IGNORECASE,
)
"""Findings that are read although their answer is in words alone: genes and habits that bear on drugs."""


def read_observation(node: Node, remarks: Remarks) -> Iterator[Observation]:
    """The values of an Observation and of its components, if it has results."""
    if node.text("status") in NO_RESULT:
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    when = (
        dates.when(node, "effectiveDateTime")
        or dates.when(node, "effectiveInstant")
        or dates.in_period(node, "effectivePeriod")
        or dates.in_period(node, "effectivePeriod", "end")
        or dates.when(node, "issued")
    )
    # A blood pressure has its two values in components.
    for part in (node, *node.items("component")):
        code = part.get("code")
        concept = None if code is None else concept_of(code, remarks, LOINC, SNOMED)
        if concept is not None:
            yield from _results(part, concept, when, place_of(node), remarks)


def _results(
    part: Node, concept: CodedConcept, when: PartialDate | None, place: str, remarks: Remarks
) -> Iterator[Observation]:
    """The value of an Observation or a component; a remark where one that is used cannot be read."""
    answer = part.get("valueCodeableConcept")
    if answer is not None:
        found = concept_of(answer, remarks, SNOMED)
        if found is not None:
            yield Observation(concept, found, when, place)
        return
    value = _quantity(part)
    if value is not None and not part.has("dataAbsentReason"):
        yield Observation(concept, value, when, place)
    elif _has_value(part) and (measurement_of(concept) or seems_used(concept)):
        remarks.add(Remark.OBSERVATION_NOT_UNDERSTOOD, part)
    elif (words := part.words("valueString", MAX_DISPLAY)) and any(
        map(_TELLS_OF_PATIENT.search, (*concept.names, words))
    ):
        yield Observation(concept, CodedConcept(text=words), when, place)


def _quantity(part: Node) -> Quantity | None:
    """A value that has a number; a longer unit than any in use is cut."""
    quantity = part.get("valueQuantity")
    if quantity is not None:
        number, comparator = quantity.number("value"), quantity.text("comparator").strip()
        if number is None or comparator not in _COMPARATORS:
            return None
        unit = quantity.text("code").strip() or quantity.text("unit").strip()
        return Quantity(number, unit[:MAX_CODE], _COMPARATORS[comparator])
    whole = part.number("valueInteger")
    if whole is not None:
        return Quantity(whole)
    match = _NUMBER_IN_WORDS.fullmatch(part.text("valueString").strip())
    if match is None:
        return None
    sign, digits, unit = match.groups(default="")
    return Quantity(float(digits), unit.strip()[:MAX_CODE], _COMPARATORS[sign])


def _has_value(part: Node) -> bool:
    """Whether there is a result of any type; a quantity without its number is absent data."""
    quantity = part.get("valueQuantity")
    if quantity is not None:
        return quantity.has("value")
    return any(name.startswith("value") or name == "interpretation" for name in part.value)
