"""What models found in images and notes -> Observations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from clients.gateway.fhir.collection import Collection, Resource
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.imaging.v1.imaging_pb2 import Finding, ImageModelResult, SegmentationMask
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1.orchestrator_pb2 import AnalyzedImage

Keyed = tuple[tuple[Any, ...], Resource]
_UCUM: Final = "http://unitsofmeasure.org"
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_INTERPRETATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_SNOMED: Final = "http://snomed.info/sct"
_ASSERTIONS: Final = {
    "PRESENT": ("52101004", "Present"),
    "ABSENT": ("2667000", "Absent"),
    "POSSIBLE": ("371930009", "Possible"),
}
"""SNOMED CT's qualifiers; what else a note asserts is said in words."""


def image_observations(image: AnalyzedImage, study: Resource | None, made: Collection) -> Iterator[Keyed]:
    """Each finding and each mask of each model, keyed by what evidence names of it."""
    for result in image.analysis.results:
        model = result.provenance.model_name
        common = _common(made, made.device(result.provenance), "imaging")
        common |= {"derivedFrom": [study]} if study else {}
        if result.abstained:
            common["note"] = [{"text": "The model abstains: for a reviewer, not for a decision."}]
        for finding in result.findings:
            yield ("image", image.index, model, finding.label), {**common, **_finding(finding, result)}
        for mask in result.masks:
            yield ("mask", image.index, model, mask.label), {**common, **_mask(mask)}


def note_observations(note: language_pb2.NoteAnalysis, made: Collection) -> Iterator[Keyed]:
    """Each entity and each label of each model, keyed likewise."""
    for result in note.results:
        model = result.provenance.model_name
        common = _common(made, made.device(result.provenance), "exam")
        for index, entity in enumerate(result.entities):
            yield ("note", model, index), {**common, **_entity(entity)}
        for label in result.labels:
            probability = _probability(label.probability, calibrated=result.calibrated)
            code = _code(list(label.concepts), label.name)
            yield ("label", model, label.name), {**common, "code": code, **probability}


def _common(made: Collection, device: Resource, category: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{"system": _CATEGORIES, "code": category}]}],
        "subject": made.subject,
        "effectiveDateTime": made.time,
        "device": device,
    }


def _finding(finding: Finding, result: ImageModelResult) -> Resource:
    made: Resource = {"code": _code(list(finding.concepts), finding.label)}
    made |= _probability(finding.probability, calibrated=result.calibrated)
    if finding.HasField("threshold"):
        code = "POS" if finding.probability >= finding.threshold else "NEG"
        made["interpretation"] = [{"coding": [{"system": _INTERPRETATIONS, "code": code}]}]
    return made


def _mask(mask: SegmentationMask) -> Resource:
    made: Resource = {"code": _code(list(mask.concepts), mask.label)}
    if mask.HasField("volume_ml"):
        return made | {"valueQuantity": _quantity(mask.volume_ml, "mL", "mL")}
    if mask.HasField("area_mm2"):
        return made | {"valueQuantity": _quantity(mask.area_mm2, "mm²", "mm2")}
    return made | {"valueQuantity": _quantity(mask.pixel_count, "pixels", "{pixels}")}


def _entity(entity: language_pb2.Entity) -> Resource:
    name = language_pb2.Assertion.Name(entity.assertion).removeprefix("ASSERTION_")
    asserted: Resource = {"text": name.lower()}
    if name in _ASSERTIONS:
        code, display = _ASSERTIONS[name]
        asserted["coding"] = [{"system": _SNOMED, "code": code, "display": display}]
    concepts = [entity.concept, *entity.equivalent_concepts] if entity.HasField("concept") else []
    return {"code": _code(concepts, entity.text), "valueCodeableConcept": asserted}


def _code(concepts: list[Concept], text: str) -> Resource:
    codings = [
        {
            key: value
            for key, value in (("system", c.system), ("code", c.code), ("display", c.display))
            if value
        }
        for c in concepts
    ]
    return {"text": text} | ({"coding": codings} if codings else {})


def _probability(value: float, *, calibrated: bool) -> Resource:
    words = "calibrated probability" if calibrated else "score of a model, not calibrated"
    return {"valueQuantity": _quantity(round(value, 4), "probability", "1"), "method": {"text": words}}


def _quantity(value: float, unit: str, code: str) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}
