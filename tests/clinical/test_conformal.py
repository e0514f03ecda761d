"""A label stays in a prediction set while it is no stranger than its limit."""

from __future__ import annotations

import pytest

from services.clinical.conformal import not_ruled_out

LIMITS = {"ill": 0.8, "well": 0.3}


@pytest.mark.parametrize(
    ("ill", "well", "members"),
    [
        (0.2, 0.8, ("ill",)),
        (0.9, 0.1, ("well",)),
        (0.8, 0.3, ("ill", "well")),  # a limit that is met still counts
        (0.81, 0.31, ()),
    ],
)
def test_each_label_is_held_to_its_own_limit(ill, well, members):
    assert not_ruled_out({"ill": ill, "well": well}, LIMITS) == members


def test_the_order_is_that_of_the_labels_given():
    assert not_ruled_out({"well": 0.1, "ill": 0.1}, LIMITS) == ("well", "ill")


def test_a_label_without_a_limit_is_an_error_and_not_left_out():
    with pytest.raises(KeyError):
        not_ruled_out({"unheard": 0.1}, LIMITS)
