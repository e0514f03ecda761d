"""The patient record as plain values: what the services compute on.

Mirrors `medmesh.common.v1.PatientRecord`. Code systems are named by their FHIR URI. A record is immutable;
what changes one returns another.
"""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime

from services.clinical.concepts import CodedConcept, Concept

UNDATED = datetime.min.replace(tzinfo=UTC)
"""Stands for the time of an observation without one: before all others."""


class Gender(enum.Enum):
    """FHIR AdministrativeGender."""

    UNSPECIFIED = ""
    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


class ClinicalStatus(enum.Enum):
    """FHIR condition-clinical."""

    UNSPECIFIED = ""
    ACTIVE = "active"
    RECURRENCE = "recurrence"
    RELAPSE = "relapse"
    INACTIVE = "inactive"
    REMISSION = "remission"
    RESOLVED = "resolved"


class Verification(enum.Enum):
    """FHIR condition-ver-status and allergyintolerance-verification, without what is no fact of the patient
    (refuted, entered in error).
    """

    UNSPECIFIED = ""
    CONFIRMED = "confirmed"
    PROVISIONAL = "provisional"
    DIFFERENTIAL = "differential"
    UNCONFIRMED = "unconfirmed"

    @property
    def is_tentative(self) -> bool:
        """Whether it is less than an established diagnosis."""
        return self in {Verification.PROVISIONAL, Verification.DIFFERENTIAL, Verification.UNCONFIRMED}


class AllergyType(enum.Enum):
    """FHIR allergy-intolerance-type."""

    UNSPECIFIED = ""
    ALLERGY = "allergy"
    INTOLERANCE = "intolerance"


class Criticality(enum.Enum):
    """FHIR allergy-intolerance-criticality."""

    UNSPECIFIED = ""
    LOW = "low"
    HIGH = "high"
    UNABLE_TO_ASSESS = "unable-to-assess"


class Comparator(enum.Enum):
    """FHIR quantity-comparator: how the measured quantity stands to the number."""

    EXACT = ""
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    GREATER = ">"


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """FHIR Condition: a problem, diagnosis or finding."""

    concept: CodedConcept
    active: bool | None = None
    """None where it is not stated: taken as active while there is no abatement."""
    onset: date | None = None
    abatement: date | None = None
    clinical_status: ClinicalStatus = ClinicalStatus.UNSPECIFIED
    verification: Verification = Verification.UNSPECIFIED
    place: str = dataclasses.field(default="", compare=False)
    """Where the record has it, as a FHIRPath: what a notice about it names."""

    @property
    def is_active(self) -> bool:
        return self.abatement is None if self.active is None else self.active


@dataclasses.dataclass(frozen=True, slots=True)
class Medication:
    """A drug that was ordered, dispensed, given, or that the patient says to take."""

    concept: CodedConcept
    active: bool | None = None
    """None where it is not stated: taken as active."""
    authored: date | None = None
    reason: Concept | None = None
    place: str = dataclasses.field(default="", compare=False)

    @property
    def is_active(self) -> bool:
        return self.active is not False


@dataclasses.dataclass(frozen=True, slots=True)
class Procedure:
    """FHIR Procedure, or CarePlan by its category: something done to, or arranged for, the patient."""

    concept: CodedConcept
    performed: date | None = None
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Allergy:
    """FHIR AllergyIntolerance that was neither refuted nor has ended. Its words or codes may also deny one
    ("No known allergy").
    """

    concept: CodedConcept
    verification: Verification = Verification.UNSPECIFIED
    type: AllergyType = AllergyType.UNSPECIFIED
    criticality: Criticality = Criticality.UNSPECIFIED
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """FHIR Observation with a numeric value."""

    concept: CodedConcept
    value: float
    unit: str = ""
    """UCUM."""
    observed: datetime | None = None
    """In UTC; a day alone is its beginning."""
    comparator: Comparator = Comparator.EXACT
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """FHIR Observation with a coded value, e.g. of the pregnancy status: pregnant."""

    concept: CodedConcept
    """What was asked."""
    value: CodedConcept
    """What was found."""
    observed: datetime | None = None
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class PatientRecord:
    """One patient's history."""

    age_years: int | None = None
    """Age on the latest day of the record."""
    gender: Gender = Gender.UNSPECIFIED
    conditions: tuple[Condition, ...] = ()
    medications: tuple[Medication, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    observations: tuple[Observation, ...] = ()
    findings: tuple[Finding, ...] = ()

    def latest_day(self) -> date | None:
        """The last day on which the record notes anything: its own "today", so that answers can be
        repeated.
        """
        days = (
            [item.onset for item in self.conditions]
            + [item.abatement for item in self.conditions]
            + [item.authored for item in self.medications]
            + [item.performed for item in self.procedures]
            + [item.observed.date() for item in self.observations if item.observed]
            + [item.observed.date() for item in self.findings if item.observed]
        )
        return max((day for day in days if day is not None), default=None)

    def places_after(self, day: date) -> tuple[str, ...]:
        """Where facts stand that are dated after a day."""
        dated = [
            *((item.place, item.onset) for item in self.conditions),
            *((item.place, item.abatement) for item in self.conditions),
            *((item.place, item.authored) for item in self.medications),
            *((item.place, item.performed) for item in self.procedures),
            *((item.place, item.observed and item.observed.date()) for item in self.observations),
            *((item.place, item.observed and item.observed.date()) for item in self.findings),
        ]
        return tuple(dict.fromkeys(place for place, when in dated if when is not None and when > day))

    def with_conditions(self, concepts: tuple[Concept, ...], day: date | None) -> PatientRecord:
        """The record with these as further active conditions since `day`; those it has as active are
        skipped.
        """
        present = {item.concept.key for item in self.conditions if item.is_active}
        new = {concept.key: concept for concept in concepts if concept.key not in present}
        further = tuple(
            Condition(CodedConcept((concept,)), active=True, onset=day) for concept in new.values()
        )
        return dataclasses.replace(self, conditions=self.conditions + further)

    def without(self, key: str) -> PatientRecord:
        """The record as if the condition, medication or procedure with this key had never been noted."""
        return dataclasses.replace(
            self,
            conditions=tuple(item for item in self.conditions if item.concept.key != key),
            medications=tuple(item for item in self.medications if key not in item.concept.keys),
            procedures=tuple(item for item in self.procedures if key not in item.concept.keys),
        )
