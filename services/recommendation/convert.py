"""The recommendation service's messages to its dataclasses, and back. Bounds of typed records are checked
here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from medmesh.common.v1 import answer_pb2, concept_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice, notice_messages
from services.recommendation.fhir import (
    MAX_AGE_YEARS,
    MAX_CODE,
    MAX_DISPLAY,
    MAX_ITEMS,
    MAX_SYSTEM,
    ReadBundle,
    read_bundle,
)
from services.recommendation.ranking import Driver, Ranking, Recommendation
from services.recommendation.record import (
    Allergy,
    Concept,
    Condition,
    Gender,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
)
from services.recommendation.safety import Alert, Kind, Severity
from services.recommendation.similarity import SimilarPatient

MAX_FURTHER_CONDITIONS = 100
MAX_RESULTS = 100
DEFAULT_RESULTS = 10

_GENDERS = {
    Gender.UNSPECIFIED: patient.ADMINISTRATIVE_GENDER_UNSPECIFIED,
    Gender.MALE: patient.ADMINISTRATIVE_GENDER_MALE,
    Gender.FEMALE: patient.ADMINISTRATIVE_GENDER_FEMALE,
    Gender.OTHER: patient.ADMINISTRATIVE_GENDER_OTHER,
    Gender.UNKNOWN: patient.ADMINISTRATIVE_GENDER_UNKNOWN,
}
_GENDER_OF = {number: gender for gender, number in _GENDERS.items()}
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


def record_from(message: patient.PatientInput) -> ReadBundle:
    """The record of either form; InvalidInput with the field's path from `patient` on. Long bundles take
    seconds.
    """
    match message.WhichOneof("form"):
        case "record":
            return ReadBundle(_record(message.record))
        case "fhir_bundle":
            try:
                return read_bundle(message.fhir_bundle)
            except InvalidInput as error:
                path = f"patient.fhir_bundle.{error.field}" if error.field else "patient.fhir_bundle"
                # `from None`: the inner error says the same without the path's beginning.
                raise InvalidInput(error.reason, path, error.description) from None
        case _:
            raise InvalidInput(Reason.INPUT_MISSING, "patient", "needs a record or a FHIR bundle")


def further_from(messages: Sequence[concept_pb2.Concept]) -> tuple[Concept, ...]:
    """The further conditions of a request; InvalidInput by field."""
    if len(messages) > MAX_FURTHER_CONDITIONS:
        description = f"must have at most {MAX_FURTHER_CONDITIONS} items"
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "further_conditions", description)
    return tuple(_concept(item, f"further_conditions[{index}]") for index, item in enumerate(messages))


def count_from(requested: int) -> int:
    """How many results are wanted; InvalidInput beyond the bounds."""
    if not 0 <= requested <= MAX_RESULTS:
        description = f"must lie between 0 and {MAX_RESULTS}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "max_result_count", description)
    return requested or DEFAULT_RESULTS


def record_message(read: ReadBundle) -> pb.ReadRecordResponse:
    """The answer of ReadRecord."""
    record = read.record
    message = patient.PatientRecord(
        gender=_GENDERS[record.gender],
        conditions=[
            patient.Condition(
                concept=concept_message(item.concept),
                active=item.active,
                onset_time=_time(item.onset),
                abatement_time=_time(item.abatement),
            )
            for item in record.conditions
        ],
        medications=[
            patient.Medication(
                concept=concept_message(item.concept),
                active=item.active,
                authored_time=_time(item.authored),
                reason=None if item.reason is None else concept_message(item.reason),
            )
            for item in record.medications
        ],
        procedures=[
            patient.Procedure(concept=concept_message(item.concept), performed_time=_time(item.performed))
            for item in record.procedures
        ],
        allergies=[patient.Allergy(concept=concept_message(item.concept)) for item in record.allergies],
        observations=[
            patient.Observation(
                concept=concept_message(item.concept),
                value=item.value,
                unit=item.unit,
                observed_time=_time(item.observed),
            )
            for item in record.observations
        ],
    )
    if record.age_years is not None:
        message.age_years = record.age_years
    return pb.ReadRecordResponse(record=message, notices=notice_messages(reading_notices(read)))


def reading_notices(read: ReadBundle) -> list[Notice]:
    """What of a bundle is not in its record."""
    notices = []
    if read.skipped_kinds:
        text = f"{read.skipped_kinds} resources are of kinds that are not read, e.g. encounters and claims."
        notices.append(Notice("RESOURCES_SKIPPED", text))
    if read.skipped_items:
        text = (
            f"{read.skipped_items} resources have no code or no patient, or state no fact (refuted, planned)."
        )
        notices.append(Notice("RESOURCES_NOT_USABLE", text))
    return notices


def ranking_message(
    ranking: Ranking, read: ReadBundle, provenance: answer_pb2.Provenance
) -> pb.RankTreatmentsResponse:
    """The answer of RankTreatments."""
    return pb.RankTreatmentsResponse(
        recommendations=[_recommendation(item) for item in ranking.recommendations],
        known_conditions=map(concept_message, ranking.known_conditions),
        unknown_conditions=map(concept_message, ranking.unknown_conditions),
        notices=notice_messages([*reading_notices(read), *ranking.notices]),
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
        notices=notice_messages(reading_notices(read)),
        provenance=provenance,
    )


def concept_message(concept: Concept) -> concept_pb2.Concept:
    """A concept."""
    return concept_pb2.Concept(system=concept.system, code=concept.code, display=concept.display)


def _record(message: patient.PatientRecord) -> PatientRecord:
    for name, limit in MAX_ITEMS.items():
        if len(getattr(message, name)) > limit:
            description = f"must have at most {limit} items"
            raise InvalidInput(Reason.INPUT_TOO_LARGE, f"patient.record.{name}", description)
    if message.HasField("age_years") and not 0 <= message.age_years <= MAX_AGE_YEARS:
        description = f"must lie between 0 and {MAX_AGE_YEARS}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "patient.record.age_years", description)
    return PatientRecord(
        age_years=message.age_years if message.HasField("age_years") else None,
        # A number of a later contract counts as not stated.
        gender=_GENDER_OF.get(message.gender, Gender.UNSPECIFIED),
        conditions=tuple(_condition(*item) for item in _each(message, "conditions")),
        medications=tuple(_medication(*item) for item in _each(message, "medications")),
        procedures=tuple(
            Procedure(_concept(item.concept, f"{path}.concept"), _day(item, "performed_time", path))
            for item, path in _each(message, "procedures")
        ),
        allergies=tuple(
            Allergy(_concept(item.concept, f"{path}.concept")) for item, path in _each(message, "allergies")
        ),
        observations=tuple(_observation(*item) for item in _each(message, "observations")),
    )


def _each(message: patient.PatientRecord, name: str) -> Iterable[tuple[Any, str]]:
    """The items of a list of the record, each with its path."""
    return ((item, f"patient.record.{name}[{index}]") for index, item in enumerate(getattr(message, name)))


def _condition(item: patient.Condition, path: str) -> Condition:
    return Condition(
        _concept(item.concept, f"{path}.concept"),
        item.active if item.HasField("active") else None,
        _day(item, "onset_time", path),
        _day(item, "abatement_time", path),
    )


def _medication(item: patient.Medication, path: str) -> Medication:
    return Medication(
        _concept(item.concept, f"{path}.concept"),
        item.active if item.HasField("active") else None,
        _day(item, "authored_time", path),
        _concept(item.reason, f"{path}.reason") if item.HasField("reason") else None,
    )


def _observation(item: patient.Observation, path: str) -> Observation:
    if not math.isfinite(item.value):
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.value", "must be finite")
    if len(item.unit) > MAX_CODE:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, f"{path}.unit", f"must have at most {MAX_CODE} characters")
    concept = _concept(item.concept, f"{path}.concept")
    return Observation(concept, item.value, item.unit, _day(item, "observed_time", path))


def _concept(message: concept_pb2.Concept, path: str) -> Concept:
    for name, limit, required in (
        ("system", MAX_SYSTEM, True),
        ("code", MAX_CODE, True),
        ("display", MAX_DISPLAY, False),
    ):
        value = getattr(message, name)
        if required and not value:
            raise InvalidInput(Reason.INPUT_MISSING, f"{path}.{name}", "is required")
        if len(value) > limit:
            description = f"must have at most {limit} characters"
            raise InvalidInput(Reason.INPUT_TOO_LARGE, f"{path}.{name}", description)
    return Concept(message.system, message.code, message.display)


def _day(item: Message, name: str, path: str) -> date | None:
    """The day of a timestamp in UTC; None where it is absent."""
    if not item.HasField(name):
        return None
    try:
        return cast("datetime", getattr(item, name).ToDatetime(UTC)).date()
    except (ValueError, OverflowError):
        # `from None`: the cause quotes the time.
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.{name}", "must be a valid time") from None


def _time(day: date | None) -> Timestamp | None:
    """The beginning of the day in UTC."""
    if day is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(datetime(day.year, day.month, day.day, tzinfo=UTC))
    return stamp


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
