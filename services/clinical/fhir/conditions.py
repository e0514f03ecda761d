"""Condition, Procedure and CarePlan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.clinical.code_systems import ICD10, ICD10CM, SNOMED
from services.clinical.dates import PartialDate
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.codings import (
    CLINICAL_CODES,
    VERIFICATION_CODES,
    concept_of,
    meaning,
    status_of,
)
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.record import Condition, Procedure
from services.clinical.statuses import ClinicalStatus, Verification

NOT_DONE: Final = {"entered-in-error", "preparation", "not-done", "draft", "revoked", "cancelled"}
"""Statuses of Procedure and CarePlan of what was not done."""
IN_FORCE: Final = {"", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order"}
"""Intents of a CarePlan, which is a plan by its nature; empty: not stated."""


def read_condition(node: Node, birth: PartialDate | None, remarks: Remarks) -> Iterator[Condition]:
    """A Condition, if it is one of the patient."""
    verification = Verification(status_of(node, "verificationStatus", VERIFICATION_CODES, remarks))
    if verification.is_retracted:
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    code = node.get("code")
    concept = None if code is None else concept_of(code, remarks, SNOMED, ICD10CM, ICD10)
    if concept is None:
        remarks.add(Remark.CONDITION_NOT_UNDERSTOOD, node)
        return
    clinical = ClinicalStatus(status_of(node, "clinicalStatus", CLINICAL_CODES, remarks))
    if verification.is_tentative:
        remarks.add(Remark.CONDITION_NOT_CONFIRMED, node)
    if any(dates.is_too_late(node, name) for name in ("onsetDateTime", "recordedDate")):
        remarks.add(Remark.DATE_IMPLAUSIBLE, node)
    abatement = _abatement(node, birth)
    yield Condition(
        concept,
        clinical,
        verification,
        _onset(node, birth),
        abatement,
        abated=abatement is None and _is_over(node),
        place=place_of(node),
    )


def read_procedure(node: Node, birth: PartialDate | None, remarks: Remarks) -> Iterator[Procedure]:
    """A Procedure, if it was done."""
    if node.text("status") in NOT_DONE or node.flag("notDone"):
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    code = node.get("code")
    concept = None if code is None else concept_of(code, remarks, SNOMED)
    if concept is None:
        remarks.add(Remark.PROCEDURE_NOT_UNDERSTOOD, node)
        return
    for name in ("performed", "occurrence"):  # R4, R5
        performed = (
            dates.when(node, f"{name}DateTime")
            or dates.in_period(node, f"{name}Period")
            or dates.at_age(birth, node, f"{name}Age")
        )
        if performed is not None:
            break
    if node.has("occurrenceDateTime") or node.has("occurrencePeriod"):
        remarks.add(Remark.FHIR_R5, node)
    yield Procedure(concept, performed, place_of(node))


def read_care_plan(node: Node, remarks: Remarks) -> Iterator[Procedure]:
    """What a CarePlan arranges, by its categories, if it is more than proposed; its day may be ahead."""
    if node.text("status") in NOT_DONE or node.text("intent") not in IN_FORCE:
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    found = [concept_of(category, remarks, SNOMED) for category in node.items("category")]
    # US Core adds its own `assess-plan` to the category that says what is arranged.
    concepts = [concept for concept in found if concept is not None and concept.preferred.system == SNOMED]
    if not concepts:
        remarks.add(Remark.PROCEDURE_NOT_UNDERSTOOD, node)
    for concept in concepts:
        yield Procedure(concept, dates.in_period(node, "period"), place_of(node))


def _is_over(node: Node) -> bool:
    """Whether an end of any form without a day is stated."""
    said = node.text("abatementString").strip()
    return (
        node.flag("abatementBoolean")  # DSTU2 and STU3
        or any(node.has(name) for name in ("abatementAge", "abatementPeriod", "abatementRange"))
        or (bool(said) and meaning("abatementString", said) != "active")
    )


def _onset(node: Node, birth: PartialDate | None) -> PartialDate | None:
    return (
        dates.when(node, "onsetDateTime")
        or dates.in_period(node, "onsetPeriod")
        or dates.at_age(birth, node, "onsetAge")
        or dates.at_age_range(birth, node, "onsetRange", "low")
        or dates.when(node, "recordedDate")
        or dates.when(node, "assertedDate")  # STU3
    )


def _abatement(node: Node, birth: PartialDate | None) -> PartialDate | None:
    return (
        dates.when(node, "abatementDateTime")
        or dates.in_period(node, "abatementPeriod", "end")
        or dates.in_period(node, "abatementPeriod", "start")
        or dates.at_age(birth, node, "abatementAge")
        or dates.at_age_range(birth, node, "abatementRange", "high")
    )
