"""How the prognosis is calibrated: by fold, spread for the mean of groups, and with sets for each group."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not here: make test-training")
pytest.importorskip("pandas", reason="pandas is not here: make test-training")

from services.recommendation.risk import OutcomeSets
from services.recommendation.stay import MeasurementReader
from tests.recommendation.stays import PREPARATION, stay
from training.icu_outcome.calibration import (
    GROUPS,
    Scaling,
    Sets,
    agreement,
    fit_scaling,
    mean_scaling,
    membership,
    serving,
)
from training.icu_outcome.preparation import STATIC_NAMES

FOLDS = 5


def forecasts(count, noise, rate=0.2, separation=2.5, seed=0):
    """What died, and calibrated log-odds of FOLDS forecasters, `[folds, count]`: they share a signal, each
    with normal noise of its own, of equal variance in both classes.
    """
    rng = np.random.default_rng(seed)
    died = (rng.random(count) < rate).astype(np.int64)
    signal = rng.normal(0, np.sqrt(separation), count) + separation * (died - 0.5)
    noisy = signal + rng.normal(0, np.sqrt(noise), (FOLDS, count))
    kept = separation / (separation + noise)
    return died, kept * noisy + np.log(rate / (1 - rate))


def fold_of(count):
    return np.arange(count) % FOLDS


def test_the_mean_of_calibrated_forecasts_is_too_timid_and_the_spread_corrects_it():
    died, by_group = forecasts(60_000, noise=1.0)
    mean = by_group.mean(axis=0)
    assert fit_scaling(by_group[0], died).slope == pytest.approx(1, abs=0.04)
    assert fit_scaling(mean, died).slope > 1.2
    common = agreement(by_group, died, fold_of(len(died)))
    spread = Scaling(1.0, 0.0).spread(common, FOLDS, float(died.mean()))
    p = spread.probability(mean)
    assert fit_scaling(np.log(p / (1 - p)), died).slope == pytest.approx(1, abs=0.04)
    assert p.mean() == pytest.approx(died.mean(), abs=0.01)


def test_forecasts_that_agree_need_no_spread():
    assert Scaling(0.9, 0.1).spread(1.0, FOLDS, 0.2) == Scaling(0.9, 0.1)


def test_groups_of_different_scale_are_fitted_each_on_its_own_stays():
    """One fit of all takes the scales for noise: its slope lies below the mean of those that are right."""
    died, by_group = forecasts(60_000, noise=0.0)
    fold = fold_of(len(died))
    scales = np.array([0.5, 0.8, 1.0, 1.6, 2.5])
    log_odds = by_group[fold, np.arange(len(fold))] * scales[fold]
    right = np.mean(1 / scales)
    assert mean_scaling(log_odds, died, fold).slope == pytest.approx(right, abs=0.05)
    assert fit_scaling(log_odds, died).slope < right - 0.1


def static(unit, age):
    row = np.full(len(STATIC_NAMES), np.nan, np.float32)
    row[STATIC_NAMES.index("age_years")] = age
    if unit is not None:
        row[3:] = 0
        row[STATIC_NAMES.index(f"unit:{unit}")] = 1
    return row


def test_a_stay_of_unknown_unit_or_age_counts_in_every_group_it_may_belong_to():
    table = membership(np.stack([static("surgical", 82), static(None, 60), static("medical", np.nan)]))
    names = [{GROUPS[i] for i in np.flatnonzero(row)} for row in table]
    assert names[0] == {"unit:surgical", "age:80-"}
    assert len(names[1]) == 5
    assert "age:50-64" in names[1]
    assert len(names[2]) == 5


@pytest.fixture
def uneven():
    """Stays of which those of the medical unit die with lower risks than elsewhere: sets must be wider."""
    rng = np.random.default_rng(1)
    count = 20_000
    medical = rng.random(count) < 0.5
    died = (rng.random(count) < 0.3).astype(np.int64)
    centre = np.where(died == 1, np.where(medical, 0.0, 2.0), -2.0)
    p = 1 / (1 + np.exp(-(centre + rng.normal(0, 1, count))))
    rows = [static("medical" if m else "surgical", 70) for m in medical]
    return p, died, membership(np.stack(rows)), medical


def test_each_unit_is_covered_as_often_as_the_others(uneven):
    p, died, members, medical = uneven
    half = np.arange(len(p)) < len(p) // 2
    sets = Sets.fit(p[half], died[half], members[half])
    possible = sets.possible(p[~half], members[~half])
    covered = np.where(died[~half] == 1, possible["died"], possible["survived"])
    for own in (medical[~half], ~medical[~half]):
        assert covered[own & (died[~half] == 1)].mean() > 0.88
        assert covered[own & (died[~half] == 0)].mean() > 0.88


def test_the_service_draws_the_same_sets_from_the_card(uneven):
    p, died, members, medical = uneven
    sets = Sets.fit(p, died, members)
    task = serving(Scaling(1.0, 0.0), sets, 0.3).time_series_risk
    limits = {group: {} for group in GROUPS}
    for threshold in task.conformal.thresholds:
        limits[threshold.group][threshold.label] = threshold.max_improbability
    served = OutcomeSets(task.conformal.coverage, "died", "survived", limits)
    edges = [value for own in limits.values() for value in own.values()]
    possible = sets.possible(p[:200], members[:200])
    for row in range(200):
        expected = {outcome for outcome in possible if possible[outcome][row]}
        if min(abs(edge - q) for edge in edges for q in (p[row], 1 - p[row])) > 1e-5:
            unit = "medical" if medical[row] else "surgical"
            assert set(served.members(float(p[row]), unit, 70)) == expected


def test_the_groups_inside_the_served_graph_are_on_its_scale_and_make_its_answer():
    pytest.importorskip("torch", reason="torch is not here: make test-training")
    from training.icu_outcome.exported import by_group, member_logits
    from training.model_card import MODEL_REPOSITORY

    path = MODEL_REPOSITORY / "icu_outcome" / "1" / "model.onnx"
    reader = MeasurementReader(PREPARATION)
    stays = [stay(seed, grave=seed % 2 == 0) for seed in range(6)]
    hourly = np.stack([PREPARATION.binned(reader.read(one.measurements)[0]) for one in stays])
    inputs = PREPARATION.tensors(hourly, np.stack([static("medical", 60 + seed) for seed in range(6)]))
    logits, answered = member_logits(path, inputs)
    groups = by_group(path, inputs)
    assert (logits.shape, groups.shape) == ((15, 6), (FOLDS, 6))
    assert groups.mean(axis=0) == pytest.approx(answered, abs=1e-3)
    assert np.ptp(groups, axis=0).min() > 0.01
