"""The messages of PredictOutcome to the dataclasses of prognosis, and back."""

from __future__ import annotations

import math
from typing import Any

from medmesh.common.v1 import patient_pb2
from medmesh.common.v1.answer_pb2 import Notice, PredictionSet, Provenance
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.recommendation.outcome import Outcome
from services.recommendation.series import (
    HOUR_COUNT,
    STATIC_NAMES,
    VARIABLE_INDEX,
    VARIABLES,
    IcuStay,
    Measurement,
)

MAX_MEASUREMENTS = 20_000
MIN_AGE_YEARS, MAX_AGE_YEARS = 15, 130

_NUMBERS: dict[str, Any] = {
    item.name: pb.IcuVariable.Value(f"ICU_VARIABLE_{item.name.upper()}") for item in VARIABLES
}
_NAMES = {number: name for name, number in _NUMBERS.items()}
_UNITS = dict(
    zip(
        (
            pb.ICU_UNIT_CORONARY_CARE,
            pb.ICU_UNIT_CARDIAC_SURGERY,
            pb.ICU_UNIT_MEDICAL,
            pb.ICU_UNIT_SURGICAL,
        ),
        STATIC_NAMES[3:],
        strict=True,
    )
)
_MALE = {patient_pb2.ADMINISTRATIVE_GENDER_MALE: True, patient_pb2.ADMINISTRATIVE_GENDER_FEMALE: False}


def stay_from(message: pb.IcuStay) -> IcuStay:
    """The stay of a request; InvalidInput by field."""
    if not message.measurements:
        raise InvalidInput(Reason.INPUT_MISSING, "stay.measurements", "must have at least one item")
    if len(message.measurements) > MAX_MEASUREMENTS:
        description = f"must have at most {MAX_MEASUREMENTS} items"
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "stay.measurements", description)
    if message.HasField("age_years") and not MIN_AGE_YEARS <= message.age_years <= MAX_AGE_YEARS:
        description = f"must lie between {MIN_AGE_YEARS} and {MAX_AGE_YEARS}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "stay.age_years", description)
    if not math.isfinite(message.height_cm):
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "stay.height_cm", "must be finite")
    return IcuStay(
        measurements=[
            _measurement(item, f"stay.measurements[{index}]")
            for index, item in enumerate(message.measurements)
        ],
        age_years=message.age_years if message.HasField("age_years") else None,
        male=_MALE.get(message.gender),
        height_cm=message.height_cm if message.HasField("height_cm") else None,
        unit=_UNITS.get(message.unit),
    )


def outcome_message(outcome: Outcome, stay: IcuStay, provenance: Provenance) -> pb.PredictOutcomeResponse:
    """The answer of PredictOutcome."""
    return pb.PredictOutcomeResponse(
        death_probability=outcome.death_probability,
        prediction_set=PredictionSet(labels=outcome.prediction_set, coverage=outcome.coverage),
        abstained=outcome.abstained,
        variables=[
            pb.OutcomeDriver(
                variable=_NUMBERS[item.variable],
                probability_without=item.probability_without,
                log_odds=item.log_odds,
            )
            for item in outcome.variables
        ],
        periods=[
            pb.OutcomePeriod(
                start_hour=item.start_hour,
                end_hour=item.end_hour,
                probability_without=item.probability_without,
                log_odds=item.log_odds,
            )
            for item in outcome.periods
        ],
        notices=_notices(stay),
        provenance=provenance,
    )


def _measurement(item: pb.IcuMeasurement, path: str) -> Measurement:
    name = _NAMES.get(item.variable)
    if name is None:
        raise InvalidInput(Reason.INPUT_MISSING, f"{path}.variable", "must be a variable of the contract")
    if not 0 <= item.hour <= HOUR_COUNT:  # also refuses NaN
        description = f"must lie between 0 and {HOUR_COUNT}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.hour", description)
    if not math.isfinite(item.value):
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.value", "must be finite")
    return Measurement(name, item.hour, item.value)


def _notices(stay: IcuStay) -> list[Notice]:
    variables = (VARIABLES[VARIABLE_INDEX[item.variable]] for item in stay.measurements)
    pairs = zip(stay.measurements, variables, strict=True)
    skipped = sum(not variable.low <= item.value <= variable.high for item, variable in pairs)
    if not skipped:
        return []
    text = f"{skipped} measurements lie far outside of what is possible and were left out."
    return [Notice(reason="IMPLAUSIBLE_VALUES_SKIPPED", message=text)]
