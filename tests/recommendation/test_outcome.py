"""Prognosis on a risk that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from services.chassis.errors import ModelFailed
from services.clinical.log_odds import log_odds
from services.recommendation.models import ICU_OUTCOME
from services.recommendation.outcome import (
    calibrated,
    groups,
    predict_outcome,
    prediction_set,
    quantile_key,
)
from services.recommendation.series import VARIABLE_INDEX
from tests.fakes import FakeInference
from tests.recommendation.stays import USUAL, card_parameters, stay

PARAMETERS = card_parameters()
ELDERLY = ("medical_unit", "age_65_to_79")


def additive(inputs):
    """Log-odds: -2, plus 3 for lactate measured at all, plus 1 for a heart rate in the first six hours."""
    lactate = inputs["observed"][:, :, VARIABLE_INDEX["lactate"]].any(axis=1)
    early = inputs["observed"][:, :6, VARIABLE_INDEX["heart_rate"]].any(axis=1)
    return {"probability": (1 / (1 + np.exp(-(-2 + 3 * lactate + early))))[:, None].astype(np.float32)}


async def test_the_explanation_finds_what_the_model_uses():
    outcome = await predict_outcome(
        FakeInference({"icu_outcome": additive}, [ICU_OUTCOME]), stay(0), PARAMETERS
    )
    assert log_odds(outcome.death_probability) == pytest.approx(2, abs=1e-4)
    assert [v.variable for v in outcome.variables[:2]] == ["lactate", "heart_rate"]
    assert outcome.variables[0].log_odds == pytest.approx(3, abs=1e-4)
    assert outcome.variables[1].log_odds == pytest.approx(1, abs=1e-4)
    assert {v.variable for v in outcome.variables} == set(USUAL)
    assert all(v.log_odds == pytest.approx(0, abs=1e-4) for v in outcome.variables[2:])
    assert [p.start_hour for p in outcome.periods] == list(range(0, 48, 6))
    assert outcome.periods[0].log_odds == pytest.approx(1, abs=1e-4)
    assert all(p.log_odds == pytest.approx(0, abs=1e-4) for p in outcome.periods[1:])


async def test_one_call_asks_for_everything():
    inference = FakeInference({"icu_outcome": additive}, [ICU_OUTCOME])
    await predict_outcome(inference, stay(0), PARAMETERS)
    ((_, inputs),) = inference.calls
    assert len(inputs["values"]) == 1 + len(USUAL) + 8


@pytest.mark.parametrize(
    ("probability", "labels"),
    [(0.5, ("died",)), (0.01, ("survived",)), (0.2, ("died", "survived")), (0.069, ("survived",))],
)
def test_the_prediction_set_follows_the_card(probability, labels):
    assert prediction_set(probability, ELDERLY, PARAMETERS) == labels


@pytest.mark.parametrize("group", ELDERLY)
def test_the_most_cautious_of_a_stays_groups_decides(group):
    cautious = PARAMETERS | {quantile_key("survived", group): 0.6}
    assert prediction_set(0.5, ELDERLY, cautious) == ("died", "survived")
    assert prediction_set(0.5, ("surgical_unit", "age_under_50"), cautious) == ("died",)


@pytest.mark.parametrize(
    ("age_years", "band"),
    [
        (15, "age_under_50"),
        (49, "age_under_50"),
        (50, "age_50_to_64"),
        (64.9, "age_50_to_64"),
        (65, "age_65_to_79"),
        (79, "age_65_to_79"),
        (80, "age_80_and_over"),
        (130, "age_80_and_over"),
    ],
)
def test_a_stay_belongs_to_its_unit_and_to_one_age_band(age_years, band):
    assert groups("surgical_unit", age_years) == ("surgical_unit", band)


def test_a_stay_of_unknown_unit_or_age_may_belong_to_any():
    assert len(groups(None, None)) == 8
    assert len(groups(None, 70)) == 5
    assert len(groups("medical_unit", None)) == 5


def test_the_card_calibrates_the_risk_and_with_it_the_explanation():
    raw = np.array([0.1, 0.5, 0.9])
    assert calibrated(raw, {}) == pytest.approx(raw)
    scaled = calibrated(raw, {"calibration_slope": 2.0, "calibration_offset": -1.0})
    assert np.log(scaled / (1 - scaled)) == pytest.approx(2 * np.log(raw / (1 - raw)) - 1)
    assert np.isfinite(calibrated(np.array([0.0, 1.0]), {"calibration_slope": 3.0})).all()


async def test_what_drives_a_calibrated_risk_is_told_on_its_scale():
    inference = FakeInference({"icu_outcome": additive}, [ICU_OUTCOME])
    outcome = await predict_outcome(inference, stay(0), PARAMETERS | {"calibration_slope": 2.0})
    assert log_odds(outcome.death_probability) == pytest.approx(4, abs=1e-4)
    assert outcome.variables[0].log_odds == pytest.approx(6, abs=1e-4)


@pytest.mark.parametrize("answer", [np.nan, 1.5, -0.1])
async def test_what_is_no_probability_is_the_models_failure(answer):
    def broken(inputs):
        return {"probability": np.full((len(inputs["values"]), 1), answer, np.float32)}

    with pytest.raises(ModelFailed):
        await predict_outcome(FakeInference({"icu_outcome": broken}, [ICU_OUTCOME]), stay(0), PARAMETERS)
