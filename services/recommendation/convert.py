"""The recommendation service's requests and answers to its dataclasses, and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.patient_pb2 import RecordReference
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.rpc.notices import notice_messages
from services.clinical.fhir import ReadBundle
from services.clinical.record import Allergy, Condition, Medication, Reference
from services.clinical.statuses import MedicationStatus
from services.recommendation.convert_values import coded_from, concept_message
from services.recommendation.safety.alerts import Alert, Kind, Severity
from services.recommendation.tasks.record_embedding import SimilarPatient
from services.recommendation.tasks.record_ranking import Ranking, Recommendation

DEFAULT_RESULTS = 10
Refer = Callable[[Reference], RecordReference]

_TREATMENT_KINDS = {
    "medication": pb.TREATMENT_KIND_MEDICATION,
    "procedure": pb.TREATMENT_KIND_PROCEDURE,
    "care_plan": pb.TREATMENT_KIND_CARE_PLAN,
}
_ALERT_KINDS = {
    Kind.ALLERGY: pb.SafetyAlert.KIND_ALLERGY,
    Kind.INTERACTION: pb.SafetyAlert.KIND_INTERACTION,
    Kind.DUPLICATE: pb.SafetyAlert.KIND_DUPLICATE,
    Kind.AGE: pb.SafetyAlert.KIND_AGE,
}
"""What else the rules know of a patient is a condition here: `MedicationAlert` tells more kinds apart."""
_SEVERITIES = {
    Severity.INFORMATION: pb.SafetyAlert.SEVERITY_INFORMATION,
    Severity.CAUTION: pb.SafetyAlert.SEVERITY_CAUTION,
    Severity.CONTRAINDICATED: pb.SafetyAlert.SEVERITY_CONTRAINDICATED,
}


def further_conditions_from(messages: Sequence[CodedConcept]) -> tuple[Condition, ...]:
    """The further conditions of a request; InvalidInput by field."""
    paths = (f"further_conditions[{index}]" for index in range(len(messages)))
    return tuple(
        Condition(coded_from(item, path), place=path) for item, path in zip(messages, paths, strict=True)
    )


def further_allergies_from(messages: Sequence[CodedConcept]) -> tuple[Allergy, ...]:
    """The further allergies of a request; InvalidInput by field."""
    paths = (f"further_allergies[{index}]" for index in range(len(messages)))
    return tuple(
        Allergy(coded_from(item, path), place=path) for item, path in zip(messages, paths, strict=True)
    )


def further_medications_from(messages: Sequence[CodedConcept]) -> tuple[Medication, ...]:
    """The further medications of a request; InvalidInput by field."""
    paths = (f"further_medications[{index}]" for index in range(len(messages)))
    return tuple(
        Medication(coded_from(item, path), status=MedicationStatus.ACTIVE, place=path)
        for item, path in zip(messages, paths, strict=True)
    )


def ranking_message(ranking: Ranking, read: ReadBundle, provenance: Provenance) -> pb.TreatmentRanking:
    """The answer of RankTreatments."""
    # One entry drives many treatments, and raises alerts on many.
    refer = functools.cache(reference_message)
    return pb.TreatmentRanking(
        treatments=[_treatment(item, refer) for item in ranking.recommendations],
        known_conditions=map(refer, ranking.known_conditions),
        unknown_conditions=map(refer, ranking.unknown_conditions),
        notices=notice_messages([*read.notices, *ranking.notices]),
        provenance=provenance,
    )


def similar_message(
    patients: Sequence[SimilarPatient], read: ReadBundle, provenance: Provenance
) -> pb.SimilarPatients:
    """The answer of FindSimilarPatients."""
    return pb.SimilarPatients(
        patients=(
            pb.SimilarPatient(
                reference_id=item.reference_id,
                similarity=item.similarity,
                shared_conditions=map(reference_message, item.shared_conditions),
            )
            for item in patients
        ),
        notices=notice_messages(read.notices),
        provenance=provenance,
    )


def _treatment(item: Recommendation, refer: Refer) -> pb.RankedTreatment:
    return pb.RankedTreatment(
        treatment=concept_message(item.treatment),
        kind=_TREATMENT_KINDS[item.kind],
        score=item.score,
        drivers=(
            pb.TreatmentDriver(
                entry=refer(driver.entry),
                score_without=driver.score_without,
                contribution=driver.contribution,
            )
            for driver in item.drivers
        ),
        alerts=[_alert(alert, refer) for alert in item.alerts],
        contraindicated=any(alert.severity is Severity.CONTRAINDICATED for alert in item.alerts),
    )


def _alert(alert: Alert, refer: Refer) -> pb.SafetyAlert:
    return pb.SafetyAlert(
        kind=_alert_kind(alert),
        severity=_SEVERITIES[alert.severity],
        rule_id=alert.rule_id,
        trigger=None if alert.trigger is None else refer(alert.trigger),
        explanation=alert.explanation,
        source=alert.source,
    )


def _alert_kind(alert: Alert) -> pb.SafetyAlert.Kind:
    if alert.kind is Kind.QT and alert.is_between_drugs:
        return pb.SafetyAlert.KIND_INTERACTION
    return _ALERT_KINDS.get(alert.kind, pb.SafetyAlert.KIND_CONDITION)


def reference_message(entry: Reference) -> RecordReference:
    """An entry of the record, or of the request."""
    return RecordReference(place=entry.place, concept=concept_message(entry.concept))
