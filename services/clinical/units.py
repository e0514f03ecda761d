"""Values from one unit to another: within a kind of quantity, and between mass, amount and charge of a
known substance.

Units are compared by their plain spelling, so that `mL/min/{1.73_m2}` and `ml/min/1.73 m²` are the same;
which there are is data (`units.tsv`, `substances.tsv`).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable
from pathlib import Path

from services.clinical.tables import rows

UNITS_FILE = Path(__file__).with_name("units.tsv")
SUBSTANCES_FILE = Path(__file__).with_name("substances.tsv")

_ANNOTATION = re.compile(r"\{([^}]*)\}")
_DROPPED = re.compile(r"[\s_*^()]")

_AMOUNT = "substance_concentration"


@dataclasses.dataclass(frozen=True, slots=True)
class Substance:
    """What links the mass, the amount and the charge of a substance."""

    g_per_mol: float
    charge: int
    """Of the ion; 0 where it is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Unit:
    kind: str
    factor: float
    offset: float


def plain_unit(unit: str) -> str:
    """A unit in one spelling."""
    unit = unit.replace("²", "2").replace("µ", "u").replace("μ", "u")
    return _DROPPED.sub("", _ANNOTATION.sub(r"\1", unit)).lower()


def converted(value: float, unit: str, to: str, substance: Substance | None = None) -> float | None:
    """The value in the unit `to`; None where there is no way from one unit to the other."""
    plain, wanted = plain_unit(unit), plain_unit(to)
    if plain == wanted:
        return value
    table = _units()
    if plain not in table or wanted not in table:
        return None
    source, target = table[plain], table[wanted]
    if source.kind == target.kind:
        return (value * source.factor + source.offset - target.offset) / target.factor
    # Grams, equivalents and moles a litre: by way of moles.
    one, other = _amount(source.kind, substance), _amount(target.kind, substance)
    if one is None or other is None:
        return None
    return value * source.factor / one * other / target.factor


def substance_of(loinc_codes: Iterable[str]) -> Substance | None:
    """The substance that measurements with one of these codes are of; None where it is not known."""
    known = _substances()
    return next((known[code] for code in loinc_codes if code in known), None)


def _amount(kind: str, substance: Substance | None) -> float | None:
    """How much of this kind of concentration one mole a litre is."""
    if kind == _AMOUNT:
        return 1.0
    if substance is None:
        return None
    if kind == "mass_concentration":
        return substance.g_per_mol
    return float(substance.charge) if kind == "charge_concentration" and substance.charge else None


@functools.cache
def _units() -> dict[str, _Unit]:
    return {
        unit: _Unit(kind, float(factor), float(offset)) for kind, unit, factor, offset in rows(UNITS_FILE, 4)
    }


@functools.cache
def _substances() -> dict[str, Substance]:
    return {
        loinc: Substance(float(weight), int(charge)) for loinc, _, weight, charge in rows(SUBSTANCES_FILE, 4)
    }
