"""Condition, Procedure and CarePlan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from services.clinical.code_systems import ICD10, ICD10CM, SNOMED
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.codings import (
    CLINICAL_CODES,
    RETRACTED,
    VERIFICATION_CODES,
    concept_of,
    meaning,
    status_of,
)
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.record import ClinicalStatus, Condition, Procedure, Verification

ACTIVE: Final = {"active", "recurrence", "relapse"}
NOT_DONE: Final = {"entered-in-error", "preparation", "not-done", "draft", "revoked", "cancelled"}
"""Statuses of Procedure and CarePlan of what was not done."""
ORDERED: Final = {"", "order", "original-order", "reflex-order", "filler-order", "instance-order"}
"""Intents of what is more than a thought; empty: not stated."""
IN_FORCE: Final = ORDERED | {"plan"}
"""Of a CarePlan, which is a plan by its nature."""


def read_condition(node: Node, birth: date | None, remarks: Remarks) -> Iterator[Condition]:
    """A Condition, if it is one of the patient."""
    verification = status_of(node, "verificationStatus", VERIFICATION_CODES, remarks)
    if verification in RETRACTED:
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    code = node.get("code")
    concept = None if code is None else concept_of(code, remarks, SNOMED, ICD10CM, ICD10)
    if concept is None:
        remarks.add(Remark.CONDITION_NOT_UNDERSTOOD, node)
        return
    clinical = ClinicalStatus(status_of(node, "clinicalStatus", CLINICAL_CODES, remarks))
    sureness = Verification(verification)
    if sureness.is_tentative:
        remarks.add(Remark.CONDITION_NOT_CONFIRMED, node)
    if any(dates.is_too_late(node, name) for name in ("onsetDateTime", "recordedDate")):
        remarks.add(Remark.DATE_IMPLAUSIBLE, node)
    yield Condition(
        concept,
        _is_active(node, clinical),
        _onset(node, birth),
        _abatement(node, birth),
        clinical,
        sureness,
        place_of(node),
    )


def read_procedure(node: Node, birth: date | None, remarks: Remarks) -> Iterator[Procedure]:
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
            dates.day(node, f"{name}DateTime")
            or dates.period_day(node, f"{name}Period")
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
        yield Procedure(concept, dates.period_day(node, "period"), place_of(node))


def _is_active(node: Node, clinical: ClinicalStatus) -> bool | None:
    """As the clinical status says; without one, an end of any form ends it."""
    if clinical is not ClinicalStatus.UNSPECIFIED:
        return clinical.value in ACTIVE
    said = node.text("abatementString").strip()
    ended = (
        node.flag("abatementBoolean")  # DSTU2 and STU3
        or (node.has("abatementDateTime") and not dates.is_too_late(node, "abatementDateTime"))
        or any(node.has(name) for name in ("abatementAge", "abatementPeriod", "abatementRange"))
        or (bool(said) and meaning("abatementString", said) != "active")
    )
    return False if ended else None


def _onset(node: Node, birth: date | None) -> date | None:
    return (
        dates.day(node, "onsetDateTime")
        or dates.period_day(node, "onsetPeriod")
        or dates.at_age(birth, node, "onsetAge")
        or dates.at_age_range(birth, node, "onsetRange", "low")
        or dates.day(node, "recordedDate")
        or dates.day(node, "assertedDate")  # STU3
    )


def _abatement(node: Node, birth: date | None) -> date | None:
    return (
        dates.day(node, "abatementDateTime")
        or dates.period_day(node, "abatementPeriod", "end")
        or dates.period_day(node, "abatementPeriod", "start")
        or dates.at_age(birth, node, "abatementAge")
        or dates.at_age_range(birth, node, "abatementRange", "high")
    )
