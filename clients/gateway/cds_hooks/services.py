"""The services that an EHR discovers, and what each asks it to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_CHECKED: Final = "Allergies, interactions, duplicates, conditions, kidney, pregnancy, age and dose"
_OF_PATIENT: Final = "patient={{context.patientId}}"
PREFETCH: Final = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": f"Condition?{_OF_PATIENT}",
    "medications": f"MedicationRequest?{_OF_PATIENT}&status=active",
    "statements": f"MedicationStatement?{_OF_PATIENT}&status=active",
    "allergies": f"AllergyIntolerance?{_OF_PATIENT}",
    "laboratory": f"Observation?{_OF_PATIENT}&category=laboratory",
    "vitals": f"Observation?{_OF_PATIENT}&category=vital-signs",
}
"""Prefetch templates: what the record is put together from. Nothing is fetched from the EHR."""


@dataclass(frozen=True)
class Service:
    """One service of the discovery."""

    identifier: str
    hook: str
    title: str
    description: str
    contexts: tuple[str, ...]
    """Fields that the hook's context must have."""

    def as_json(self) -> dict[str, Any]:
        """Its entry in the discovery."""
        return {
            "hook": self.hook,
            "id": self.identifier,
            "title": self.title,
            "description": self.description,
            "prefetch": PREFETCH,
        }


SERVICES: Final = (
    Service(
        "assessment",
        "patient-view",
        "Assessment of the record",
        "How probable conditions are by what the record says, with what speaks for each. Research software.",
        ("userId", "patientId"),
    ),
    Service(
        "selected-medications",
        "order-select",
        "Safety of the selected medications",
        f"{_CHECKED} of what is selected.",
        ("userId", "patientId", "selections", "draftOrders"),
    ),
    Service(
        "signed-medications",
        "order-sign",
        "Safety of the medications to be signed",
        f"{_CHECKED} of what is ordered.",
        ("userId", "patientId", "draftOrders"),
    ),
)
