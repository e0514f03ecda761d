"""What the server says of itself: CapabilityStatement and the definition of its operation."""

from __future__ import annotations

from typing import Any, Final

from clients.gateway.fhir.outcome import FHIR_JSON
from clients.gateway.fhir.reading import PARAMETERS

_TYPES: Final = {
    "record": "Bundle",
    "image": "Attachment",
    "note": "string",
    "bodyPart": "code",
    "model": "string",
    "maxTreatments": "integer",
    "draftReport": "boolean",
    "required": "code",
    "requestId": "uuid",
}
_MOST: Final = {"image": "4", "model": "16", "required": "5"}
_DATE: Final = "2026-11-28"
_DEFINITION: Final = "OperationDefinition/diagnose"


def capability_statement() -> dict[str, Any]:
    """Answer of `/fhir/metadata`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "medmesh"},
        "implementation": {
            "description": "Assesses images, a note and a record by AI. Not a medical device."
        },
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON],
        "rest": [
            {
                "mode": "server",
                "documentation": "One operation; nothing is stored.",
                "security": {"description": "A bearer token, which the mesh's own policy judges."},
                "operation": [{"name": "diagnose", "definition": f"urn:medmesh:fhir:{_DEFINITION}"}],
            }
        ],
    }


def operation_definition() -> dict[str, Any]:
    """Answer of `/fhir/OperationDefinition/diagnose`."""
    given = [
        {
            "name": name,
            "use": "in",
            "min": 0,
            "max": _MOST.get(name, "1"),
            "documentation": f"{words[0].upper()}{words[1:]}.",
            "type": _TYPES[name],
        }
        for name, words in PARAMETERS.items()
    ]
    answer = {
        "name": "return",
        "use": "out",
        "min": 1,
        "max": "1",
        "documentation": "A collection: DiagnosticReport, Observations, RiskAssessments, DetectedIssues, "
        "Devices with their model cards, Provenance.",
        "type": "Bundle",
    }
    return {
        "resourceType": "OperationDefinition",
        "id": "diagnose",
        "url": f"urn:medmesh:fhir:{_DEFINITION}",
        "name": "Diagnose",
        "status": "active",
        "date": _DATE,
        "kind": "operation",
        "description": "Assesses what is given of a patient: images, a note, a record, or any of them.",
        "code": "diagnose",
        "comment": "A Bundle may be sent in place of Parameters: attachments of Binary, Media and "
        "DocumentReference are its images and note, all else is the record.",
        "affectsState": False,
        "system": True,
        "type": False,
        "instance": False,
        "parameter": [*given, answer],
    }
