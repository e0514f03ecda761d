"""A reading in a few lines that people can check: what the tables of cases say is right."""

from __future__ import annotations

from datetime import UTC

from medmesh.common.v1.patient_pb2 import PatientInput
from services.chassis.errors import InvalidInput
from services.clinical.dates import PartialDate
from services.clinical.fhir import ReadBundle
from services.clinical.record import Quantity
from services.recommendation.convert_record import record_from


def described(content: bytes) -> list[str]:
    """How a bundle is read, or why it is not."""
    try:
        read = record_from(PatientInput(fhir_bundle=content))
    except InvalidInput as error:
        field = error.field.removeprefix("patient.fhir_bundle").removeprefix(".")
        return [f"refused {error.reason} {field}: {error.description}".replace(" :", ":")]
    return lines_of(read)


def lines_of(read: ReadBundle) -> list[str]:
    record, today = read.record, read.record.latest_day()
    measured = [item for item in record.observations if isinstance(item.value, Quantity)]
    coded = [item for item in record.observations if not isinstance(item.value, Quantity)]
    return [
        f"age {record.age_years}",
        *(
            f"condition {named(item.concept)} {'active' if item.is_active else 'inactive'}"
            f"{stated(item.verification)} {on(item.onset)}..{on(item.abatement, '')}"
            for item in record.conditions
        ),
        *(
            f"medication {named(item.concept)} {'active' if item.is_taken(today) else 'inactive'}"
            f" {on(item.authored)}" + (f" for {item.reason.key}" if item.reason else "")
            for item in record.medications
        ),
        *(f"procedure {named(item.concept)} {on(item.performed)}" for item in record.procedures),
        *(
            f"allergy {named(item.concept)}{stated(item.verification)}{stated(item.type)}"
            f"{stated(item.criticality)}"
            for item in record.allergies
        ),
        *(
            f"observation {named(item.concept)} {item.value.comparator.value}{item.value.value:.4g}"
            f" {item.value.unit} {at(item.effective)}"
            for item in measured
        ),
        *(f"finding {named(item.concept)} = {named(item.value)} {at(item.effective)}" for item in coded),
        *(
            f"notice {item.reason}{'!' if item.review_required else ''} {' '.join(item.places)}".strip()
            for item in read.notices
        ),
    ]


def named(concept) -> str:
    return "+".join([*concept.keys, *([repr(concept.text)] if concept.text else [])])


def stated(member) -> str:
    return f" {member.value}" if member.value not in {"", "confirmed"} else ""


def on(when: PartialDate | None, unknown: str = "?") -> str:
    return unknown if when is None else when.day.isoformat()


def at(when: PartialDate | None) -> str:
    if when is None:
        return "?"
    return when.moment.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
