"""Measurements in the units in which rules and models use them."""

from __future__ import annotations

import pytest

from services.clinical.code_systems import LOINC, NAMES_FILE
from services.clinical.concepts import CodedConcept, canonical_concept
from services.clinical.measurements import measurement_of
from services.clinical.record import Quantity
from services.clinical.units import plain_unit


def converted(code, value, unit):
    return measurement_of(CodedConcept.of(LOINC, code)).converted(Quantity(value, unit))


@pytest.mark.parametrize(
    ("code", "value", "unit", "right"),
    [
        # SI to conventional units: AMA Manual of Style, 11th ed., 17.5
        ("2339-0", 10.0, "mmol/L", 180.2),
        ("2093-3", 5.0, "mmol/L", 193.3),
        ("2571-8", 2.0, "mmol/L", 177.1),
        ("38483-4", 100.0, "umol/L", 1.131),
        # NGSP's table of IFCC equivalents
        ("4548-4", 42.0, "mmol/mol", 6.0),
        ("4548-4", 86.0, "mmol/mol", 10.0),
        ("8331-1", 310.15, "K", 37.0),
        ("8331-1", 104.0, "°F", 40.0),
        ("8480-6", 20.0, "kPa", 150.0),
        ("98979-8", 0.5, "mL/s/{1.73_m2}", 30.0),
    ],
)
def test_a_value_is_converted(code, value, unit, right):
    assert converted(code, value, unit).value == pytest.approx(right, rel=0.005)


@pytest.mark.parametrize(
    "unit",
    [
        "mL/min/{1.73_m2}",
        "mL/min/1.73m2",
        "mL/min/1.73 m²",
        "ml/min/1.73m^2",
        "mL/min/1.73m*2",
        "mL/min/(1.73 m2)",
        "mL/min per 1.73 m2",
        "ml/mn/1.73m2",
        "mL/min/1.73 sq m",
        "mL/min/1,73 m²",
        "mL/min/1.73qm",
        "mL/min",
        "mL/min/{BSA}",
    ],
)
def test_laboratories_spell_a_unit_in_many_ways(unit):
    assert converted("33914-3", 45.0, unit).value == 45.0


@pytest.mark.parametrize("unit", ["mg/dL", "%", "mL", "mmol/L", "mL/d"])
def test_another_unit_is_no_value(unit):
    assert converted("33914-3", 45.0, unit) is None


def test_units_are_listed_as_they_compare():
    assert plain_unit("µmol/L") == plain_unit("μmol/l") == "umol/l"  # both of Unicode's


def test_every_name_of_a_code_system_leads_to_its_uri():
    rows = [
        line.split("\t") for line in NAMES_FILE.read_text(encoding="utf-8").splitlines() if line[0] != "#"
    ]
    for uri, name, source in rows:
        assert canonical_concept(name, "1").system == uri
        assert canonical_concept(uri, "1").system == uri
        assert source


@pytest.mark.parametrize(
    ("system", "code", "right"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "j189", "J18.9"),
        ("http://hl7.org/fhir/sid/icd-10-cm", " J18.9 ", "J18.9"),
        ("urn:oid:2.16.840.1.113883.6.3", "I15.0*", "I15.0"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I10", "I10"),
        ("http://www.whocc.no/atc", "b01aa03", "B01AA03"),
        ("http://snomed.info/sct/900000000000207008/version/20240101", "233604007\u00a0", "233604007"),
        ("http://hospital.example.org", " aB 1 ", "aB 1"),
    ],
)
def test_a_code_has_one_spelling(system, code, right):
    assert canonical_concept(system, code).code == right
