"""What was measured in a stay, brought to the variables and units of one model; what of it does not count
is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.clinical.code_systems import LOINC
from services.clinical.concepts import Concept
from services.clinical.dates import Age
from services.clinical.record import Quantity
from services.clinical.statuses import Comparator
from services.clinical.units import converted, substance_of
from services.recommendation.series import Facts, Measurement, SeriesPreparation, Variable

PATH = "stay.measurements"


@dataclass(frozen=True)
class GivenMeasurement:
    """One measurement as the caller gives it."""

    concept: Concept
    quantity: Quantity
    seconds: float
    """Since the start of the stay, not negative."""


@dataclass(frozen=True)
class Stay:
    """What is known of a stay from its start on."""

    measurements: Sequence[GivenMeasurement]
    age: Age | None = None
    male: bool | None = None
    height_cm: float | None = None
    care_unit: str = ""
    """Empty: unknown."""

    def facts(self, preparation: SeriesPreparation) -> Facts:
        """What does not change; InvalidInput where the model does not know the care unit."""
        known = preparation.care_units
        if self.care_unit and known and self.care_unit not in known:
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED, "stay.care_unit", f"must be one of {', '.join(known)}"
            )
        years = None if self.age is None else self.age.years
        return Facts(years, self.male, self.height_cm, self.care_unit or None)


@dataclass
class _Told:
    """Places of the measurements of which something is to be said."""

    unused: list[str] = field(default_factory=list)
    implausible: list[str] = field(default_factory=list)
    without_unit: list[str] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)

    def notices(self) -> tuple[Notice, ...]:
        """One notice for each kind that was met."""
        said = (
            (
                "MEASUREMENTS_NOT_USED",
                self.unused,
                "{count} measurements are of no variable of the model or after its hours. They do not count.",
            ),
            (
                "IMPLAUSIBLE_VALUES_SKIPPED",
                self.implausible,
                "{count} measurements lie far outside of what is possible and were left out.",
            ),
            (
                "UNIT_ASSUMED",
                self.without_unit,
                "Measurements without a unit: {count}. The model's unit of their code was assumed.",
            ),
            (
                "BOUND_TAKEN_AS_VALUE",
                self.bounds,
                "Measurements given as a bound, < or >: {count}. The bound was taken as the value.",
            ),
        )
        return tuple(
            Notice(reason, text.format(count=len(places)), places=tuple(places))
            for reason, places, text in said
            if places
        )


class MeasurementReader:
    """Reads measurements as one model's variables."""

    def __init__(self, preparation: SeriesPreparation) -> None:
        self._preparation = preparation
        self._columns = {
            code.key: column
            for column, variable in enumerate(preparation.variables)
            for code in variable.codes
        }

    def read(self, given: Sequence[GivenMeasurement]) -> tuple[list[Measurement], tuple[Notice, ...]]:
        """The measurements that the model uses, in its units, and what is to be said of the others.

        InvalidInput: none is used, or one is in a unit that cannot be converted to the model's.
        """
        told = _Told()
        read = [
            measurement
            for index, item in enumerate(given)
            if (measurement := self._read(item, f"{PATH}[{index}]", told)) is not None
        ]
        if not read:
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED,
                PATH,
                "must contain one that the model uses, within its hours",
            )
        return read, told.notices()

    def _read(self, item: GivenMeasurement, place: str, told: _Told) -> Measurement | None:
        column = self._columns.get(item.concept.key)
        if column is None or item.seconds > self._preparation.span_seconds:
            told.unused.append(place)
            return None
        variable = self._preparation.variables[column]
        value = _value(item.quantity, variable, place)
        if not item.quantity.unit:
            told.without_unit.append(place)
        if item.quantity.comparator is not Comparator.EXACT:
            told.bounds.append(place)
        if not variable.low <= value <= variable.high:
            told.implausible.append(place)
        return Measurement(column, item.seconds, value)


def _value(quantity: Quantity, variable: Variable, place: str) -> float:
    """The value in the variable's unit."""
    if not quantity.unit:
        if not variable.low <= quantity.value <= variable.high:
            description = f"is required: the value is not a likely one in {variable.unit}"
            raise InvalidInput(Reason.INPUT_MISSING, f"{place}.value.unit", description)
        return quantity.value
    substance = substance_of(code.code for code in variable.codes if code.system == LOINC)
    value = converted(quantity.value, quantity.unit, variable.unit, substance)
    if value is None:
        description = f"cannot be converted to {variable.unit}"
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, f"{place}.value.unit", description)
    return value
