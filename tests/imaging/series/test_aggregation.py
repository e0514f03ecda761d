"""What is said of a series rests on its most conspicuous slices."""

from __future__ import annotations

import numpy as np
import pytest

from services.imaging.series.aggregation import aggregate

SLICES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])


def test_the_maximum_of_labels_that_exclude_each_other_is_the_slice_least_like_the_normal_one():
    found = aggregate(SLICES, 1, normal=0)
    assert found.probabilities == pytest.approx([0.2, 0.8])
    assert found.ranking[0].tolist() == found.ranking[1].tolist() == [1, 3, 2, 0]


def test_a_mean_of_the_most_conspicuous_stays_a_distribution():
    found = aggregate(SLICES, 2, normal=0)
    assert found.probabilities == pytest.approx([0.25, 0.75])
    assert found.probabilities.sum() == pytest.approx(1)


def test_labels_that_do_not_exclude_each_other_have_slices_of_their_own():
    found = aggregate(SLICES, 2)
    assert found.probabilities == pytest.approx([(0.9 + 0.6) / 2, (0.8 + 0.7) / 2])
    assert found.ranking[:, :2].tolist() == [[0, 2], [1, 3]]


def test_more_than_there_are_is_all_of_them():
    assert aggregate(SLICES, 9).probabilities == pytest.approx(SLICES.mean(axis=0))


def test_equal_slices_keep_their_order():
    assert aggregate(np.full((3, 1), 0.5), 1).ranking.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(("slices", "count"), [(np.empty((0, 2)), 1), (SLICES, 0)])
def test_at_least_one_slice_counts(slices, count):
    with pytest.raises(ValueError, match="at least one"):
        aggregate(slices, count)
