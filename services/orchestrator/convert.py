"""Protobuf <-> the dataclasses of the orchestrator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from medmesh.common.v1 import patient_pb2
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.common.v1.patient_pb2 import Condition as RecordCondition
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import Reason
from services.clinical.code_systems import SNOMED
from services.orchestrator import disagreement, evidence
from services.orchestrator.assessment import Assessed, Assessment
from services.orchestrator.catalogue import Catalogue, Code, Condition
from services.orchestrator.evidence import Assertion, Case, ImageReading, Mention, RecordedCondition
from services.orchestrator.fanout import Answers, Further, Outcome, Service
from services.orchestrator.fusion import Modality

MAXIMUM_FURTHER_COUNT = 100
"""RankTreatments takes no more further conditions, and no more further allergies."""
MAXIMUM_DISPLAY_LENGTH = 512
_ASSERTIONS = {
    language_pb2.ASSERTION_PRESENT: Assertion.PRESENT,
    language_pb2.ASSERTION_ABSENT: Assertion.ABSENT,
    language_pb2.ASSERTION_POSSIBLE: Assertion.POSSIBLE,
    language_pb2.ASSERTION_HISTORICAL: Assertion.HISTORICAL,
    language_pb2.ASSERTION_FAMILY: Assertion.FAMILY,
}
_TENTATIVE = {
    patient_pb2.VERIFICATION_STATUS_PROVISIONAL,
    patient_pb2.VERIFICATION_STATUS_DIFFERENTIAL,
    patient_pb2.VERIFICATION_STATUS_UNCONFIRMED,
}
_MODALITIES = {
    Modality.IMAGE: pb.MODALITY_IMAGE,
    Modality.NOTE: pb.MODALITY_NOTE,
    Modality.RECORD: pb.MODALITY_RECORD,
}
_KINDS = {
    disagreement.Kind.IMAGE_POSITIVE_NOTE_NEGATIVE: pb.Disagreement.KIND_IMAGE_POSITIVE_NOTE_NEGATIVE,
    disagreement.Kind.NOTE_POSITIVE_IMAGE_NEGATIVE: pb.Disagreement.KIND_NOTE_POSITIVE_IMAGE_NEGATIVE,
    disagreement.Kind.RECORD_POSITIVE_NOTE_NEGATIVE: pb.Disagreement.KIND_RECORD_POSITIVE_NOTE_NEGATIVE,
    disagreement.Kind.IMAGES_DIFFER: pb.Disagreement.KIND_IMAGES_DIFFER,
}
_KIND_SENTENCES = {
    disagreement.Kind.IMAGE_POSITIVE_NOTE_NEGATIVE: "The image speaks for {condition}, the note denies it.",
    disagreement.Kind.NOTE_POSITIVE_IMAGE_NEGATIVE: "The note states {condition}, the image denies it.",
    disagreement.Kind.RECORD_POSITIVE_NOTE_NEGATIVE: "The record has {condition}, the note denies it.",
    disagreement.Kind.IMAGES_DIFFER: "One image speaks for {condition}, another against it.",
}
_MODALITY_OF = {
    Service.IMAGING: Modality.IMAGE,
    Service.LANGUAGE: Modality.NOTE,
    Service.RECORD: Modality.RECORD,
}
_SERVICE_NAMES = {
    Service.IMAGING: "imaging",
    Service.LANGUAGE: "language",
    Service.RECORD: "recommendation",
    Service.RECOMMENDATION: "recommendation",
}
_WAYS_OUT = {
    Reason.UPSTREAM_UNAVAILABLE: (
        "The {service} service does not answer: start it or correct its address, then ask again."
    ),
    Reason.MODEL_UNAVAILABLE: (
        "A model of the {service} service is not served: see `medmesh models`, then ask again."
    ),
    Reason.OVERLOADED: "The {service} service has too many requests: ask again later.",
    Reason.DEADLINE_EXCEEDED: "It was not ready within its share of the deadline: ask again with more time.",
    Reason.UNAUTHENTICATED: (
        "The {service} service does not know the orchestrator: correct the orchestrator's token."
    ),
    Reason.PERMISSION_DENIED: "The {service} service refuses the orchestrator: correct the service's policy.",
}
_OTHER_WAY_OUT = "The {service} service failed: report it with the request id."
_EFFECTS = {
    Service.IMAGING: (
        "The intervals are wider by all that the image could have added; "
        "what only an image shows is not assessed."
    ),
    Service.LANGUAGE: (
        "The intervals are wider by all that the note could have added; "
        "what only the note names is not assessed."
    ),
    Service.RECORD: (
        "The intervals are wider by all that the record could have added; "
        "what only the record has is not assessed."
    ),
    Service.RECOMMENDATION: "No treatments are ranked; the assessments do not depend on them.",
}


def case_from(answers: Answers) -> Case:
    """What the branches found, as evidence is read from it."""
    record = answers.record.answer.record if answers.record.answer is not None else None
    return Case(
        images=tuple(
            _reading(index, outcome.answer.analysis)
            for index, outcome in enumerate(answers.images)
            if outcome.answer is not None
        ),
        mentions=tuple(
            _mention(entity)
            for entity in (answers.note.answer.entities if answers.note.answer is not None else ())
            if _is_disease(entity)
        ),
        recorded=tuple(
            _recorded(condition) for condition in (record.conditions if record is not None else ())
        ),
        age_years=record.age_years if record is not None and record.HasField("age_years") else None,
    )


def missing_modalities(answers: Answers) -> set[Modality]:
    """The modalities of which at least one branch failed."""
    return {_MODALITY_OF[o.service] for o in answers.branches() if o.failed and o.service in _MODALITY_OF}


def condition_concept(condition: Condition) -> Concept:
    """The condition in SNOMED CT."""
    return Concept(system=SNOMED, code=condition.code, display=condition.naming.display)


def further(answers: Answers, catalogue: Catalogue) -> Further:
    """What note and images say of the patient beyond the record, for the treatments and their safety."""
    return Further(_further_conditions(answers, catalogue), _further_allergies(answers))


def _further_conditions(answers: Answers, catalogue: Catalogue) -> Sequence[Concept]:
    found = [condition_concept(c) for c in evidence.further_conditions(case_from(answers), catalogue)]
    for entity in answers.note.answer.entities if answers.note.answer is not None else ():
        mention = _mention(entity) if _is_disease(entity) else None
        if mention is not None and mention.is_confident and not catalogue.named(mention.codes, mention.text):
            # SNOMED CT where it is known: the records that the treatments were learned from speak it.
            concepts = sorted(_concepts(entity), key=lambda concept: concept.system != SNOMED)
            found += concepts[:1]
    distinct = {(concept.system, concept.code): concept for concept in found}
    return list(distinct.values())[:MAXIMUM_FURTHER_COUNT]


def _further_allergies(answers: Answers) -> Sequence[Concept]:
    entities = answers.note.answer.entities if answers.note.answer is not None else ()
    # A drug that the terminology does not know goes by its name: the check says what it could not check.
    found = {
        entity.text.lower(): entity.concept if entity.HasField("concept") else _named(entity.text)
        for entity in entities
        if entity.assertion == language_pb2.ASSERTION_ALLERGY
    }
    return list(found.values())[:MAXIMUM_FURTHER_COUNT]


def _named(text: str) -> Concept:
    return Concept(display=text[:MAXIMUM_DISPLAY_LENGTH])


def assessment_messages(assessment: Assessment) -> list[pb.ConditionAssessment]:
    """Each condition's assessment as a message."""
    return [_assessed(one) for one in assessment.conditions]


def disagreement_messages(assessment: Assessment, catalogue: Catalogue) -> list[pb.Disagreement]:
    """Each disagreement as a message."""
    return [
        pb.Disagreement(
            kind=_KINDS[one.kind],
            condition=condition_concept(catalogue.conditions[one.condition]),
            message=_KIND_SENTENCES[one.kind].format(
                condition=catalogue.conditions[one.condition].naming.display.lower()
            ),
        )
        for one in assessment.disagreements
    ]


def branch_message(outcome: Outcome[Any]) -> pb.Branch:
    """How a branch ended, with the way out where it failed."""
    if not outcome.requested:
        return pb.Branch(name=outcome.name, state=pb.Branch.STATE_NOT_REQUESTED)
    branch = pb.Branch(
        name=outcome.name,
        state=pb.Branch.STATE_ANSWERED,
        elapsed_ms=outcome.elapsed_s * 1e3,
        budget_ms=outcome.budget_s * 1e3,
    )
    if outcome.failed:
        reason = outcome.error.reason if outcome.error is not None else Reason.INTERNAL
        branch.state = pb.Branch.STATE_FAILED
        branch.reason = reason
        branch.message = _WAYS_OUT.get(reason, _OTHER_WAY_OUT).format(service=_SERVICE_NAMES[outcome.service])
        branch.effect = _EFFECTS[outcome.service]
    return branch


def notices(answers: Answers, case: Case, catalogue: Catalogue) -> list[Notice]:
    """What the reader should know: of the record's reading, and of images that count less than they could."""
    found = list(answers.record.answer.notices) if answers.record.answer is not None else []
    found += [
        Notice(
            reason="IMAGE_EVIDENCE_UNUSED",
            message=(
                f"Image {image.index} does not look like what its model reads; "
                "it does not count in the assessment."
            ),
        )
        for image in case.images
        if not image.accepted
    ]
    found += [
        Notice(
            reason="RELIABILITY_UNKNOWN",
            message=(
                f"No held-out figure of {model} is known here; its findings do not count in the assessment. "
                "Give the orchestrator the model cards (MEDMESH_MODEL_REPOSITORY)."
            ),
        )
        for model in evidence.unmeasured(case, catalogue)
    ]
    found += [
        Notice(
            reason="OUTSIDE_MODEL_POPULATION",
            message=(
                f"The patient's age lies outside the ages that {model} was trained on; "
                "its evidence counts less."
            ),
        )
        for model in evidence.outside_population(case, catalogue)
    ]
    return found


def all_notices(answers: Answers) -> Iterator[Notice]:
    """Every notice of every branch, wherever in the answer it stands."""
    for outcome in answers.images:
        if outcome.answer is not None:
            yield from outcome.answer.analysis.notices
    for other in (answers.note, answers.record, answers.treatments):
        if other.answer is not None:
            yield from other.answer.notices


def image_results(answers: Answers) -> list[pb.ImageResult]:
    """One for each image that was analysed, in the order of the case."""
    return [
        pb.ImageResult(index=index, analysis=outcome.answer.analysis)
        for index, outcome in enumerate(answers.images)
        if outcome.answer is not None
    ]


def _reading(index: int, analysis: ImageAnalysis) -> ImageReading:
    return ImageReading(
        index=index,
        model=analysis.provenance.model_name,
        probabilities={finding.label: finding.probability for finding in analysis.findings},
        accepted=analysis.gate.accepted if analysis.HasField("gate") else True,
    )


def _mention(entity: language_pb2.Entity) -> Mention:
    return Mention(
        codes=_codes(_concepts(entity)),
        text=entity.text,
        assertion=_ASSERTIONS[entity.assertion],
        confidence=min(max(entity.confidence, 0.0), 1.0),
    )


def _is_disease(entity: language_pb2.Entity) -> bool:
    return entity.type == language_pb2.ENTITY_TYPE_DISEASE and entity.assertion in _ASSERTIONS


def _concepts(entity: language_pb2.Entity) -> list[Concept]:
    return [*([entity.concept] if entity.HasField("concept") else []), *entity.equivalent_concepts]


def _recorded(condition: RecordCondition) -> RecordedCondition:
    stated = condition.active if condition.HasField("active") else not condition.HasField("abatement_time")
    codings = condition.code.codings if condition.HasField("code") else [condition.concept]
    texts = [condition.code.text, *(coding.display for coding in codings)]
    return RecordedCondition(
        _codes(codings),
        tuple(text for text in texts if text),
        stated,
        condition.verification_status in _TENTATIVE,
    )


def _codes(concepts: Iterable[Concept]) -> tuple[Code, ...]:
    return tuple((concept.system, concept.code) for concept in concepts)


def _assessed(one: Assessed) -> pb.ConditionAssessment:
    fused = one.fused
    prior = pb.Contribution(
        modality=pb.MODALITY_PRIOR,
        evidence=f"prior: {one.condition.setting}",
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
            *(
                pb.Contribution(
                    modality=_MODALITIES[weighed.evidence.modality],
                    evidence=weighed.evidence.description,
                    log_odds=weighed.evidence.weight,
                    reliability=weighed.evidence.reliability,
                    share=weighed.share,
                )
                for weighed in fused.evidence
            ),
        ],
        leave_one_out=[
            pb.LeaveOneOut(modality=_MODALITIES[modality], probability=probability)
            for modality, probability in fused.without.items()
        ],
    )
