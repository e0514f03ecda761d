"""The patient record as plain values: what every part of this service computes on.

Mirrors `medmesh.common.v1.PatientRecord`. Code systems are named by their FHIR URI. A record is immutable;
what changes one returns another.
"""

from __future__ import annotations

import dataclasses
import enum
from datetime import date

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"

SYSTEM_BY_SHORT_NAME = {"snomed": SNOMED, "rxnorm": RXNORM, "loinc": LOINC, "icd10cm": ICD10CM}
SHORT_NAME_BY_SYSTEM = {uri: name for name, uri in SYSTEM_BY_SHORT_NAME.items()}


class Gender(enum.Enum):
    """FHIR AdministrativeGender."""

    UNSPECIFIED = ""
    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a code system, as FHIR's Coding."""

    system: str
    code: str
    display: str = ""

    @property
    def key(self) -> str:
        """`snomed|38341003`: the form that vocabularies and labels use, with the system's short name."""
        return f"{SHORT_NAME_BY_SYSTEM.get(self.system, self.system)}|{self.code}"


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """FHIR Condition: a problem, diagnosis or finding."""

    concept: Concept
    active: bool | None = None
    """None where it is not stated: taken as active while there is no abatement."""
    onset: date | None = None
    abatement: date | None = None

    @property
    def is_active(self) -> bool:
        return self.abatement is None if self.active is None else self.active


@dataclasses.dataclass(frozen=True, slots=True)
class Medication:
    """FHIR MedicationRequest: a drug that was ordered."""

    concept: Concept
    active: bool | None = None
    """None where it is not stated: taken as active."""
    authored: date | None = None
    reason: Concept | None = None

    @property
    def is_active(self) -> bool:
        return self.active is not False


@dataclasses.dataclass(frozen=True, slots=True)
class Procedure:
    """FHIR Procedure, or CarePlan by its category: something done to, or planned for, the patient."""

    concept: Concept
    performed: date | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Allergy:
    """FHIR AllergyIntolerance."""

    concept: Concept


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """FHIR Observation with a numeric value."""

    concept: Concept
    value: float
    unit: str = ""
    """UCUM."""
    observed: date | None = None


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

    def latest_day(self) -> date | None:
        """The last day on which the record notes anything: its own "today", so that answers can be
        repeated.
        """
        days = (
            [item.onset for item in self.conditions]
            + [item.abatement for item in self.conditions]
            + [item.authored for item in self.medications]
            + [item.performed for item in self.procedures]
            + [item.observed for item in self.observations]
        )
        return max((day for day in days if day is not None), default=None)

    def with_conditions(self, concepts: tuple[Concept, ...], day: date | None) -> PatientRecord:
        """The record with these as further active conditions since `day`; those it has as active are
        skipped.
        """
        present = {item.concept.key for item in self.conditions if item.is_active}
        new = {concept.key: concept for concept in concepts if concept.key not in present}
        further = tuple(Condition(concept, active=True, onset=day) for concept in new.values())
        return dataclasses.replace(self, conditions=self.conditions + further)

    def without(self, key: str) -> PatientRecord:
        """The record as if the condition, medication or procedure with this key had never been noted."""
        return dataclasses.replace(
            self,
            conditions=tuple(item for item in self.conditions if item.concept.key != key),
            medications=tuple(item for item in self.medications if item.concept.key != key),
            procedures=tuple(item for item in self.procedures if item.concept.key != key),
        )
