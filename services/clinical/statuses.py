"""FHIR's status codes of conditions, allergies, medications and measured values, and what they mean."""

from __future__ import annotations

import enum


class Gender(enum.Enum):
    """FHIR AdministrativeGender."""

    UNSPECIFIED = ""
    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


class ClinicalStatus(enum.Enum):
    """FHIR condition-clinical and allergyintolerance-clinical."""

    UNSPECIFIED = ""
    ACTIVE = "active"
    RECURRENCE = "recurrence"
    RELAPSE = "relapse"
    INACTIVE = "inactive"
    REMISSION = "remission"
    RESOLVED = "resolved"

    @property
    def is_active(self) -> bool:
        """Whether what has this status lasts."""
        return self in {ClinicalStatus.ACTIVE, ClinicalStatus.RECURRENCE, ClinicalStatus.RELAPSE}


class Verification(enum.Enum):
    """FHIR condition-ver-status and allergyintolerance-verification."""

    UNSPECIFIED = ""
    CONFIRMED = "confirmed"
    PROVISIONAL = "provisional"
    DIFFERENTIAL = "differential"
    UNCONFIRMED = "unconfirmed"
    REFUTED = "refuted"
    ENTERED_IN_ERROR = "entered-in-error"

    @property
    def is_tentative(self) -> bool:
        """Whether it is less than an established diagnosis."""
        return self in {Verification.PROVISIONAL, Verification.DIFFERENTIAL, Verification.UNCONFIRMED}

    @property
    def is_retracted(self) -> bool:
        """Whether it is not a fact of the patient."""
        return self in {Verification.REFUTED, Verification.ENTERED_IN_ERROR}


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


class MedicationSource(enum.Enum):
    """The FHIR resource that says that a patient takes a drug."""

    UNSPECIFIED = ""
    REQUEST = "MedicationRequest"
    STATEMENT = "MedicationStatement"
    DISPENSE = "MedicationDispense"
    ADMINISTRATION = "MedicationAdministration"

    @property
    def is_supply(self) -> bool:
        """Whether it was handed out or given, rather than ordered or told."""
        return self in {MedicationSource.DISPENSE, MedicationSource.ADMINISTRATION}


class MedicationStatus(enum.Enum):
    """The statuses of FHIR's medication resources, of R4 and R5."""

    UNSPECIFIED = ""
    ACTIVE = "active"
    ON_HOLD = "on-hold"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ENDED = "ended"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    DRAFT = "draft"
    INTENDED = "intended"
    NOT_TAKEN = "not-taken"
    NOT_DONE = "not-done"
    PREPARATION = "preparation"
    DECLINED = "declined"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"

    @property
    def is_in_force(self) -> bool:
        """Whether it says by itself that the drug is taken now."""
        return self in {MedicationStatus.ACTIVE, MedicationStatus.ON_HOLD, MedicationStatus.IN_PROGRESS}

    @property
    def is_no_fact(self) -> bool:
        """Whether the drug was never taken because of it."""
        return self in {
            MedicationStatus.CANCELLED,
            MedicationStatus.DRAFT,
            MedicationStatus.INTENDED,
            MedicationStatus.NOT_TAKEN,
            MedicationStatus.NOT_DONE,
            MedicationStatus.PREPARATION,
            MedicationStatus.DECLINED,
            MedicationStatus.ENTERED_IN_ERROR,
        }


class MedicationIntent(enum.Enum):
    """FHIR medicationrequest-intent."""

    UNSPECIFIED = ""
    PROPOSAL = "proposal"
    PLAN = "plan"
    ORDER = "order"
    ORIGINAL_ORDER = "original-order"
    REFLEX_ORDER = "reflex-order"
    FILLER_ORDER = "filler-order"
    INSTANCE_ORDER = "instance-order"
    OPTION = "option"

    def is_taken(self, *, reported: bool) -> bool:
        """Whether what is requested so counts as taken: an order, or a plan that records what the patient
        reports to take (US Core).
        """
        if self is MedicationIntent.PLAN:
            return reported
        return self not in {MedicationIntent.PROPOSAL, MedicationIntent.OPTION}


def is_present(clinical: ClinicalStatus, verification: Verification) -> bool:
    """Whether an allergy with these statuses is a fact of the patient now."""
    ended = clinical is not ClinicalStatus.UNSPECIFIED and not clinical.is_active
    return not ended and not verification.is_retracted
