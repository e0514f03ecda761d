"""The patient record as plain values: what the services compute on.

Mirrors `medmesh.common.v1.PatientRecord`. Code systems are named by their FHIR URI. A record is immutable;
what changes one returns another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, datetime
from typing import Self

from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import UNDATED, Age, PartialDate
from services.clinical.statuses import (
    AllergyType,
    ClinicalStatus,
    Comparator,
    Criticality,
    Gender,
    MedicationIntent,
    MedicationSource,
    MedicationStatus,
    Verification,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """FHIR Condition: a problem, diagnosis or finding."""

    concept: CodedConcept
    clinical_status: ClinicalStatus = ClinicalStatus.UNSPECIFIED
    verification: Verification = Verification.UNSPECIFIED
    onset: PartialDate | None = None
    abatement: PartialDate | None = None
    abated: bool = False
    """Whether it ended at a time that nobody knows."""
    place: str = dataclasses.field(default="", compare=False)
    """Where the record has it, as a FHIRPath: what a notice about it names."""

    @property
    def is_active(self) -> bool:
        """As the clinical status says; without one, as long as no end is known."""
        if self.clinical_status is not ClinicalStatus.UNSPECIFIED:
            return self.clinical_status.is_active
        return self.abatement is None and not self.abated


@dataclasses.dataclass(frozen=True, slots=True)
class Medication:
    """A drug that was ordered, dispensed, given, or that the patient says to take."""

    concept: CodedConcept
    source: MedicationSource = MedicationSource.UNSPECIFIED
    status: MedicationStatus = MedicationStatus.UNSPECIFIED
    intent: MedicationIntent = MedicationIntent.UNSPECIFIED
    reported: bool = False
    """Of a request: whether it records what the patient reports to take."""
    authored: PartialDate | None = None
    supplied_until: date | None = None
    """Last day on which what was handed out or given counts as taken."""
    reason: CodedConcept | None = None
    place: str = dataclasses.field(default="", compare=False)

    def is_taken(self, today: date | None) -> bool:
        """Whether the patient takes it on a day, None standing for a record without any date."""
        if self.supplied_until is not None and today is not None and self.supplied_until < today:
            return False
        if self.status in {MedicationStatus.COMPLETED, MedicationStatus.ENDED}:
            return self.source.is_supply
        return self.status is not MedicationStatus.STOPPED


@dataclasses.dataclass(frozen=True, slots=True)
class Procedure:
    """FHIR Procedure, or CarePlan by its category: something done to, or arranged for, the patient."""

    concept: CodedConcept
    performed: PartialDate | None = None
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Allergy:
    """FHIR AllergyIntolerance that was neither refuted nor has ended. Its words or codes may also deny one
    ("No known allergy").
    """

    concept: CodedConcept
    clinical_status: ClinicalStatus = ClinicalStatus.UNSPECIFIED
    verification: Verification = Verification.UNSPECIFIED
    type: AllergyType = AllergyType.UNSPECIFIED
    criticality: Criticality = Criticality.UNSPECIFIED
    place: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Quantity:
    """FHIR Quantity: a number with its unit."""

    value: float
    unit: str = ""
    """UCUM."""
    comparator: Comparator = Comparator.EXACT


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """FHIR Observation: a measured quantity, or a coded finding such as of the pregnancy status."""

    concept: CodedConcept
    """What was measured or asked."""
    value: Quantity | CodedConcept
    effective: PartialDate | None = None
    place: str = dataclasses.field(default="", compare=False)

    @property
    def moment(self) -> datetime:
        """When, in UTC; UNDATED where that is not known."""
        return UNDATED if self.effective is None else self.effective.moment


Item = Condition | Medication | Procedure | Allergy | Observation


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """An entry of a record, as an answer refers to it."""

    place: str
    concept: Concept
    """What it is, in one coding or in words alone."""

    @classmethod
    def to(cls, item: Item) -> Self:
        """The entry by its preferred coding."""
        return cls(item.place, item.concept.preferred)


@dataclasses.dataclass(frozen=True, slots=True)
class PatientRecord:
    """One patient's history."""

    age: Age | None = None
    """Age on the latest day of the record."""
    gender: Gender = Gender.UNSPECIFIED
    conditions: tuple[Condition, ...] = ()
    medications: tuple[Medication, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    observations: tuple[Observation, ...] = ()

    @property
    def item_count(self) -> int:
        """How many entries it has."""
        return sum(
            map(
                len,
                (self.conditions, self.medications, self.procedures, self.allergies, self.observations),
            )
        )

    @property
    def age_years(self) -> int | None:
        """The age in completed years."""
        return None if self.age is None else self.age.years

    def latest_day(self) -> date | None:
        """The last day on which the record notes anything: its own "today", so that answers can be
        repeated.
        """
        return max((day for _, day in self._dated()), default=None)

    def places_after(self, day: date) -> tuple[str, ...]:
        """Where facts stand that are dated after a day."""
        return tuple(dict.fromkeys(place for place, when in self._dated() if when > day))

    def with_conditions(self, further: tuple[Condition, ...]) -> PatientRecord:
        """The record with these conditions too; those it has as active are skipped, and each counts once."""
        present = {item.concept.key for item in self.conditions if item.is_active}
        new = {item.concept.key: item for item in further if item.concept.key not in present}
        return dataclasses.replace(self, conditions=(*self.conditions, *new.values()))

    def without(self, key: str) -> PatientRecord:
        """The record as if the condition, medication or procedure with this key had never been noted."""
        return dataclasses.replace(
            self,
            conditions=tuple(item for item in self.conditions if item.concept.key != key),
            medications=tuple(item for item in self.medications if key not in item.concept.keys),
            procedures=tuple(item for item in self.procedures if key not in item.concept.keys),
        )

    def _dated(self) -> Iterator[tuple[str, date]]:
        """Each fact's place and day: of observations the day in UTC."""
        for place, when in (
            *((item.place, item.onset) for item in self.conditions),
            *((item.place, item.abatement) for item in self.conditions),
            *((item.place, item.authored) for item in self.medications),
            *((item.place, item.performed) for item in self.procedures),
        ):
            if when is not None:
                yield place, when.day
        for item in self.observations:
            if item.effective is not None:
                yield item.place, item.effective.moment.date()
