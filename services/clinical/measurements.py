"""Measured values in the units in which rules and models use them (`measurements.toml`).

Records give an eGFR in mL/s, an ejection fraction as a fraction, a temperature in °F. A value of a
measurement that is used is converted; where its unit is not known, it is left out and a notice says so.
Everything else stays as it is.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
from pathlib import Path
from typing import Any

from services.chassis.notices import Notice
from services.clinical.code_systems import LOINC
from services.clinical.concepts import CodedConcept
from services.clinical.record import Observation, PatientRecord, Quantity
from services.clinical.units import Substance, converted, plain_unit, substance_of

MEASUREMENTS_FILE = Path(__file__).with_name("measurements.toml")


@dataclasses.dataclass(frozen=True, slots=True)
class UsedQuantity:
    """A quantity that is used."""

    name: str
    """As in `measurements.toml`."""
    unit: str
    plausible: tuple[float, float]
    scales: dict[str, tuple[float, float]]
    """Factor and offset to `unit`, by another unit from which no general way leads there."""
    substance: Substance | None
    """What is measured, where that is a substance."""

    def converted(self, quantity: Quantity) -> Quantity | None:
        """The quantity in this unit; None where its own is not known, or missing and not to be guessed."""
        if quantity.unit == self.unit:
            return quantity
        low, high = self.plausible
        unit = plain_unit(quantity.unit)
        if unit == plain_unit(self.unit) or (not unit and low <= quantity.value <= high):
            return dataclasses.replace(quantity, unit=self.unit)
        if unit in self.scales:
            factor, offset = self.scales[unit]
            return dataclasses.replace(quantity, value=quantity.value * factor + offset, unit=self.unit)
        value = converted(quantity.value, quantity.unit, self.unit, self.substance)
        return None if value is None else dataclasses.replace(quantity, value=value, unit=self.unit)


def measurement_of(concept: CodedConcept) -> UsedQuantity | None:
    """The measurement that one of the concept's codings stands for or, where it has no LOINC code, one of its
    names; None where it is not used.
    """
    by_code, by_name, _ = _measurements()
    coded = [coding.code for coding in concept.codings if coding.system == LOINC]
    for code in coded:
        if code in by_code:
            return by_code[code]
    if coded:
        return None
    return next((by_name[name.lower()] for name in concept.names if name.lower() in by_name), None)


def seems_used(concept: CodedConcept) -> bool:
    """Whether the concept's words name a measurement that is used, whatever its codes."""
    return any(_measurements()[2].search(name) for name in concept.names)


def in_used_units(record: PatientRecord) -> tuple[PatientRecord, tuple[Notice, ...]]:
    """The record with every used measurement in its unit, and what is to be said of those that are not."""
    kept: list[Observation] = []
    assumed: list[Observation] = []
    lost: list[Observation] = []
    for observation in record.observations:
        quantity = observation.value
        if not isinstance(quantity, Quantity):
            kept.append(observation)
            continue
        measurement = measurement_of(observation.concept)
        if measurement is None:
            kept.append(observation)
            if seems_used(observation.concept):
                lost.append(observation)
            continue
        converted = measurement.converted(quantity)
        if converted is None:
            lost.append(observation)
            continue
        kept.append(
            observation if converted is quantity else dataclasses.replace(observation, value=converted)
        )
        if not quantity.unit:
            assumed.append(observation)
    notices = []
    if lost:
        notices.append(
            Notice(
                "MEASUREMENT_NOT_UNDERSTOOD",
                f"Measurements that bear on safety in units or under codes that are not known: {len(lost)}. "
                "They do not count.",
                review_required=True,
                places=_places(lost),
            )
        )
    if assumed:
        notices.append(
            Notice(
                "UNIT_ASSUMED",
                f"Measurements without a unit: {len(assumed)}. The usual one of their code was assumed.",
                places=_places(assumed),
            )
        )
    return dataclasses.replace(record, observations=tuple(kept)), tuple(notices)


def _places(observations: list[Observation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.place for item in observations if item.place))


@functools.cache
def _measurements() -> tuple[dict[str, UsedQuantity], dict[str, UsedQuantity], re.Pattern[str]]:
    content: dict[str, dict[str, Any]] = tomllib.loads(MEASUREMENTS_FILE.read_text(encoding="utf-8"))
    by_code: dict[str, UsedQuantity] = {}
    by_name: dict[str, UsedQuantity] = {}
    names: list[str] = []
    for name, entry in content.items():
        scales = {
            plain_unit(unit): (scale, 0.0) if isinstance(scale, float) else (scale[0], scale[1])
            for unit, scale in entry.get("units", {}).items()
        }
        low, high = entry["plausible"]
        substance = substance_of(entry["loinc"])
        measurement = UsedQuantity(name, entry["unit"], (low, high), scales, substance)
        names += entry.get("names", ())
        by_code |= dict.fromkeys(entry["loinc"], measurement)
        by_name |= dict.fromkeys((called.lower() for called in entry.get("called", ())), measurement)
    return by_code, by_name, re.compile("|".join(names), re.IGNORECASE)
