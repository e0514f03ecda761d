"""Preprocessing of intensive-care time series."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.series import Facts, Measurement
from tests.recommendation.stays import PREPARATION

HEART_RATE = PREPARATION.column("heart_rate")
HOUR_COUNT = PREPARATION.bin_count


def hourly(*measurements, preparation=PREPARATION):
    """Means of measurements, each a variable, an hour and a value."""
    return preparation.binned(
        [Measurement(preparation.column(name), hour * 3600, value) for name, hour, value in measurements]
    )


def tensors_of(*measurements, preparation=PREPARATION):
    static = preparation.static_row(Facts())
    return preparation.tensors(hourly(*measurements, preparation=preparation)[None], static[None])


def test_an_hour_is_the_mean_of_its_measurements():
    means = hourly(("heart_rate", 3.1, 80), ("heart_rate", 3.9, 100), ("heart_rate", 4, 70))
    assert means[3, HEART_RATE] == 90
    assert means[4, HEART_RATE] == 70
    assert np.isnan(means[5, HEART_RATE])


def test_the_last_value_is_carried_forward_and_its_age_counted():
    out = tensors_of(("heart_rate", 2, 80), ("heart_rate", 5, 90))
    values, gaps = out["values"][0, :, HEART_RATE], out["gap_hours"][0, :, HEART_RATE]
    assert np.isnan(values[:2]).all()
    assert values[2:7].tolist() == [80, 80, 80, 90, 90]
    assert gaps[:7].tolist() == [HOUR_COUNT, HOUR_COUNT, 0, 1, 2, 0, 1]
    assert out["observed"][0, :, HEART_RATE].sum() == 2


@pytest.mark.parametrize(("hour", "value"), [(-0.1, 80), (48.1, 80), (1, 9), (1, 301)])
def test_what_lies_outside_of_the_stay_or_of_the_possible_is_left_out(hour, value):
    assert np.isnan(hourly(("heart_rate", hour, value))).all()


def test_the_last_minute_belongs_to_the_last_hour():
    assert hourly(("heart_rate", 48, 80))[47, HEART_RATE] == 80


def test_bins_of_another_length_and_without_carrying_forward():
    """What another card may declare: quarters of an hour, gaps in hours, values as they are, no static
    facts.
    """
    other = dataclasses.replace(
        PREPARATION, bin_minutes=15, bin_count=8, carries_forward=False, static_tensor=""
    )
    out = tensors_of(
        ("heart_rate", 0.3, 80), ("heart_rate", 1.0, 90), ("heart_rate", 2.1, 70), preparation=other
    )
    assert set(out) == {"values", "observed", "gap_hours"}
    assert np.flatnonzero(out["observed"][0, :, HEART_RATE]).tolist() == [1, 4]
    assert np.isnan(out["values"][0, 2, HEART_RATE])
    assert out["gap_hours"][0, :, HEART_RATE].tolist() == [2, 0, 0.25, 0.5, 0, 0.25, 0.5, 0.75]


def test_unknown_demographics_are_not_a_number():
    assert np.isnan(PREPARATION.static_row(Facts())).all()
    known = PREPARATION.static_row(Facts(age_years=70, male=False, height_cm=400, care_unit="surgical"))
    np.testing.assert_array_equal(known, np.array([70, 0, np.nan, 0, 0, 0, 1], np.float32))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([v.name for v in PREPARATION.variables]),
            st.floats(-5, 60, allow_nan=False),
            st.floats(-1e6, 1e6, allow_nan=False),
        ),
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_measurements_does_not_matter(measurements, random):
    shuffled = list(measurements)
    random.shuffle(shuffled)
    one, other = tensors_of(*measurements), tensors_of(*shuffled)
    for name, tensor in one.items():
        np.testing.assert_allclose(other[name], tensor, rtol=1e-5)
        assert tensor.dtype == np.float32


def test_training_reads_the_challenge_with_the_same_code(shared_data):
    pandas = pytest.importorskip("pandas", reason="pandas is not here: make test-training")
    from training.icu_outcome.dataset import read_stay

    rows = pandas.read_csv(shared_data / "icu_mortality" / "records.csv.gz", nrows=2000)
    rows = rows[rows.record_id == rows.record_id.iloc[0]]
    means, _ = read_stay(rows)
    heart = rows[(rows.parameter == "HR") & rows.time.str.startswith("07:")].value.mean()
    assert means[7, HEART_RATE] == pytest.approx(heart)
