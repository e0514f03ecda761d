"""A bundle of one patient as a record: each resource to its reader, and what only the whole can tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date
from typing import Final

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.clinical.dates import MAX_AGE_YEARS, Age, PartialDate
from services.clinical.fhir import dates
from services.clinical.fhir.allergies import read_allergy
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.bundle import (
    MAX_BUNDLE_BYTES,
    MAX_ENTRIES,
    Entry,
    entries_of,
    parse_bundle,
)
from services.clinical.fhir.conditions import read_care_plan, read_condition, read_procedure
from services.clinical.fhir.documents import remark_on_sections
from services.clinical.fhir.medications import KINDS as MEDICATION_KINDS
from services.clinical.fhir.medications import MedicationReader
from services.clinical.fhir.observations import read_observation
from services.clinical.fhir.references import References
from services.clinical.fhir.remarks import Remark, Remarks
from services.clinical.fhir.uncollected import uncollected
from services.clinical.limits import MAX_ITEMS
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
)
from services.clinical.statuses import Gender

__all__ = ["MAX_BUNDLE_BYTES", "MAX_ENTRIES", "ReadBundle", "read_bundle"]

READ: Final = {
    "AllergyIntolerance",
    "CarePlan",
    "Condition",
    "Observation",
    "Procedure",
    *MEDICATION_KINDS,
}
BEAR_ON_SAFETY: Final = {"AdverseEvent", "DetectedIssue", "Flag", "MedicationUsage"}
"""Kinds that are not read and may yet argue against a treatment; MedicationUsage is of a draft of R5."""
ONLY_IN_DSTU2: Final = {"MedicationOrder", "DiagnosticOrder"}
MAY_LACK_SUBJECT: Final = {"Observation", "MedicationDispense"}


@dataclasses.dataclass(frozen=True, slots=True)
class ReadBundle:
    """A record, and what the reader should know of its reading: what of the bundle is not in it."""

    record: PatientRecord
    notices: tuple[Notice, ...] = ()


def read_bundle(content: bytes) -> ReadBundle:
    """Read a bundle of exactly one patient.

    InvalidInput names the path inside the bundle: INPUT_MALFORMED (no JSON, no Bundle, wrong types),
    INPUT_TOO_LARGE, INPUT_UNSUPPORTED (FHIR DSTU2), INPUT_INCONSISTENT (no or several Patients, another
    patient's resource), INPUT_OUT_OF_RANGE (age).
    """
    with uncollected():
        return _read(content)  # what it was read from has gone before it could be collected


def _read(content: bytes) -> ReadBundle:
    remarks = Remarks()
    bundle = parse_bundle(content)
    return _BundleReader(entries_of(bundle, remarks), remarks).read()


class _BundleReader:
    def __init__(self, entries: list[Entry], remarks: Remarks) -> None:
        self._entries = entries
        self._remarks = remarks
        self._references = References(entries)
        patients = [entry for entry in entries if entry.kind == "Patient"]
        if len(patients) > 1:
            patients[1].resource.refuse("must be the bundle's only Patient", Reason.INPUT_INCONSISTENT)
        if not patients:
            raise InvalidInput(Reason.INPUT_INCONSISTENT, "entry", "must hold one Patient")
        self._patient = patients[0]
        self._birth = dates.when(self._patient.resource, "birthDate")
        self._medication_reader = MedicationReader(self._references, remarks)
        self._conditions: list[Condition] = []
        self._medications: list[Medication] = []
        self._procedures: list[Procedure] = []
        self._plans: list[Procedure] = []
        self._allergies: list[Allergy] = []
        self._observations: list[Observation] = []

    def read(self) -> ReadBundle:
        for entry in self._entries:
            kind = entry.kind
            for contained in entry.resource.items("contained"):
                if contained.text("resourceType") in READ:
                    self._remarks.add(Remark.RESOURCE_NOT_READ, contained, contained.text("resourceType"))
            if kind in READ:
                if self._is_of_patient(entry):
                    self._read_entry(entry)
            elif kind in ONLY_IN_DSTU2:
                _refuse_dstu2(entry.resource, "resourceType")
            elif kind == "Composition":
                remark_on_sections(entry.resource, self._remarks)
            elif kind in BEAR_ON_SAFETY:
                self._remarks.add(Remark.RESOURCE_NOT_READ, entry.resource, kind)
            elif kind not in {"Patient", "Medication"}:
                self._remarks.add(Remark.RESOURCES_SKIPPED, entry.resource, kind)
        record = self._record()
        for name, limit in MAX_ITEMS.items():
            if len(getattr(record, name)) > limit:
                raise InvalidInput(Reason.INPUT_TOO_LARGE, "entry", f"must hold at most {limit} {name}")
        return ReadBundle(record, self._remarks.notices())

    def _is_of_patient(self, entry: Entry) -> bool:
        """Whether the resource says that it is the patient's; InvalidInput where it is another one's."""
        node = entry.resource
        name = "patient" if entry.kind == "AllergyIntolerance" else "subject"
        reference = node.get(name)
        if reference is None:
            if entry.kind in MAY_LACK_SUBJECT:
                self._remarks.add(Remark.RESOURCE_WITHOUT_PATIENT, node)
                return False
            if node.has("patient"):
                _refuse_dstu2(node, "patient")
            node.refuse_member(name, "is required", Reason.INPUT_INCONSISTENT)
        if self._references.find(reference, entry, "Patient") is not self._patient:
            reference.refuse(
                "must refer to the bundle's Patient: by its full URL, its type and id, or its identifier",
                Reason.INPUT_INCONSISTENT,
            )
        if node.has("modifierExtension"):
            self._remarks.add(Remark.MODIFIER_NOT_UNDERSTOOD, node)
        return True

    def _read_entry(self, entry: Entry) -> None:
        node, remarks = entry.resource, self._remarks
        match entry.kind:
            case "Observation":
                self._observations.extend(read_observation(node, remarks))
            case "Condition":
                self._conditions.extend(read_condition(node, self._birth, remarks))
            case "Procedure":
                self._procedures.extend(read_procedure(node, self._birth, remarks))
            case "CarePlan":
                self._plans.extend(read_care_plan(node, remarks))
            case "AllergyIntolerance":
                if node.has("substance"):
                    _refuse_dstu2(node, "substance")
                self._allergies.extend(read_allergy(node, remarks))
            case _:
                self._medications.extend(self._medication_reader.read(entry))

    def _record(self) -> PatientRecord:
        """The record as of its own latest day, which plans and expected ends do not move."""
        facts = PatientRecord(
            conditions=tuple(
                dataclasses.replace(item, abatement=None, abated=False) if item.is_active else item
                for item in self._conditions
            ),
            medications=tuple(self._medications),
            procedures=tuple(self._procedures),
            observations=tuple(self._observations),
        )
        today = facts.latest_day()
        record = dataclasses.replace(
            facts,
            medications=tuple(_last_supplies(self._medications)),
            procedures=facts.procedures + tuple(_begun_by(today, plan) for plan in self._plans),
            allergies=tuple(self._allergies),
        )
        patient = self._patient.resource
        gender = patient.text("gender")
        if gender not in {item.value for item in Gender}:
            patient.refuse_member("gender", "must be male, female, other or unknown")
        return dataclasses.replace(record, gender=Gender(gender), age=self._age(today))

    def _age(self, today: date | None) -> Age | None:
        if self._birth is None or today is None:
            return None
        age, patient = Age.between(self._birth, today), self._patient.resource
        if age.years < 0:
            patient.refuse_member(
                "birthDate", "must not lie after the rest of the record", Reason.INPUT_INCONSISTENT
            )
        if age.years > MAX_AGE_YEARS:
            patient.refuse_member(
                "birthDate", f"must give an age of at most {MAX_AGE_YEARS} years", Reason.INPUT_OUT_OF_RANGE
            )
        return age


def _last_supplies(medications: list[Medication]) -> Iterator[Medication]:
    """The medications; a drug that was handed out or given counts once, by its last time."""
    last: dict[str, Medication] = {}
    for item in medications:
        if item.source.is_supply:
            other = last.setdefault(item.concept.key, item)
            if _day(item.authored) > _day(other.authored):
                last[item.concept.key] = item
    return (item for item in medications if not item.source.is_supply or last[item.concept.key] is item)


def _day(when: PartialDate | None) -> date:
    return date.min if when is None else when.day


def _begun_by(today: date | None, plan: Procedure) -> Procedure:
    """The plan without its day where that is still to come."""
    is_ahead = today is not None and plan.performed is not None and plan.performed.day > today
    return dataclasses.replace(plan, performed=None) if is_ahead else plan


def _refuse_dstu2(node: Node, name: str) -> None:
    node.refuse_member(
        name,
        "is of FHIR DSTU2, which is not read: ask the server for R4 (fhirVersion=4.0), or convert",
        Reason.INPUT_UNSUPPORTED,
    )
