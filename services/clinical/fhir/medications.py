"""MedicationRequest, MedicationStatement, MedicationDispense and MedicationAdministration."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from services.clinical.code_systems import ATC, ICD10CM, NDC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.bundle import Entry
from services.clinical.fhir.codings import concept_of
from services.clinical.fhir.conditions import ORDERED
from services.clinical.fhir.references import References, contained_in
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.limits import MAX_DISPLAY
from services.clinical.record import Medication

SUPPLIES: Final = {"MedicationDispense", "MedicationAdministration"}
KINDS: Final = {"MedicationRequest", "MedicationStatement", *SUPPLIES}
SUPPLY_DAYS: Final = 90
"""How long a supply counts as taken when the dispense does not say for how many days it is: long supplies are
for a quarter. A choice.
"""
EFFECT_DAYS: Final = 30
"""How long an administered drug counts as taken: long enough for what is given once a month. A choice."""

_NO_FACT: Final = {
    "entered-in-error",
    "cancelled",
    "draft",
    "intended",
    "not-done",
    "not-taken",
    "preparation",
    "declined",
}
_PRESENT: Final = {"active", "on-hold", "in-progress"}
_PAST: Final = {"completed", "stopped", "ended"}
_NOT_TAKEN: Final = {"not-taking", "n"}
"""R5's adherence and STU3's `taken`."""
_STOPPED: Final = {"stopped", "stopped-as-directed"}


@dataclasses.dataclass(frozen=True, slots=True)
class ReadMedication:
    """A medication, and how long it counts as taken."""

    medication: Medication
    is_supply: bool = False
    """Whether it was handed out or given, rather than ordered or told."""
    until: date | None = None
    """Last day on which a supply counts as taken; None: not known."""

    def is_over(self, today: date | None) -> bool:
        return self.is_supply and today is not None and self.until is not None and self.until < today


class MedicationReader:
    """Reads what says that a patient takes, took, or was given a drug."""

    def __init__(self, references: References, remarks: Remarks) -> None:
        self._references = references
        self._remarks = remarks

    def read(self, entry: Entry) -> Iterator[ReadMedication]:
        """The drugs of one of `KINDS`, if it states a fact of the patient."""
        node, status = entry.resource, entry.resource.text("status")
        if node.flag("doNotPerform"):
            self._remarks.add(Remark.ORDER_NOT_TO_PERFORM, node)
            return
        if status in _NO_FACT or self._adherence(node) in _NOT_TAKEN or node.flag("notGiven"):
            self._remarks.add(Remark.RESOURCES_NOT_USABLE, node)
            return
        if entry.kind == "MedicationRequest" and not self._is_ordered(node, status):
            return
        concepts = self._concepts(entry)
        if not concepts:
            self._remarks.add(Remark.MEDICATION_NOT_UNDERSTOOD, node)
        active, day, reason = self._activity(entry, status), _day(node), self._reason(entry)
        for concept in concepts:
            medication = Medication(concept, active, day, reason, place_of(node))
            yield ReadMedication(medication, entry.kind in SUPPLIES, _until(entry, day))

    def _is_ordered(self, node: Node, status: str) -> bool:
        """Whether a request is an order, or records what the patient takes without one (US Core's `plan`)."""
        intent = node.text("intent")
        if intent in ORDERED:
            return True
        if intent == "plan" and (node.flag("reportedBoolean") or node.has("reportedReference")):
            return True
        is_active_plan = status in _PRESENT and intent != "proposal"
        remark = Remark.MEDICATION_PLANNED if is_active_plan else Remark.RESOURCES_NOT_USABLE
        self._remarks.add(remark, node)
        return False

    def _adherence(self, node: Node) -> str:
        """How a statement says that the drug is taken: R5's adherence, STU3's `taken`."""
        if taken := node.text("taken"):
            self._remarks.add(Remark.FHIR_STU3, node)
            return taken
        adherence = node.get("adherence")
        code = None if adherence is None else adherence.get("code")
        if code is None:
            return ""
        self._remarks.add(Remark.FHIR_R5, node)
        return next((coding.text("code") for coding in code.items("coding")), "")

    def _activity(self, entry: Entry, status: str) -> bool | None:
        if self._adherence(entry.resource) in _STOPPED:
            return False
        if status in _PRESENT:
            return True
        if status in _PAST and entry.kind in {"MedicationRequest", "MedicationStatement"}:
            return False
        return False if status == "stopped" else None

    def _concepts(self, entry: Entry) -> list[CodedConcept]:
        node = entry.resource
        concept, reference = node.get("medicationCodeableConcept"), node.get("medicationReference")
        either = node.get("medication")
        if either is not None:
            self._remarks.add(Remark.FHIR_R5, node)
            concept, reference = either.get("concept"), either.get("reference")
        found = None if concept is None else _drug(concept, self._remarks)
        if found is not None:
            return [found]
        return [] if reference is None else self._referred(reference, entry)

    def _referred(self, reference: Node, entry: Entry) -> list[CodedConcept]:
        """The drug that a Reference points to; where it leads nowhere, the drug that its display names."""
        target = contained_in(entry, reference)
        if target is None:
            found = self._references.find(reference, entry, "Medication")
            target = None if found is None else found.resource
        if target is not None and target.text("resourceType") == "Medication":
            concepts = list(self._drugs_of(target))
            if concepts:
                return concepts
        else:
            self._remarks.add(Remark.REFERENCE_NOT_RESOLVED, reference)
        display = reference.words("display", MAX_DISPLAY)
        return [CodedConcept(text=display)] if display else []

    def _drugs_of(self, medication: Node) -> Iterator[CodedConcept]:
        """A Medication by its code, else by its ingredients."""
        code = medication.get("code")
        concept = None if code is None else _drug(code, self._remarks)
        if concept is not None:
            yield concept
        if concept is None or not concept.codings:
            for ingredient in medication.items("ingredient"):
                item = ingredient.get("itemCodeableConcept") or ingredient.get("item")
                if item is not None:
                    inner = item.get("concept") or item  # R5's CodeableReference
                    drug = _drug(inner, self._remarks)
                    if drug is not None:
                        yield drug

    def _reason(self, entry: Entry) -> Concept | None:
        node = entry.resource
        for code in node.items("reasonCode"):
            return _first(code, self._remarks)
        for reference in node.items("reasonReference"):
            return self._reason_referred(reference, entry)
        for reason in node.items("reason"):  # R5
            concept, target = reason.get("concept"), reason.get("reference")
            if concept is not None:
                return _first(concept, self._remarks)
            return None if target is None else self._reason_referred(target, entry)
        return None

    def _reason_referred(self, reference: Node, entry: Entry) -> Concept | None:
        found = self._references.find(reference, entry, "Condition")
        code = None if found is None else found.resource.get("code")
        return None if code is None else _first(code, self._remarks)


def _drug(node: Node, remarks: Remarks) -> CodedConcept | None:
    return concept_of(node, remarks, RXNORM, SNOMED, ATC, NDC)


def _first(code: Node, remarks: Remarks) -> Concept | None:
    concept = concept_of(code, remarks, SNOMED, ICD10CM)
    return concept.codings[0] if concept is not None and concept.codings else None


def _day(node: Node) -> date | None:
    return (
        dates.day(node, "authoredOn")
        or dates.day(node, "effectiveDateTime")
        or dates.period_day(node, "effectivePeriod")
        or dates.day(node, "occurenceDateTime")  # R5 spells it so
        or dates.period_day(node, "occurencePeriod")
        or dates.day(node, "whenHandedOver")
        or dates.day(node, "whenPrepared")
        or dates.day(node, "dateAsserted")
    )


def _until(entry: Entry, day: date | None) -> date | None:
    """The last day on which what was handed out or given counts as taken."""
    if day is None:
        return None
    if entry.kind == "MedicationAdministration":
        return day + timedelta(days=EFFECT_DAYS)
    if entry.kind == "MedicationDispense":
        supply = entry.resource.get("daysSupply")
        days = None if supply is None else supply.number("value")
        return day + timedelta(days=SUPPLY_DAYS if days is None else min(max(days, 0.0), 3650.0))
    return None
