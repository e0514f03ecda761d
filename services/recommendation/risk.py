"""From a model's number to a risk that can be relied on: calibration, and the outcomes that cannot be ruled
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.clinical.conformal import not_ruled_out
from services.recommendation.series import UNIT

AGE = "age:"
"""Before a band of ages in completed years, as a group: `age:50-64`, `age:80-`."""
SMALLEST = 1e-6
"""Keeps probabilities off 0 and 1, whose log-odds are not finite."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A calibration curve: logistic(rise * ln p - fall * ln(1 - p) + offset); of rise = fall Platt's
    scaling (Platt 1999).
    """

    rise: float = 1.0
    fall: float = 1.0
    offset: float = 0.0

    def __call__(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities, any shape."""
        kept = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
        if self.rise == self.fall:
            odds = self.rise * np.log(kept / (1 - kept)) + self.offset
        else:
            odds = self.rise * np.log(kept) - self.fall * np.log1p(-kept) + self.offset
        calibrated: Floats = 1 / (1 + np.exp(-odds))
        return calibrated


@dataclass(frozen=True)
class OutcomeSets:
    """Which of two outcomes a risk does not rule out.

    Class-conditional conformal thresholds by group (Mondrian conformal prediction; Vovk, Gammerman and
    Shafer 2005, section 4.5). A stay belongs to a care unit and to an age band, and the most cautious of
    its groups counts; where unit or age is unknown, or no group is for it, all groups of that kind that it
    may belong to.
    """

    coverage: float
    outcome: str
    opposite: str
    limits: Mapping[str, Mapping[str, float]]
    """Group -> outcome -> largest 1 - p with which it stays. The group "" is every stay's."""

    def members(self, probability: float, care_unit: str | None, age_years: float | None) -> tuple[str, ...]:
        """The outcomes that cannot be ruled out at a probability of `outcome`."""
        groups = groups_of(self.limits, care_unit, age_years)
        return not_ruled_out(
            {self.outcome: 1 - probability, self.opposite: probability},
            {
                name: max(self.limits[group][name] for group in groups)
                for name in (self.outcome, self.opposite)
            },
        )


def groups_of(names: Iterable[str], care_unit: str | None, age_years: float | None) -> tuple[str, ...]:
    """Those of the groups that a stay belongs to, or may belong to where its unit or age is unknown."""
    names = tuple(names)
    units = [name for name in names if name.startswith(UNIT)]
    bands = [name for name in names if name.startswith(AGE)]
    own_unit = [name for name in units if name == f"{UNIT}{care_unit}"]
    own_band = [name for name in bands if age_years is not None and in_band(name, age_years)]
    return (*(name for name in names if not name), *(own_unit or units), *(own_band or bands))


def in_band(group: str, age_years: float) -> bool:
    """Whether an age lies in a band; ValueError where the band is invalid."""
    first, dash, last = group.removeprefix(AGE).partition("-")
    if not dash or not first.isdigit() or not (last.isdigit() or not last):
        raise ValueError(f"{group} is not an age band such as age:50-64 or age:80-")
    return int(first) <= int(age_years) and (not last or int(age_years) <= int(last))
