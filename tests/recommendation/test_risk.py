"""Prognosis on a risk that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, ModelFailed, Reason
from services.clinical.dates import Age, AgeUnit
from services.clinical.log_odds import log_odds
from services.recommendation.__main__ import RISK
from services.recommendation.risk import Curve, OutcomeSets, groups_of
from services.recommendation.stay import Stay
from tests.fakes import FakeInference, write_model_repository
from tests.recommendation.conftest import PROGNOSIS, catalog_of
from tests.recommendation.stays import PREPARATION, USUAL, measurement, risk_card, stay

MEDICAL, SURGICAL = "unit:medical", "unit:surgical"
BANDS = ("age:0-49", "age:50-64", "age:65-79", "age:80-")


def additive(inputs):
    """Log-odds: -2, plus 3 for lactate measured at all, plus 1 for a heart rate in the first six hours."""
    lactate = inputs["observed"][:, :, PREPARATION.column("lactate")].any(axis=1)
    early = inputs["observed"][:, :6, PREPARATION.column("heart_rate")].any(axis=1)
    return {"probability": (1 / (1 + np.exp(-(-2 + 3 * lactate + early))))[:, None].astype(np.float32)}


@pytest.fixture
def make(tmp_path):
    """What the service makes of a card, on a risk in closed form."""

    def made(card=None, function=additive):
        inference = FakeInference({PROGNOSIS: function})
        repository = write_model_repository(tmp_path, [card or risk_card()])
        return catalog_of(repository, inference).only(RISK), inference

    return made


def sets(died=0.93, survived=0.25, **other):
    limits = {name: {"died": died, "survived": survived} for name in (MEDICAL, SURGICAL, *BANDS)}
    return OutcomeSets(0.9, "died", "survived", limits | other)


async def test_the_explanation_finds_what_the_model_uses(make):
    prediction, provenance = await make()[0].predict(stay(0))
    assert prediction.outcome == "died"
    assert log_odds(prediction.probability) == pytest.approx(2, abs=1e-4)
    assert [v.variable.name for v in prediction.variables[:2]] == ["lactate", "heart_rate"]
    assert prediction.variables[0].log_odds == pytest.approx(3, abs=1e-4)
    assert prediction.variables[1].log_odds == pytest.approx(1, abs=1e-4)
    assert {v.variable.name for v in prediction.variables} == set(USUAL)
    assert all(v.log_odds == pytest.approx(0, abs=1e-4) for v in prediction.variables[2:])
    assert [p.start_seconds for p in prediction.periods] == [hour * 3600 for hour in range(0, 48, 6)]
    assert prediction.periods[-1].end_seconds == 48 * 3600
    assert prediction.periods[0].log_odds == pytest.approx(1, abs=1e-4)
    assert all(p.log_odds == pytest.approx(0, abs=1e-4) for p in prediction.periods[1:])
    assert provenance.model_name == PROGNOSIS


async def test_everything_is_asked_in_as_few_calls_as_the_model_takes(make):
    """A model without its configuration here is asked 32 rows at a time: 23 fit one call, 46 need two."""
    risk, inference = make()
    await risk.predict(stay(0))
    assert [len(inputs["values"]) for _, inputs in inference.calls] == [1 + len(USUAL) + 8]
    every = [
        measurement(item.name, hour, (item.low + item.high) / 2)
        for item in PREPARATION.variables
        for hour in range(0, 48, 6)
    ]
    await risk.predict(Stay(every))
    assert [len(inputs["values"]) for _, inputs in inference.calls[1:]] == [32, 1 + 37 + 8 - 32]


@pytest.mark.parametrize(
    ("probability", "labels"),
    [(0.5, ("died",)), (0.01, ("survived",)), (0.2, ("died", "survived")), (0.069, ("survived",))],
)
def test_the_prediction_set_follows_the_card(probability, labels):
    assert sets().members(probability, "medical", 68) == labels


@pytest.mark.parametrize("group", [MEDICAL, "age:65-79"])
def test_the_most_cautious_of_a_stays_groups_decides(group):
    cautious = sets(**{group: {"died": 0.93, "survived": 0.6}})
    assert cautious.members(0.5, "medical", 68) == ("died", "survived")
    assert cautious.members(0.5, "surgical", 40) == ("died",)


@pytest.mark.parametrize(
    ("age_years", "band"),
    [(15, 0), (49, 0), (50, 1), (64.9, 1), (65, 2), (79, 2), (80, 3), (130, 3)],
)
def test_a_stay_belongs_to_its_unit_and_to_one_age_band(age_years, band):
    assert groups_of(sets().limits, "surgical", age_years) == (SURGICAL, BANDS[band])


def test_a_stay_of_unknown_unit_or_age_may_belong_to_any():
    names = sets().limits
    assert len(groups_of(names, None, None)) == 6
    assert len(groups_of(names, None, 70)) == 3
    assert len(groups_of(names, "medical", None)) == 5


def test_the_card_calibrates_the_risk():
    raw = np.array([0.1, 0.5, 0.9])
    assert Curve()(raw) == pytest.approx(raw)
    scaled = Curve(2.0, 2.0, -1.0)(raw)
    assert np.log(scaled / (1 - scaled)) == pytest.approx(2 * np.log(raw / (1 - raw)) - 1)
    bent = Curve(2.0, 0.5, 0.0)(raw)
    assert np.log(bent / (1 - bent)) == pytest.approx(2 * np.log(raw) - 0.5 * np.log(1 - raw))
    assert np.isfinite(Curve(3.0, 3.0)(np.array([0.0, 1.0]))).all()


async def test_what_drives_a_calibrated_risk_is_told_on_its_scale(make):
    prediction, _ = await make(risk_card(slope=2.0))[0].predict(stay(0))
    assert log_odds(prediction.probability) == pytest.approx(4, abs=1e-4)
    assert prediction.variables[0].log_odds == pytest.approx(6, abs=1e-4)


async def test_a_card_without_thresholds_gives_a_risk_without_a_set(make):
    card = risk_card()
    card.serving.time_series_risk.ClearField("conformal")
    prediction, _ = await make(card)[0].predict(stay(0))
    assert prediction.prediction_set is None
    assert not prediction.abstained


@pytest.mark.parametrize("answer", [np.nan, 1.5, -0.1])
async def test_what_is_no_probability_is_the_models_failure(make, answer):
    def broken(inputs):
        return {"probability": np.full((len(inputs["values"]), 1), answer, np.float32)}

    with pytest.raises(ModelFailed):
        await make(function=broken)[0].predict(stay(0))


@pytest.mark.parametrize("age", [Age(14), Age(20, AgeUnit.MONTHS), Age(3, AgeUnit.DAYS)])
async def test_a_patient_whom_the_model_was_not_made_for_is_refused(make, age):
    with pytest.raises(InvalidInput) as caught:
        await make()[0].predict(Stay(stay(0).measurements, age=age))
    assert (caught.value.reason, caught.value.field) == (Reason.INPUT_UNSUPPORTED, "stay.age")
    assert "from 15 years" in caught.value.description


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda task: task.preprocessing.ClearField("variables"), "preprocessing.variables"),
        (
            lambda task: task.preprocessing.variables[1].codes.append(
                task.preprocessing.variables[0].codes[0]
            ),
            "preprocessing.variables",
        ),
        (lambda task: task.preprocessing.static_columns.append("weight_kg"), "preprocessing.static_columns"),
        (lambda task: task.preprocessing.static_columns.pop(), "preprocessing.static_tensor"),
        (lambda task: setattr(task.preprocessing, "bin_count", 47), "preprocessing.values_tensor"),
        (lambda task: setattr(task.conformal.thresholds[0], "label", "left"), "conformal.thresholds"),
        (lambda task: setattr(task.conformal.thresholds[0], "group", "age:old"), "age:old"),
        (lambda task: task.conformal.thresholds.pop(), "conformal.thresholds"),
        (lambda task: setattr(task.conformal, "coverage", 1.5), "conformal.coverage"),
        (lambda task: setattr(task.calibration.curves[0], "rise", -1), "calibration.curves"),
    ],
)
def test_a_card_that_does_not_hold_is_refused_by_its_field(tmp_path, change, told):
    card = risk_card()
    change(card.serving.time_series_risk)
    repository = write_model_repository(tmp_path, [card])
    [entry] = catalog_of(repository, FakeInference({PROGNOSIS: additive})).entries()
    assert told in entry.refusal
