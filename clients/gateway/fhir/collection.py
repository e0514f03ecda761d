"""The resources of one answer while they are made, and what they refer to each other by."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import Concept

AIAST: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
ASSERTED: Final = frozenset({"DiagnosticReport", "Observation", "RiskAssessment", "DetectedIssue"})
"""What the models and the orchestrator assert; devices, cards and studies are facts."""
Resource = dict[str, Any]


def concept(of: Concept) -> Resource:
    """A CodeableConcept with one coding."""
    coding = {"system": of.system, "code": of.code, "display": of.display}
    made: Resource = {"coding": [{key: value for key, value in coding.items() if value}]}
    return made | ({"text": of.display} if of.display else {})


@dataclass
class Collection:
    """The resources of one answer, and where each that others refer to stands."""

    base: str
    """Address below which they stand, with a slash at its end; references are relative to it."""
    subject: Resource
    time: str
    entries: list[Resource] = field(default_factory=list)
    models: dict[str, Resource] = field(default_factory=dict)
    evidence: dict[tuple[Any, ...], Resource] = field(default_factory=dict)
    """Observations by what evidence names: ("image", index, model, label), ("note", model, index)."""

    def add(self, resource: Resource) -> Resource:
        """Adds a resource; gives the reference to it."""
        kind, name = resource["resourceType"], str(uuid.uuid4())
        resource = {"resourceType": kind, "id": name, **resource}
        if kind in ASSERTED:
            resource["meta"] = {"security": [AIAST]}
        self.entries.append({"fullUrl": f"{self.base}{kind}/{name}", "resource": resource})
        return {"reference": f"{kind}/{name}"}

    def device(self, of: Provenance) -> Resource:
        """The reference to a model's Device, which is added where it is new."""
        if of.model_name not in self.models:
            self.models[of.model_name] = self.add(_device(of))
        return self.models[of.model_name]


def _device(of: Provenance) -> Resource:
    versions = {
        "model": of.model_version,
        "card": of.card_version,
        "preprocessing": of.preprocessing_version,
        "runtime": of.runtime,
    }
    made = {
        "resourceType": "Device",
        "status": "active",
        "identifier": [{"system": "urn:medmesh:weights-sha256", "value": of.weights_sha256}],
        "deviceName": [{"name": of.model_name, "type": "model-name"}],
        "modelNumber": of.model_version,
        "version": [{"type": {"text": name}, "value": value} for name, value in versions.items() if value],
        "type": {"text": "machine-learning model"},
        "note": [{"text": of.intended_use}],
    }
    absent = {
        "identifier": not of.weights_sha256,
        "modelNumber": not of.model_version,
        "note": not of.intended_use,
    }
    return {key: value for key, value in made.items() if value and not absent.get(key)}
