"""Prognosis on a risk that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from services.chassis.errors import ModelFailed
from services.recommendation.models import ICU_OUTCOME
from services.recommendation.outcome import log_odds, predict_outcome, prediction_set
from services.recommendation.series import VARIABLE_INDEX
from tests.fakes import FakeInference
from tests.recommendation.stays import USUAL, stay

PARAMETERS = {
    "conformal_coverage": 0.9,
    "conformal_died_quantile": 0.93,
    "conformal_survived_quantile": 0.25,
}


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
    assert prediction_set(probability, PARAMETERS) == labels


@pytest.mark.parametrize("answer", [np.nan, 1.5, -0.1])
async def test_what_is_no_probability_is_the_models_failure(answer):
    def broken(inputs):
        return {"probability": np.full((len(inputs["values"]), 1), answer, np.float32)}

    with pytest.raises(ModelFailed):
        await predict_outcome(FakeInference({"icu_outcome": broken}, [ICU_OUTCOME]), stay(0), PARAMETERS)
