"""What was measured during a stay, read from CSV, FHIR and the contract's own JSON."""

from __future__ import annotations

import json

import pytest

from medmesh import stays
from medmesh.common.v1 import patient_pb2, quantity_pb2

LOINC = "http://loinc.org"


def written(tmp_path, text: str, name: str = "stay.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def told(stay) -> list[tuple[str, float, str, float]]:
    return [
        (one.code.code, one.value.value, one.value.unit, one.since_start.ToNanoseconds() / 3.6e12)
        for one in stay.measurements
    ]


def test_a_csv_file_with_hours(tmp_path):
    path = written(
        tmp_path,
        "Code,Value,Unit,Hours,note\n8867-4,112,/min,0.5,x\n2524-7, <0.2 ,mmol/L,2,\n2951-2,140,,47.25,\n",
    )
    reading = stays.read(path)
    assert told(reading.stay) == [
        ("8867-4", 112, "/min", 0.5),
        ("2524-7", 0.2, "mmol/L", 2),
        ("2951-2", 140, "", 47.25),
    ]
    assert {one.code.system for one in reading.stay.measurements} == {LOINC}
    assert reading.stay.measurements[1].value.comparator == quantity_pb2.COMPARATOR_LESS
    assert not list(reading.sentences())


def test_a_code_of_another_system_names_it(tmp_path):
    rows = "code,system,value,unit,hours\n40617009,http://snomed.info/sct,1,,3\n8867-4,,90,/min,3\n"
    stay = stays.read(written(tmp_path, rows)).stay
    assert [one.code.system for one in stay.measurements] == ["http://snomed.info/sct", LOINC]


def test_a_csv_file_with_times_begins_with_its_first_unless_told(tmp_path):
    rows = (
        "code,value,unit,time\n8867-4,90,/min,2024-03-01T10:00:00Z\n8867-4,95,/min,2024-03-01T13:30+01:00\n"
    )
    path = written(tmp_path, rows)
    reading = stays.read(path)
    assert [hours for *_, hours in told(reading.stay)] == [0, 2.5]
    assert reading.assumed_start
    assert "its first measurement was taken as the start" in " ".join(reading.sentences())
    reading = stays.read(path, start="2024-03-01T11:00:00")
    assert [hours for *_, hours in told(reading.stay)] == [1.5]
    assert list(reading.sentences()) == ["Left out: 1 measurement(s) before the start."]


@pytest.mark.parametrize("row", ["8867-4,,/min,1", ",90,/min,1", "8867-4,nan,/min,1", "8867-4,90,/min,soon"])
def test_a_row_that_cannot_be_used_is_counted(tmp_path, row):
    reading = stays.read(written(tmp_path, f"code,value,unit,hours\n8867-4,90,/min,1\n{row}\n"))
    assert len(reading.stay.measurements) == 1
    assert list(reading.sentences()) == ["Left out: 1 row(s) without a code, a number or a time."]


def test_the_contracts_own_form(tmp_path):
    stay = {"age": {"years": 60}, "measurements": [{"code": {"code": "x"}, "sinceStart": "60s"}]}
    reading = stays.read(written(tmp_path, json.dumps(stay)))
    assert reading.stay.age.years == 60
    assert reading.stay.measurements[0].since_start.seconds == 60


def observation(code: str, value, when="2024-03-01T12:00:00Z", **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:local", "code": "hr"}, {"system": LOINC, "code": code}]},
        "effectiveDateTime": when,
        "valueQuantity": value,
    } | more


def bundle(*resources, starts=("2024-03-01T10:00:00+00:00",)) -> str:
    everything = [
        {"resourceType": "Patient", "gender": "female", "birthDate": "1950-03-02"},
        *({"resourceType": "Encounter", "period": {"start": start}} for start in starts),
        *resources,
    ]
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in everything]})


def test_a_bundle_with_components_height_age_and_start(tmp_path):
    pressure = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "effectivePeriod": {"start": "2024-03-01T11:00:00Z"},
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "8480-6", "display": "Systolic"}]},
                "valueQuantity": {"value": 120, "unit": "mmHg", "code": "mm[Hg]"},
            },
            {
                "code": {"coding": [{"system": LOINC, "code": "8462-4"}]},
                "valueQuantity": {"value": 80, "code": "mm[Hg]"},
            },
        ],
    }
    path = written(
        tmp_path,
        bundle(
            observation("2524-7", {"value": 0.3, "comparator": "<", "code": "mmol/L"}),
            pressure,
            observation("8302-2", {"value": 1.65, "code": "m"}),
            observation("9267-6", None, valueInteger=4),
        ),
    )
    reading = stays.read(path)
    assert told(reading.stay) == [
        ("2524-7", 0.3, "mmol/L", 2),
        ("8480-6", 120, "mm[Hg]", 1),
        ("8462-4", 80, "mm[Hg]", 1),
        ("9267-6", 4, "", 2),
    ]
    assert reading.stay.measurements[0].value.comparator == quantity_pb2.COMPARATOR_LESS
    assert reading.stay.height_cm == 165
    assert reading.stay.age.years == 73  # the birthday is the day after
    assert reading.stay.gender == patient_pb2.ADMINISTRATIVE_GENDER_FEMALE
    assert not list(reading.sentences())


def test_what_of_a_bundle_cannot_be_used_is_counted_by_kind(tmp_path):
    coded = observation("2524-7", None, valueCodeableConcept={"text": "high"})
    unnamed = observation("x", {"value": 1}) | {"code": {"text": "heart rate"}}
    empty = {"resourceType": "Observation", "code": {}}
    path = written(
        tmp_path,
        bundle(
            observation("8867-4", {"value": 90}),
            observation("8867-4", {"value": 91}, when="2024-03-01"),
            observation("8867-4", {"value": 92}, status="entered-in-error"),
            coded,
            unnamed,
            empty,
        ),
    )
    reading = stays.read(path)
    assert len(reading.stay.measurements) == 1
    assert list(reading.sentences()) == [
        "Left out: 1 observation(s) whose value is not a number.",
        "Left out: 1 observation(s) with the status entered-in-error.",
        "Left out: 1 observation(s) without a code.",
        "Left out: 1 observation(s) without a time of day.",
        "Left out: 1 observation(s) without a value.",
    ]


def test_a_coding_of_another_system_is_left_to_the_service(tmp_path):
    ventilated = observation("x", {"value": 1}) | {
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "40617009"}]}
    }
    [one] = stays.read(written(tmp_path, bundle(ventilated))).stay.measurements
    assert (one.code.system, one.code.code) == ("http://snomed.info/sct", "40617009")


def test_two_encounters_do_not_say_when_the_stay_began(tmp_path):
    starts = ("2024-03-01T10:00:00Z", "2024-02-01T10:00:00Z")
    reading = stays.read(written(tmp_path, bundle(observation("8867-4", {"value": 90}), starts=starts)))
    assert reading.assumed_start
    assert [hours for *_, hours in told(reading.stay)] == [0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("name,number\nDoe,1\n", "needs the columns code, value, unit and hours"),
        ("code,value,unit,hours\n", "holds no measurement"),
        ("{not json", "is not JSON"),
        ('{"resourceType": "Bundle"}', "holds no measurement"),
        ('{"resourceType": "Bundle", "entry": [{"resource": "CANARY"}]}', "form of a FHIR bundle"),
        ('{"CANARY": 1}', "does not have the form"),
    ],
)
def test_what_is_no_stay_is_refused_in_one_sentence_that_quotes_nothing(tmp_path, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        stays.read(written(tmp_path, text))
    assert "CANARY" not in str(caught.value)
    assert "Doe" not in str(caught.value)
