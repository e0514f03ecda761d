"""Alerts: what they are about, how serious and how well founded they are."""

from __future__ import annotations

import dataclasses
import enum

from services.clinical.record import Reference


class Kind(enum.Enum):
    """What an alert is about."""

    ALLERGY = "allergy"
    INTERACTION = "interaction"
    DUPLICATE = "duplicate"
    CONDITION = "condition"
    PREGNANCY = "pregnancy"
    LACTATION = "lactation"
    AGE = "age"
    KIDNEY = "kidney"
    LIVER = "liver"
    MEASUREMENT = "measurement"
    DOSE = "dose"
    QT = "qt"
    GENE = "gene"
    HABIT = "habit"


class Severity(enum.IntEnum):
    """How serious an alert is."""

    INFORMATION = 1
    CAUTION = 2
    CONTRAINDICATED = 3


class Evidence(enum.IntEnum):
    """How well a rule is founded: docs/medication-checks.md says what stands for each."""

    LOW = 1
    MODERATE = 2
    HIGH = 3


_WEIGHTS = {Severity.INFORMATION: 1, Severity.CAUTION: 2, Severity.CONTRAINDICATED: 4}


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """One reason against a drug."""

    kind: Kind
    severity: Severity
    rule_id: str
    """Stable name of the rule that says so."""
    trigger: Reference | None
    """The entry of the record that triggers it; None: the patient's age, or the order itself."""
    explanation: str
    source: str
    evidence: Evidence = Evidence.MODERATE
    remedy: str = ""
    is_between_drugs: bool = False
    """Whether the trigger is another drug."""

    @property
    def priority(self) -> int:
        """Severity times evidence, from 1 to 12: what is contraindicated counts four times what is for
        information.
        """
        return _WEIGHTS[self.severity] * self.evidence
