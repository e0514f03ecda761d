"""Where a piece of evidence stands, in words: looked up in the answer that refers to it."""

from __future__ import annotations

from collections.abc import Sequence

from clients.cli.show import marks
from clients.cli.show.note import assertion
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb


def said(contribution: pb.Contribution, answer: pb.Diagnosis) -> str:
    """What a contribution is. Of an image by its labels, told apart where there are several; else the mesh's
    own words.
    """
    if contribution.evidence.WhichOneof("reference") == "image_finding":
        return _image_finding(contribution.evidence.image_finding, answer)
    return marks.label_name(contribution.description)


def words(reference: pb.EvidenceReference, answer: pb.Diagnosis) -> str:
    """The place that a reference names, e.g. `image: bacterial pneumonia`, `note: “effusion” absent` or
    `record: Asthma (Bundle.entry[3].resource)`. Empty for none.
    """
    match reference.WhichOneof("reference"):
        case "image_finding":
            return f"image: {_image_finding(reference.image_finding, answer)}"
        case "note_entity":
            return f"note: {_entity(reference.note_entity, answer)}"
        case "note_finding":
            return f"note: {_labels(reference.note_finding.labels)} by {reference.note_finding.model_name}"
        case "record_entry":
            entry = reference.record_entry
            return f"record: {marks.concept_name(entry.concept)} ({entry.place})"
        case _:
            return ""


def _image_finding(finding: pb.EvidenceReference.ImageFinding, answer: pb.Diagnosis) -> str:
    parts = [_labels(finding.labels)]
    if len(answer.images) > 1:
        parts.append(f"in image {finding.image_index + 1}")
    if any(len(image.analysis.results) > 1 for image in answer.images):
        parts.append(f"by {finding.model_name}")
    return " ".join(parts)


def _entity(reference: pb.EvidenceReference.NoteEntity, answer: pb.Diagnosis) -> str:
    for result in answer.note.results:
        named = result.provenance.model_name == reference.model_name
        if named and 0 <= reference.entity_index < len(result.entities):
            entity = result.entities[reference.entity_index]
            return f"“{' '.join(entity.text.split())}” {assertion(entity)}"
    return f"entity {reference.entity_index} of {reference.model_name}"


def _labels(labels: Sequence[str]) -> str:
    return " or ".join(map(marks.label_name, labels))
