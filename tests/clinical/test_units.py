"""Values from one unit to another."""

from __future__ import annotations

import pytest

from services.clinical.tables import rows
from services.clinical.units import SUBSTANCES_FILE, UNITS_FILE, converted, plain_unit, substance_of


@pytest.mark.parametrize(
    ("value", "unit", "to", "loinc", "right"),
    [
        # AMA Manual of Style, 11th ed., 17.5: conventional to SI
        (1.0, "mg/dL", "umol/L", "2160-0", 88.4),
        (10.0, "mg/dL", "mmol/L", "3094-0", 3.57),
        (1.0, "mg/dL", "umol/L", "1975-2", 17.1),
        (200.0, "mg/dL", "mmol/L", "2093-3", 5.18),
        (90.0, "mg/dL", "mmol/L", "2345-7", 5.0),
        (1.0, "mg/dL", "mmol/L", "19123-9", 0.411),
        (9.0, "mg/dL", "mmol/L", "2524-7", 1.0),
        (9.0, "mg/dL", "mmol/L", "17861-6", 2.25),
        (4.0, "meq/L", "mmol/L", "2823-3", 4.0),
        (1.6, "meq/L", "mg/dL", "19123-9", 1.94),
        # Within one kind
        (760.0, "mm[Hg]", "kPa", "", 101.325),
        (10.0, "cm[H2O]", "mm[Hg]", "", 7.356),
        (212.0, "[degF]", "Cel", "", 100.0),
        (37.0, "Cel", "[degF]", "", 98.6),
        (310.15, "K", "[degF]", "", 98.6),
        (1.0, "ukat/L", "U/L", "", 60.0),
        (4.5, "10*12/L", "10*6/uL", "", 4.5),
        (150.0, "[lb_av]", "kg", "", 68.04),
        (72.0, "[in_i]", "cm", "", 182.88),
    ],
)
def test_a_value_is_converted_as_the_tables_of_medicine_have_it(value, unit, to, loinc, right):
    substance = substance_of([loinc])
    there = converted(value, unit, to, substance)
    assert there == pytest.approx(right, rel=0.005)
    assert converted(there, to, unit, substance) == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "to", "loinc"),
    [
        ("mmol/L", "mg/dL", ""),  # of what?
        ("meq/L", "mmol/L", "2345-7"),  # glucose has no charge
        ("mm[Hg]", "mL", ""),
        ("furlong", "cm", ""),
        ("cm", "furlong", ""),
        ("", "cm", ""),
    ],
)
def test_there_is_no_way_between_what_is_not_alike(unit, to, loinc):
    assert converted(1.0, unit, to, substance_of([loinc])) is None


def test_a_value_in_its_own_unit_is_untouched_whatever_its_spelling():
    assert converted(0.1 + 0.2, "mL/min/{1.73_m2}", "ml/min/1.73 m²") == 0.1 + 0.2


def test_the_tables_are_spelled_as_they_are_compared():
    units = [unit for _, unit, _, _ in rows(UNITS_FILE, 4)]
    assert len(set(units)) == len(units)
    assert all(plain_unit(unit) == unit for unit in units)
    assert all(float(factor) > 0 for _, _, factor, _ in rows(UNITS_FILE, 4))
    codes = [loinc for loinc, *_ in rows(SUBSTANCES_FILE, 4)]
    assert len(set(codes)) == len(codes)
