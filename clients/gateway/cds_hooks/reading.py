"""The request of a hook -> the patient's record and the drafted orders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from clients.gateway import json_form
from clients.gateway.cds_hooks.services import PREFETCH, Service
from clients.gateway.pages import Refused
from medmesh import requests
from medmesh.recommendation.v1.medication_check_pb2 import CheckMedicationsRequest
from services.chassis.errors import InvalidInput, Reason

_NEEDED: Final = (
    "The prefetch must have the Patient: nothing is fetched from the EHR. /cds-services has the templates."
)


@dataclass
class Asked:
    """What a hook asks about."""

    record: dict[str, Any]
    """A Bundle."""
    missing: tuple[str, ...] = ()
    """Prefetch keys that the EHR did not send, or could not."""
    orders: list[dict[str, Any]] = field(default_factory=list)
    """The MedicationRequests to check, each with the Medication that it refers to in it."""
    unchecked_count: int = 0
    """Orders among those asked about that are no medication to be given."""

    def request(self) -> CheckMedicationsRequest:
        """The request of CheckMedications."""
        return requests.check_medications(self.record, self.orders, (), (), ())


def read(body: bytes, service: Service) -> Asked:
    """Reads the request. Raises InvalidInput, and Refused (412) where the patient is not in it."""
    document = json_form.document(body)
    if not isinstance(document, dict):
        raise InvalidInput(Reason.INPUT_MALFORMED, "request", "must be an object")
    if document.get("hook") != service.hook:
        raise InvalidInput(Reason.INPUT_INCONSISTENT, "hook", f"must be {service.hook} for this service")
    if not isinstance(document.get("hookInstance"), str):
        raise InvalidInput(Reason.INPUT_MISSING, "hookInstance", "is missing: a UUID")
    context = document.get("context")
    if not isinstance(context, dict):
        raise InvalidInput(Reason.INPUT_MISSING, "context", "is missing")
    # The specification's own examples leave out userId; nothing here hangs on it.
    for name in service.contexts:
        if name not in context and name != "userId":
            raise InvalidInput(Reason.INPUT_MISSING, f"context.{name}", "is missing")
    asked = _record(document, context)
    if "draftOrders" in service.contexts:
        _orders(context, asked, selected_only="selections" in service.contexts)
    return asked


def _record(document: dict[str, Any], context: dict[str, Any]) -> Asked:
    prefetch = document.get("prefetch") or {}
    if not isinstance(prefetch, dict):
        raise InvalidInput(Reason.INPUT_MALFORMED, "prefetch", "must be an object")
    found = {
        (resource.get("resourceType"), resource.get("id"), index if not resource.get("id") else 0): resource
        for index, resource in enumerate(_resources(prefetch))
    }
    patients = [resource for resource in found.values() if resource.get("resourceType") == "Patient"]
    if not patients:
        raise Refused(HTTPStatus.PRECONDITION_FAILED, _NEEDED)
    if len(patients) > 1 or patients[0].get("id", context["patientId"]) != context["patientId"]:
        raise InvalidInput(
            Reason.INPUT_INCONSISTENT, "prefetch", "must have the one Patient whose id is context.patientId"
        )
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in found.values()],
    }
    return Asked(bundle, missing=tuple(key for key in PREFETCH if not prefetch.get(key) and key != "patient"))


def _resources(prefetch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources, whatever the keys are called; of a Bundle those in it."""
    for key, value in prefetch.items():
        if value is None:
            continue
        if not isinstance(value, dict):
            raise InvalidInput(Reason.INPUT_MALFORMED, "prefetch", "must have FHIR resources")
        if value.get("resourceType") != "Bundle":
            yield value
            continue
        entries = value.get("entry", [])
        if not isinstance(entries, list):
            place = f"prefetch.{key}.entry" if key in PREFETCH else "prefetch"
            raise InvalidInput(Reason.INPUT_MALFORMED, place, "must be an array")
        for entry in entries:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
                yield resource


def _orders(context: dict[str, Any], asked: Asked, *, selected_only: bool) -> None:
    drafts = context["draftOrders"]
    entries = drafts.get("entry", []) if isinstance(drafts, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidInput(Reason.INPUT_MALFORMED, "context.draftOrders", "must be a Bundle")
    resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
    selections = context.get("selections", [])
    if not isinstance(selections, list):
        raise InvalidInput(Reason.INPUT_MALFORMED, "context.selections", "must be an array")
    medications = {reference_of(r): r for r in resources if r.get("resourceType") == "Medication"}
    for resource in resources:
        if resource.get("resourceType") == "Medication":
            continue
        if selected_only and reference_of(resource) not in selections:
            continue
        if resource.get("resourceType") == "MedicationRequest" and not resource.get("doNotPerform"):
            asked.orders.append(_with_medication(resource, medications))
        else:
            asked.unchecked_count += 1


def _with_medication(order: dict[str, Any], medications: dict[str, Any]) -> dict[str, Any]:
    """The order with the Medication of the same draft inside, since it is checked alone."""
    reference = order.get("medicationReference")
    named = reference.get("reference") if isinstance(reference, dict) else None
    medication = medications.get(named) if isinstance(named, str) else None
    if medication is None:
        return order
    within = json.loads(json.dumps(medication)) | {"id": "medication"}
    contained = order.get("contained", [])
    contained = contained if isinstance(contained, list) else []
    return {
        **order,
        "contained": [*contained, within],
        "medicationReference": {"reference": "#medication"},
    }


def reference_of(resource: dict[str, Any]) -> str:
    """`MedicationRequest/…`."""
    return f"{resource.get('resourceType')}/{resource.get('id')}"
