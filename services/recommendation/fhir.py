"""A FHIR R4 bundle as a patient record: tolerant of servers' habits, strict where patients could be mixed up.

Read are Patient, Condition, MedicationRequest, MedicationStatement, Medication, Procedure, CarePlan,
AllergyIntolerance and numeric Observations (https://hl7.org/fhir/R4/). Whatever is refuted, entered in error,
cancelled or only planned is left out. Everything read must belong to the bundle's one patient. Errors name
the path of the element, never its content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Final

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.recommendation.bounded_json import Node, parse
from services.recommendation.code_systems import canonical_concept
from services.recommendation.record import (
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Allergy,
    CodedConcept,
    Concept,
    Condition,
    Gender,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
)

MAX_BUNDLE_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 20_000
MAX_DEPTH: Final = 64
MAX_ITEMS: Final = {
    "conditions": 2000,
    "medications": 2000,
    "procedures": 2000,
    "allergies": 500,
    "observations": 20_000,
    "findings": 20_000,
}
"""As in `medmesh.common.v1.PatientRecord`."""
MAX_AGE_YEARS: Final = 130
MAX_SYSTEM, MAX_CODE, MAX_DISPLAY, MAX_CODINGS = 256, 64, 512, 20

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?")
_RETRACTED = {
    "entered-in-error",
    "refuted",
    "cancelled",
    "draft",
    "not-done",
    "preparation",
    "intended",
    "revoked",
}
_ACTIVE = {"active", "recurrence", "relapse", "on-hold"}
_INACTIVE = {"inactive", "remission", "resolved", "completed", "stopped", "ended", "not-taken"}
_OWNER = {"AllergyIntolerance": "patient"}


@dataclasses.dataclass(frozen=True, slots=True)
class ReadBundle:
    """A record, and what the reader should know of its reading: what of the bundle is not in it."""

    record: PatientRecord
    notices: tuple[Notice, ...] = ()


def read_bundle(content: bytes) -> ReadBundle:
    """Read a bundle of exactly one patient.

    InvalidInput names the path inside the bundle: INPUT_MALFORMED (no JSON, no Bundle, wrong types),
    INPUT_TOO_LARGE, INPUT_INCONSISTENT (no or several Patients, another patient's resource, a reference that
    resolves to nothing), INPUT_OUT_OF_RANGE (age).
    """
    bundle = parse(content, max_bytes=MAX_BUNDLE_BYTES, max_depth=MAX_DEPTH)
    if not isinstance(bundle.value, dict) or bundle.value.get("resourceType") != "Bundle":
        raise InvalidInput(Reason.INPUT_MALFORMED, "resourceType", "must be Bundle")
    return _BundleReader(bundle).read()


class _BundleReader:
    def __init__(self, bundle: Node) -> None:
        self._resources: list[tuple[str, Node]] = []
        self._by_reference: dict[str, tuple[str, Node]] = {}
        patients: list[tuple[Node, Node]] = []
        for index, entry in enumerate(bundle.items("entry")):
            if index >= MAX_ENTRIES:
                raise InvalidInput(Reason.INPUT_TOO_LARGE, "entry", f"must have at most {MAX_ENTRIES} items")
            resource = entry.get("resource")
            if resource is None:
                continue
            kind = resource.text("resourceType", MAX_CODE)
            if not kind:
                Node(None, f"{resource.path}.resourceType").refuse("is required")
            self._resources.append((kind, resource))
            for name in _names(kind, entry, resource):
                self._by_reference[name] = (kind, resource)
            if kind == "Patient":
                patients.append((entry, resource))
        if len(patients) > 1:
            patients[1][1].refuse("must be the bundle's only Patient", Reason.INPUT_INCONSISTENT)
        if not patients:
            raise InvalidInput(Reason.INPUT_INCONSISTENT, "entry", "must hold one Patient")
        self._patient = patients[0][1]
        self._skipped = 0

    def read(self) -> ReadBundle:
        conditions: list[Condition] = []
        medications: list[Medication] = []
        procedures: list[Procedure] = []
        allergies: list[Allergy] = []
        observations: list[Observation] = []
        readers: dict[str, Callable[[Node], None]] = {
            "Condition": lambda node: conditions.extend(self._condition(node)),
            "MedicationRequest": lambda node: medications.extend(self._medication(node)),
            "MedicationStatement": lambda node: medications.extend(self._medication(node)),
            "Procedure": lambda node: procedures.extend(self._procedure(node)),
            "CarePlan": lambda node: procedures.extend(self._care_plan(node)),
            "AllergyIntolerance": lambda node: allergies.extend(self._allergy(node)),
            "Observation": lambda node: observations.extend(self._observations(node)),
        }
        other = 0
        for kind, resource in self._resources:
            if kind not in readers:
                other += kind not in {"Patient", "Medication"}
            elif not self._is_kept(kind, resource):
                self._skipped += 1
            else:
                readers[kind](resource)
        record = PatientRecord(
            conditions=tuple(conditions),
            medications=tuple(medications),
            procedures=tuple(procedures),
            allergies=tuple(allergies),
            observations=tuple(observations),
        )
        for name, limit in MAX_ITEMS.items():
            if len(getattr(record, name)) > limit:
                raise InvalidInput(Reason.INPUT_TOO_LARGE, "entry", f"must hold at most {limit} {name}")
        return ReadBundle(self._with_demographics(record), tuple(_notices(other, self._skipped)))

    def _with_demographics(self, record: PatientRecord) -> PatientRecord:
        patient = self._patient
        gender = patient.text("gender", MAX_CODE)
        if gender not in {item.value for item in Gender}:
            Node(None, f"{patient.path}.gender").refuse("must be male, female, other or unknown")
        birth, today = _day(patient, "birthDate"), record.latest_day()
        age = None
        if birth is not None and today is not None:
            age = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
            where = Node(None, f"{patient.path}.birthDate")
            if age < 0:
                where.refuse("must not lie after the rest of the record", Reason.INPUT_INCONSISTENT)
            if age > MAX_AGE_YEARS:
                where.refuse(f"must give an age of at most {MAX_AGE_YEARS} years", Reason.INPUT_OUT_OF_RANGE)
        return dataclasses.replace(record, gender=Gender(gender), age_years=age)

    def _is_kept(self, kind: str, resource: Node) -> bool:
        """Whether the resource states a fact of the patient; InvalidInput where it is another patient's."""
        owner = _OWNER.get(kind, "subject")
        reference = resource.get(owner)
        if reference is None:
            if kind == "Observation":  # the only one of them that may lack its subject
                return False
            Node(None, f"{resource.path}.{owner}").refuse("is required", Reason.INPUT_INCONSISTENT)
        target = self._resolve(reference)
        if target is None or target[1] is not self._patient:
            reference.refuse("must refer to the bundle's Patient", Reason.INPUT_INCONSISTENT)
        states = {
            resource.text("status", MAX_CODE) if kind in _HAS_STATUS_CODE else "",
            _status(resource, "verificationStatus"),
        }
        planned = kind == "MedicationRequest" and resource.text("intent", MAX_CODE) in {"proposal", "plan"}
        return not states & _RETRACTED and not planned and not resource.flag("doNotPerform")

    def _condition(self, node: Node) -> Iterator[Condition]:
        for concept in self._concept(node, "code", SNOMED, ICD10CM):
            onset = (
                _day(node, "onsetDateTime")
                or _period(node, "onsetPeriod", "start")
                or _day(node, "recordedDate")
            )
            abatement = _day(node, "abatementDateTime") or _period(node, "abatementPeriod", "end")
            yield Condition(
                concept, _activity(_status(node, "clinicalStatus")), onset, abatement, place=_place(node)
            )

    def _medication(self, node: Node) -> Iterator[Medication]:
        holder, name = node, "medicationCodeableConcept"
        reference = node.get("medicationReference")
        if reference is not None:
            target = self._resolve(reference, node)
            if target is None or target[0] != "Medication":
                reference.refuse("must refer to a Medication of the bundle", Reason.INPUT_INCONSISTENT)
            holder, name = target[1], "code"
        for concept in self._concept(holder, name, RXNORM):
            day = (
                _day(node, "authoredOn")
                or _day(node, "effectiveDateTime")
                or _period(node, "effectivePeriod", "start")
            )
            yield Medication(
                concept, _activity(node.text("status", MAX_CODE)), day, self._reason(node), _place(node)
            )

    def _reason(self, node: Node) -> Concept | None:
        for code in node.items("reasonCode"):
            return _first(_coded(code, SNOMED, ICD10CM))
        for reference in node.items("reasonReference"):
            found = self._resolve(reference)
            if found is None and reference.text("reference", MAX_DISPLAY).startswith("urn:"):
                # A relative reference may point to the server; a urn has no meaning outside of the bundle.
                reference.refuse("must refer to a resource of the bundle", Reason.INPUT_INCONSISTENT)
            if found is not None and found[0] == "Condition":
                cause = found[1].get("code")
                return None if cause is None else _first(_coded(cause, SNOMED, ICD10CM))
        return None

    def _procedure(self, node: Node) -> Iterator[Procedure]:
        for concept in self._concept(node, "code", SNOMED):
            yield Procedure(
                concept,
                _day(node, "performedDateTime") or _period(node, "performedPeriod", "start"),
                _place(node),
            )

    def _care_plan(self, node: Node) -> Iterator[Procedure]:
        # The category says what is planned; US Core adds its own `assess-plan` to it.
        found = [_coded(category, SNOMED) for category in node.items("category")]
        concepts = [concept for concept in found if concept.preferred.system == SNOMED]
        if not concepts:
            self._skipped += 1
        for concept in concepts:
            yield Procedure(concept, _period(node, "period", "start"), _place(node))

    def _allergy(self, node: Node) -> Iterator[Allergy]:
        if _status(node, "clinicalStatus") in {"inactive", "resolved"}:
            self._skipped += 1
            return
        # A server that codes the reaction's substance may leave the allergy itself as text.
        codes = [node.get("code"), *(reaction.get("substance") for reaction in node.items("reaction"))]
        found = (CodedConcept() if code is None else _coded(code, SNOMED, RXNORM) for code in codes)
        concepts = {concept.key: concept for concept in found if concept.names or concept.codings}
        if not concepts:
            self._skipped += 1
        yield from (Allergy(concept, place=_place(node)) for concept in concepts.values())

    def _observations(self, node: Node) -> Iterator[Observation]:
        day = _day(node, "effectiveDateTime") or _period(node, "effectivePeriod", "start")
        moment = None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
        # A blood pressure has its two values in components.
        for part in [node, *node.items("component")]:
            quantity, code = part.get("valueQuantity"), part.get("code")
            if quantity is None or code is None:
                continue
            value, concept = quantity.number("value"), _coded(code, LOINC)
            if value is not None and concept.names:
                unit = quantity.text("code", MAX_CODE) or quantity.text("unit", MAX_CODE)
                yield Observation(concept, value, unit, moment, place=_place(node))

    def _concept(self, node: Node, name: str, *systems: str) -> Iterator[CodedConcept]:
        """What the element says, if it says anything; otherwise the resource counts as skipped."""
        code = node.get(name)
        concept = CodedConcept() if code is None else _coded(code, *systems)
        if concept == CodedConcept():
            self._skipped += 1
        else:
            yield concept

    def _resolve(self, reference: Node, holder: Node | None = None) -> tuple[str, Node] | None:
        """Kind and resource that a Reference points to, in the bundle or contained in `holder`."""
        target = reference.text("reference", MAX_DISPLAY)
        if target.startswith("#") and holder is not None:
            for contained in holder.items("contained"):
                if contained.text("id", MAX_CODE) == target[1:]:
                    return contained.text("resourceType", MAX_CODE), contained
            return None
        found = self._by_reference.get(target)
        # `https://server/fhir/Patient/1` where the bundle's entries have no full URLs.
        return found or (
            self._by_reference.get("/".join(target.split("/")[-2:])) if "://" in target else None
        )


_HAS_STATUS_CODE = {"MedicationRequest", "MedicationStatement", "Procedure", "CarePlan", "Observation"}


def _names(kind: str, entry: Node, resource: Node) -> Iterator[str]:
    """What other resources may call this one."""
    if url := entry.text("fullUrl", MAX_DISPLAY):
        yield url
    if identity := resource.text("id", MAX_CODE):
        yield f"{kind}/{identity}"
        yield f"urn:uuid:{identity}"


def _status(node: Node, name: str) -> str:
    """The code of a status that is a CodeableConcept."""
    concept = node.get(name)
    if concept is None:
        return ""
    return next((coding.text("code", MAX_CODE) for coding in concept.items("coding")), "")


def _activity(status: str) -> bool | None:
    if status in _ACTIVE:
        return True
    return False if status in _INACTIVE else None


def _coded(node: Node, *systems: str) -> CodedConcept:
    """The CodeableConcept with the codings of these systems first."""
    codings = [
        canonical_concept(system, code, coding.text("display", 4 * MAX_DISPLAY)[:MAX_DISPLAY])
        for coding in node.items("coding")
        if (system := coding.text("system", MAX_SYSTEM)) and (code := coding.text("code", MAX_CODE))
    ]
    ranked = sorted(
        codings, key=lambda item: systems.index(item.system) if item.system in systems else len(systems)
    )
    return CodedConcept(tuple(ranked[:MAX_CODINGS]), node.text("text", 4 * MAX_DISPLAY)[:MAX_DISPLAY])


def _first(concept: CodedConcept) -> Concept | None:
    return concept.codings[0] if concept.codings else None


def _place(node: Node) -> str:
    return f"Bundle.{node.path}"


def _notices(skipped_kinds: int, skipped_items: int) -> Iterator[Notice]:
    if skipped_kinds:
        text = f"{skipped_kinds} resources are of kinds that are not read, e.g. encounters and claims."
        yield Notice("RESOURCES_SKIPPED", text)
    if skipped_items:
        text = f"{skipped_items} resources have no code or no patient, or state no fact (refuted, planned)."
        yield Notice("RESOURCES_NOT_USABLE", text)


def _period(node: Node, name: str, end: str) -> date | None:
    period = node.get(name)
    return None if period is None else _day(period, end)


def _day(node: Node, name: str) -> date | None:
    """The day of a FHIR date or dateTime; a year or month alone counts from its first day."""
    text = node.text(name, MAX_CODE)
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is not None:
        year, month, day = (int(part or 1) for part in match.groups())
        with contextlib.suppress(ValueError):  # the 30th of February
            return date(year, month, day)
    raise InvalidInput(Reason.INPUT_MALFORMED, f"{node.path}.{name}", "must be a FHIR date")
