"""The assessment as messages: conditions, contributions, disagreements, and where their evidence stands."""

from __future__ import annotations

from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.common.v1.patient_pb2 import RecordReference
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.clinical.code_systems import SNOMED
from services.orchestrator.assessment import Assessed, Assessment
from services.orchestrator.disagreement import Disagreement
from services.orchestrator.fusion import Evidence, Source
from services.orchestrator.knowledge import Condition, Knowledge
from services.orchestrator.references import ImageFinding, NoteEntity, NoteFinding, RecordEntry, Reference

_SOURCES = {
    Source.IMAGE: pb.SOURCE_IMAGE,
    Source.NOTE: pb.SOURCE_NOTE,
    Source.RECORD: pb.SOURCE_RECORD,
}
_SENTENCES = {
    (Source.IMAGE, Source.NOTE): "The image supports {condition}; the note denies it.",
    (Source.NOTE, Source.IMAGE): "The note states {condition}; the image argues against it.",
    (Source.RECORD, Source.NOTE): "The record has {condition}; the note denies it.",
    (Source.IMAGE, Source.IMAGE): "One image supports {condition}; another argues against it.",
}
_ONE_IMAGE = "On one image, one model supports {condition} and another argues against it."


def condition_concept(condition: Condition) -> ConceptMessage:
    """The condition in SNOMED CT."""
    return ConceptMessage(system=SNOMED, code=condition.code, display=condition.naming.display)


def assessment_messages(assessment: Assessment, knowledge: Knowledge) -> list[pb.ConditionAssessment]:
    """Each condition's assessment as a message."""
    return [_assessed(one, knowledge) for one in assessment.conditions]


def disagreement_messages(assessment: Assessment, knowledge: Knowledge) -> list[pb.Disagreement]:
    """Each disagreement as a message."""
    return [
        pb.Disagreement(
            condition=condition_concept(knowledge.conditions[one.condition]),
            supporting=_reference(one.supporting.reference),
            opposing=_reference(one.opposing.reference),
            message=_sentence(one).format(
                condition=knowledge.conditions[one.condition].naming.display.lower()
            ),
        )
        for one in assessment.disagreements
    ]


def _sentence(one: Disagreement) -> str:
    yes, no = one.supporting.reference, one.opposing.reference
    if isinstance(yes, ImageFinding) and isinstance(no, ImageFinding) and yes.image_index == no.image_index:
        return _ONE_IMAGE
    return _SENTENCES[one.supporting.source, one.opposing.source]


def _assessed(one: Assessed, knowledge: Knowledge) -> pb.ConditionAssessment:
    fused, broader = one.fused, one.condition.broader
    prior = pb.Contribution(
        source=pb.SOURCE_PRIOR,
        description=one.condition.setting,
        log_odds=fused.prior_log_odds,
        reliability=1.0,
    )
    return pb.ConditionAssessment(
        condition=condition_concept(one.condition),
        probability=fused.probability,
        probability_low=fused.low,
        probability_high=fused.high,
        contributions=[
            prior,
            *(_contribution(weighed.evidence, weighed.share) for weighed in fused.evidence),
        ],
        leave_one_out=[
            pb.LeaveOneOut(source=_SOURCES[source], probability=probability)
            for source, probability in fused.without.items()
        ],
        uncounted=[_contribution(evidence, 0.0) for evidence in one.uncounted],
        broader_condition=condition_concept(knowledge.conditions[broader]) if broader else None,
    )


def _contribution(evidence: Evidence, share: float) -> pb.Contribution:
    return pb.Contribution(
        source=_SOURCES[evidence.source],
        description=evidence.description,
        evidence=_reference(evidence.reference),
        log_odds=evidence.weight,
        reliability=evidence.reliability,
        share=share,
    )


def _reference(one: Reference | None) -> pb.EvidenceReference | None:
    match one:
        case ImageFinding(image_index, model, labels):
            finding = pb.EvidenceReference.ImageFinding(
                image_index=image_index, model_name=model, labels=labels
            )
            return pb.EvidenceReference(image_finding=finding)
        case NoteFinding(model, labels):
            return pb.EvidenceReference(
                note_finding=pb.EvidenceReference.NoteFinding(model_name=model, labels=labels)
            )
        case NoteEntity(model, entity_index):
            return pb.EvidenceReference(
                note_entity=pb.EvidenceReference.NoteEntity(model_name=model, entity_index=entity_index)
            )
        case RecordEntry(place, concept):
            return pb.EvidenceReference(
                record_entry=RecordReference(
                    place=place,
                    concept=ConceptMessage(system=concept.system, code=concept.code, display=concept.display),
                )
            )
    return None
