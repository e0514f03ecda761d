"""The messages of PredictOutcome to the dataclasses of prognosis, and back."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from medmesh.common.v1.answer_pb2 import PredictionSet, Provenance
from medmesh.common.v1.patient_pb2 import ADMINISTRATIVE_GENDER_FEMALE, ADMINISTRATIVE_GENDER_MALE
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc.notices import notice_messages
from services.recommendation.convert_values import age_from, concept_from, concept_message, quantity_from
from services.recommendation.stay import PATH, GivenMeasurement, Stay
from services.recommendation.tasks.time_series_risk import Prediction

_MALE = {ADMINISTRATIVE_GENDER_MALE: True, ADMINISTRATIVE_GENDER_FEMALE: False}


def stay_from(message: pb.HospitalStay) -> Stay:
    """The stay of a request; InvalidInput by field."""
    return Stay(
        measurements=[
            _measurement(item, f"{PATH}[{index}]") for index, item in enumerate(message.measurements)
        ],
        age=age_from(message),
        male=_MALE.get(message.gender),
        height_cm=message.height_cm if message.HasField("height_cm") else None,
        care_unit=message.care_unit,
    )


def prediction_message(prediction: Prediction, provenance: Provenance) -> pb.OutcomePrediction:
    """The prediction."""
    labels = prediction.prediction_set
    return pb.OutcomePrediction(
        outcome=prediction.outcome,
        outcome_concepts=map(concept_message, prediction.outcome_concepts),
        probability=prediction.probability,
        calibrated=prediction.is_calibrated,
        prediction_set=None if labels is None else PredictionSet(labels=labels, coverage=prediction.coverage),
        abstained=prediction.abstained,
        decision_threshold=prediction.decision_threshold,
        variables=(
            pb.VariableInfluence(
                variable=item.variable.name,
                display=item.variable.display,
                concept=concept_message(item.variable.concept),
                probability_without=item.probability_without,
                log_odds=item.log_odds,
            )
            for item in prediction.variables
        ),
        periods=(
            pb.PeriodInfluence(
                start=Duration(seconds=item.start_seconds),
                end=Duration(seconds=item.end_seconds),
                probability_without=item.probability_without,
                log_odds=item.log_odds,
            )
            for item in prediction.periods
        ),
        notices=notice_messages(prediction.notices),
        provenance=provenance,
    )


def _measurement(item: pb.StayMeasurement, path: str) -> GivenMeasurement:
    seconds = item.since_start.seconds + item.since_start.nanos / 1e9
    if seconds < 0:
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.since_start", "must not be negative")
    return GivenMeasurement(concept_from(item.code), quantity_from(item.value), seconds)
