"""Measurements of a stay as one model's variables."""

from __future__ import annotations

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.clinical.code_systems import LOINC
from services.clinical.concepts import Concept
from services.clinical.record import Quantity
from services.clinical.statuses import Comparator
from services.recommendation.stay import GivenMeasurement, MeasurementReader, Stay
from tests.recommendation.stays import PREPARATION, measurement

READER = MeasurementReader(PREPARATION)


def values(*given):
    """Variable and value of what is read, and the notices."""
    read, notices = READER.read(given)
    named = [(PREPARATION.variables[item.column].name, pytest.approx(item.value)) for item in read]
    return named, {notice.reason: notice.places for notice in notices}


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("heart_rate", 90, "/min", 90),
        ("heart_rate", 90, "{beats}/min", 90),
        ("creatinine", 100, "umol/L", 1.1312),  # 113.12 g/mol
        ("glucose", 10, "mmol/L", 180.16),
        ("blood_urea_nitrogen", 10, "mmol/L", 28.014),
        ("bilirubin", 17.1, "µmol/L", 1.0),
        ("lactate", 18, "mg/dL", 2.0),
        ("sodium", 140, "meq/L", 140),
        ("magnesium", 2.0, "mg/dL", 0.823),  # 24.305 g/mol
        ("magnesium", 2.0, "meq/L", 1.0),
        ("arterial_o2", 10, "kPa", 75.006),
        ("temperature", 98.6, "[degF]", 37.0),
        ("inspired_oxygen_fraction", 40, "%", 0.4),
        ("haematocrit", 0.4, "L/L", 40),
        ("platelets", 200, "10*9/L", 200),
        ("white_cells", 9000, "/uL", 9.0),
        ("troponin_t", 14, "ng/L", 0.014),
        ("urine_output", 0.3, "L", 300),
        ("weight", 154, "[lb_av]", 69.853),
        ("glasgow_coma_score", 15, "1", 15),
        ("ph", 7.4, "[pH]", 7.4),
    ],
)
def test_a_value_is_converted_to_the_models_unit(name, value, unit, expected):
    read, notices = values(measurement(name, 1, value, unit))
    assert read == [(name, pytest.approx(expected, rel=1e-3))]
    assert not notices


def test_every_code_of_a_variable_names_it():
    mean = [
        GivenMeasurement(Concept(LOINC, code), Quantity(4, "mmol/L"), 0) for code in ("2524-7", "32693-4")
    ]
    assert values(*mean)[0] == [("lactate", 4), ("lactate", 4)]


@pytest.mark.parametrize(
    ("unit", "name"), [("mmol/L", "albumin"), ("mL/h", "urine_output"), ("furlong", "weight")]
)
def test_a_unit_without_a_way_to_the_models_is_refused(unit, name):
    """Albumin's molar mass is nobody's convention; a rate is no volume."""
    with pytest.raises(InvalidInput) as caught:
        values(measurement("heart_rate", 0, 80), measurement(name, 1, 40, unit))
    assert caught.value.reason is Reason.INPUT_UNSUPPORTED
    assert caught.value.field == "stay.measurements[1].value.unit"


def test_a_missing_unit_is_assumed_where_the_value_is_likely():
    assert values(measurement("sodium", 1, 140, "")) == (
        [("sodium", 140)],
        {"UNIT_ASSUMED": ("stay.measurements[0]",)},
    )
    with pytest.raises(InvalidInput) as caught:
        values(measurement("creatinine", 1, 100, ""))
    assert (caught.value.reason, caught.value.field) == (
        Reason.INPUT_MISSING,
        "stay.measurements[0].value.unit",
    )


def test_what_does_not_count_is_told_with_its_place():
    strange = GivenMeasurement(Concept(LOINC, "1988-5", "C reactive protein"), Quantity(90, "mg/L"), 0)
    late = measurement("heart_rate", 48.1, 80)
    wild = measurement("heart_rate", 2, 900)
    bound = GivenMeasurement(
        measurement("troponin_i", 1, 0.2).concept, Quantity(0.2, "ug/L", Comparator.LESS), 3600
    )
    read, notices = values(measurement("heart_rate", 48, 80), strange, late, wild, bound)
    assert read == [("heart_rate", 80), ("heart_rate", 900), ("troponin_i", 0.2)]
    assert notices == {
        "MEASUREMENTS_NOT_USED": ("stay.measurements[1]", "stay.measurements[2]"),
        "IMPLAUSIBLE_VALUES_SKIPPED": ("stay.measurements[3]",),
        "BOUND_TAKEN_AS_VALUE": ("stay.measurements[4]",),
    }


def test_a_stay_without_anything_that_the_model_uses_is_refused():
    with pytest.raises(InvalidInput) as caught:
        values(GivenMeasurement(Concept(LOINC, "1988-5"), Quantity(90, "mg/L"), 0))
    assert (caught.value.reason, caught.value.field) == (Reason.INPUT_UNSUPPORTED, "stay.measurements")


def test_a_care_unit_that_the_model_does_not_know_is_refused_with_those_it_does():
    with pytest.raises(InvalidInput) as caught:
        Stay([], care_unit="burns").facts(PREPARATION)
    assert caught.value.field == "stay.care_unit"
    assert "coronary_care, cardiac_surgery, medical, surgical" in caught.value.description
    assert Stay([], care_unit="medical").facts(PREPARATION).care_unit == "medical"
