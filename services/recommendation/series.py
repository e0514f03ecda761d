"""Irregular measurements to the tensors of a model that reads a time series: the one piece of code for
training and for serving.

Time is cut into bins of equal length. A bin holds the mean of what was measured in it; one without a
measurement carries the last value forward, and says so: one tensor marks the bins that were measured, one
counts the hours since, so that a network can learn from what was not measured (Che et al. 2018, "Recurrent
Neural Networks for Multivariate Time Series with Missing Values"). Which variables, bins and facts there
are is declared by the model's card. Scaling happens inside the graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.clinical.concepts import Concept

UNIT: Final = "unit:"
"""Before the name of a care unit, in a static column and in a conformal group."""
FACTS: Final = ("age_years", "male", "height_cm")
"""Static columns beside those of care units."""
PLAUSIBLE_HEIGHT_CM: Final = (120, 230)
"""Heights outside are errors of entry: they count as unknown."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Variable:
    """A variable that is measured repeatedly."""

    name: str
    """In lower snake case."""
    display: str
    """Name to show to people."""
    codes: tuple[Concept, ...]
    """Concepts that name it, the usual one first."""
    unit: str
    """UCUM unit of values."""
    low: float
    high: float
    """Values outside [low, high] are errors of entry and left out."""

    @property
    def concept(self) -> Concept:
        """What to call it."""
        return self.codes[0] if self.codes else Concept("", "", self.display)


@dataclass(frozen=True)
class Measurement:
    """One value of one variable."""

    column: int
    """Place of the variable among those of the model."""
    seconds: float
    """Since the start of the stay."""
    value: float
    """In the variable's unit."""


@dataclass(frozen=True)
class Facts:
    """What of a stay does not change; None: unknown."""

    age_years: float | None = None
    male: bool | None = None
    height_cm: float | None = None
    care_unit: str | None = None
    """One of those that the model knows."""


@dataclass(frozen=True)
class SeriesPreparation:
    """How a stay becomes a model's input tensors (`medmesh.common.v1.SeriesPreprocessing`)."""

    bin_minutes: int
    bin_count: int
    variables: tuple[Variable, ...]
    static_columns: tuple[str, ...]
    """One of FACTS, or UNIT and the name of a care unit."""
    carries_forward: bool
    values_tensor: str
    observed_tensor: str = ""
    """Empty, here and below: the model has no such input."""
    gap_hours_tensor: str = ""
    static_tensor: str = ""

    @cached_property
    def span_seconds(self) -> float:
        """How long the stretch that counts is."""
        return self.bin_minutes * 60.0 * self.bin_count

    @cached_property
    def care_units(self) -> tuple[str, ...]:
        """The care units that the model knows."""
        return tuple(name.removeprefix(UNIT) for name in self.static_columns if name.startswith(UNIT))

    def column(self, name: str) -> int:
        """Place of the variable of that name; KeyError where there is none."""
        for index, variable in enumerate(self.variables):
            if variable.name == name:
                return index
        raise KeyError(name)

    def binned(self, measurements: Sequence[Measurement]) -> Floats:
        """Means by bin, float32 [bins, variables] in the variables' units; NaN where nothing was measured."""
        total = np.zeros((self.bin_count, len(self.variables)))
        count = np.zeros((self.bin_count, len(self.variables)))
        for item in measurements:
            variable = self.variables[item.column]
            if variable.low <= item.value <= variable.high and 0 <= item.seconds <= self.span_seconds:
                # The last moment belongs to the last bin.
                row = min(int(item.seconds // (self.bin_minutes * 60)), self.bin_count - 1)
                total[row, item.column] += item.value
                count[row, item.column] += 1
        with np.errstate(invalid="ignore"):
            return (total / count).astype(np.float32)

    def static_row(self, facts: Facts) -> Floats:
        """The static tensor of a stay, float32 [static columns]; NaN where unknown."""
        return np.array([self._static(name, facts) for name in self.static_columns], dtype=np.float32)

    def tensors(self, binned: Floats, static: Floats) -> dict[str, Floats]:
        """The model's inputs for a batch.

        `binned` is float32 [N, bins, variables] as from `binned`, `static` float32 [N, static columns] as
        from `static_row`. The values (the last one carried forward where the model wants it, NaN before the
        first), where it has such inputs whether a bin was measured (1 or 0) and the hours since the last
        measurement (all hours before the first), each float32 [N, bins, variables], and the static columns.
        """
        observed = ~np.isnan(binned)
        bins = np.arange(self.bin_count)[None, :, None]
        last = np.maximum.accumulate(np.where(observed, bins, -1), axis=1)
        values = binned
        if self.carries_forward:
            carried = np.take_along_axis(binned, np.maximum(last, 0), axis=1)
            values = np.where(last >= 0, carried, np.nan)
        hours = self.bin_minutes / 60
        gaps = np.where(last >= 0, bins - last, self.bin_count) * hours
        found = {
            self.values_tensor: values,
            self.observed_tensor: observed,
            self.gap_hours_tensor: gaps,
            self.static_tensor: static,
        }
        return {name: tensor.astype(np.float32) for name, tensor in found.items() if name}

    def _static(self, name: str, facts: Facts) -> float:
        if name.startswith(UNIT):
            return math.nan if facts.care_unit is None else float(facts.care_unit == name.removeprefix(UNIT))
        value = getattr(facts, name)
        low, high = PLAUSIBLE_HEIGHT_CM
        if value is None or (name == "height_cm" and not low <= value <= high):
            return math.nan
        return float(value)
