"""The recommendation service's requests and answers to its dataclasses, and back."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1 import answer_pb2, concept_pb2
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import Concept
from services.clinical.fhir import ReadBundle
from services.clinical.record import Allergy
from services.recommendation.convert_record import concept_from, concept_message, named_concept_from
from services.recommendation.ranking import Driver, Ranking, Recommendation
from services.recommendation.safety_rules import Alert, Kind, Severity
from services.recommendation.similarity import SimilarPatient

MAX_FURTHER = 100
MAX_RESULTS = 100
DEFAULT_RESULTS = 10

_TREATMENT_KINDS = {
    "medication": pb.TREATMENT_KIND_MEDICATION,
    "procedure": pb.TREATMENT_KIND_PROCEDURE,
    "care_plan": pb.TREATMENT_KIND_CARE_PLAN,
}
_ALERT_KINDS = {
    Kind.ALLERGY: pb.SafetyAlert.KIND_ALLERGY,
    Kind.INTERACTION: pb.SafetyAlert.KIND_INTERACTION,
    Kind.DUPLICATE: pb.SafetyAlert.KIND_DUPLICATE,
    Kind.CONDITION: pb.SafetyAlert.KIND_CONDITION,
    Kind.AGE: pb.SafetyAlert.KIND_AGE,
}
_SEVERITIES = {
    Severity.INFORMATION: pb.SafetyAlert.SEVERITY_INFORMATION,
    Severity.CAUTION: pb.SafetyAlert.SEVERITY_CAUTION,
    Severity.CONTRAINDICATED: pb.SafetyAlert.SEVERITY_CONTRAINDICATED,
}


def further_from(messages: Sequence[concept_pb2.Concept]) -> tuple[Concept, ...]:
    """The further conditions of a request; InvalidInput by field."""
    _bounded(messages, "further_conditions")
    return tuple(concept_from(item, f"further_conditions[{index}]") for index, item in enumerate(messages))


def further_allergies_from(messages: Sequence[concept_pb2.Concept]) -> tuple[Allergy, ...]:
    """The further allergies of a request, some of which have only words; InvalidInput by field."""
    _bounded(messages, "further_allergies")
    paths = (f"further_allergies[{index}]" for index in range(len(messages)))
    return tuple(
        Allergy(named_concept_from(item, path), place=path)
        for item, path in zip(messages, paths, strict=True)
    )


def _bounded(messages: Sequence[concept_pb2.Concept], name: str) -> None:
    if len(messages) > MAX_FURTHER:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, name, f"must have at most {MAX_FURTHER} items")


def count_from(requested: int) -> int:
    """How many results are wanted; InvalidInput beyond the bounds."""
    if not 0 <= requested <= MAX_RESULTS:
        description = f"must lie between 0 and {MAX_RESULTS}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "max_result_count", description)
    return requested or DEFAULT_RESULTS


def ranking_message(
    ranking: Ranking, read: ReadBundle, provenance: answer_pb2.Provenance
) -> pb.RankTreatmentsResponse:
    """The answer of RankTreatments."""
    return pb.RankTreatmentsResponse(
        recommendations=[_recommendation(item) for item in ranking.recommendations],
        known_conditions=map(concept_message, ranking.known_conditions),
        unknown_conditions=map(concept_message, ranking.unknown_conditions),
        notices=notice_messages([*read.notices, *ranking.notices]),
        provenance=provenance,
    )


def similar_message(
    patients: Sequence[SimilarPatient], read: ReadBundle, provenance: answer_pb2.Provenance
) -> pb.FindSimilarPatientsResponse:
    """The answer of FindSimilarPatients."""
    return pb.FindSimilarPatientsResponse(
        patients=[
            pb.SimilarPatient(
                reference_id=item.reference_id,
                similarity=item.similarity,
                shared_conditions=map(concept_message, item.shared_conditions),
            )
            for item in patients
        ],
        notices=notice_messages(read.notices),
        provenance=provenance,
    )


def _recommendation(item: Recommendation) -> pb.Recommendation:
    return pb.Recommendation(
        treatment=concept_message(item.treatment),
        kind=_TREATMENT_KINDS[item.kind],
        score=item.score,
        drivers=[_driver(driver) for driver in item.drivers],
        alerts=[_alert(alert) for alert in item.alerts],
        contraindicated=any(alert.severity is Severity.CONTRAINDICATED for alert in item.alerts),
    )


def _driver(driver: Driver) -> pb.Driver:
    return pb.Driver(
        concept=concept_message(driver.concept),
        score_without=driver.score_without,
        contribution=driver.contribution,
    )


def _alert(alert: Alert) -> pb.SafetyAlert:
    return pb.SafetyAlert(
        kind=_ALERT_KINDS[alert.kind],
        severity=_SEVERITIES[alert.severity],
        trigger=None if alert.trigger is None else concept_message(alert.trigger),
        explanation=alert.explanation,
        source=alert.source,
    )
