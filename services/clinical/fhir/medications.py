"""MedicationRequest, MedicationStatement, MedicationDispense and MedicationAdministration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from services.clinical.code_systems import ATC, ICD10CM, NDC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import PartialDate
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.bundle import Entry
from services.clinical.fhir.codings import concept_of
from services.clinical.fhir.references import References, contained_in
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.limits import MAX_DISPLAY
from services.clinical.record import Medication
from services.clinical.statuses import MedicationIntent, MedicationSource, MedicationStatus

KINDS: Final = {item.value: item for item in MedicationSource if item.value}
SUPPLY_DAYS: Final = 90
"""How long a supply counts as taken when the dispense does not say for how many days it is: long supplies are
for a quarter. A choice.
"""
EFFECT_DAYS: Final = 30
"""How long an administered drug counts as taken: long enough for what is given once a month. A choice."""

_STATUSES: Final = {item.value: item for item in MedicationStatus}
_INTENTS: Final = {item.value: item for item in MedicationIntent}
_NOT_TAKEN: Final = {"not-taking", "n"}
"""R5's adherence and STU3's `taken`."""
_STOPPED: Final = {"stopped", "stopped-as-directed"}


class MedicationReader:
    """Reads what says that a patient takes, took, or was given a drug."""

    def __init__(self, references: References, remarks: Remarks) -> None:
        self._references = references
        self._remarks = remarks

    def read(self, entry: Entry) -> Iterator[Medication]:
        """The drugs of one of `KINDS`, if it states a fact of the patient."""
        node, source = entry.resource, KINDS[entry.kind]
        status = _STATUSES.get(node.text("status"), MedicationStatus.UNKNOWN)
        if node.flag("doNotPerform"):
            self._remarks.add(Remark.ORDER_NOT_TO_PERFORM, node)
            return
        adherence = self._adherence(node)
        if status.is_no_fact or adherence in _NOT_TAKEN or node.flag("notGiven"):
            self._remarks.add(Remark.RESOURCES_NOT_USABLE, node)
            return
        intent, reported = MedicationIntent.UNSPECIFIED, False
        if source is MedicationSource.REQUEST:
            # An intent that FHIR does not define is not an order.
            intent = _INTENTS.get(node.text("intent"), MedicationIntent.OPTION)
            reported = node.flag("reportedBoolean") or node.has("reportedReference")
            if not intent.is_taken(reported=reported):
                self._remarks.add(planned(status, intent), node)
                return
        concepts = self.drugs(entry)
        if not concepts:
            self._remarks.add(Remark.MEDICATION_NOT_UNDERSTOOD, node)
        if adherence in _STOPPED:
            status = MedicationStatus.STOPPED
        authored, reason = _authored(node), self._reason(entry)
        until = None if authored is None else _supplied_until(entry, authored.day)
        for concept in concepts:
            yield Medication(
                concept, source, status, intent, reported, authored, until, reason, place_of(node)
            )

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

    def drugs(self, entry: Entry) -> list[CodedConcept]:
        """The drug of one of `KINDS`, or its ingredients; empty where it names none."""
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

    def _reason(self, entry: Entry) -> CodedConcept | None:
        node = entry.resource
        for code in node.items("reasonCode"):
            return _coded(code, self._remarks)
        for reference in node.items("reasonReference"):
            return self._reason_referred(reference, entry)
        for reason in node.items("reason"):  # R5
            concept, target = reason.get("concept"), reason.get("reference")
            if concept is not None:
                return _coded(concept, self._remarks)
            return None if target is None else self._reason_referred(target, entry)
        return None

    def _reason_referred(self, reference: Node, entry: Entry) -> CodedConcept | None:
        found = self._references.find(reference, entry, "Condition")
        code = None if found is None else found.resource.get("code")
        return None if code is None else _coded(code, self._remarks)


def _drug(node: Node, remarks: Remarks) -> CodedConcept | None:
    return concept_of(node, remarks, RXNORM, SNOMED, ATC, NDC)


def _coded(code: Node, remarks: Remarks) -> CodedConcept | None:
    concept = concept_of(code, remarks, SNOMED, ICD10CM)
    return concept if concept is not None and concept.codings else None


def _authored(node: Node) -> PartialDate | None:
    return (
        dates.when(node, "authoredOn")
        or dates.when(node, "effectiveDateTime")
        or dates.in_period(node, "effectivePeriod")
        or dates.when(node, "occurenceDateTime")  # R5 spells it so
        or dates.in_period(node, "occurencePeriod")
        or dates.when(node, "whenHandedOver")
        or dates.when(node, "whenPrepared")
        or dates.when(node, "dateAsserted")
    )


def planned(status: MedicationStatus, intent: MedicationIntent) -> Remark:
    """What is to be said of a request that is not an order: a plan in force may be followed already."""
    in_force = status.is_in_force and intent is not MedicationIntent.PROPOSAL
    return Remark.MEDICATION_PLANNED if in_force else Remark.RESOURCES_NOT_USABLE


def _supplied_until(entry: Entry, day: date) -> date | None:
    """The last day on which what was handed out or given counts as taken."""
    if entry.kind == "MedicationAdministration":
        return day + timedelta(days=EFFECT_DAYS)
    if entry.kind == "MedicationDispense":
        supply = entry.resource.get("daysSupply")
        days = None if supply is None else supply.number("value")
        return day + timedelta(days=SUPPLY_DAYS if days is None else min(max(days, 0.0), 3650.0))
    return None
