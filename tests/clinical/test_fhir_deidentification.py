from __future__ import annotations

import base64
import json
from datetime import date, timedelta

import pytest

from services.chassis.errors import InvalidInput
from services.clinical.date_shift import LEAST_DAYS, MOST_DAYS, shift_days
from services.clinical.fhir.bounded_json import parse
from services.clinical.fhir.deidentification import Change, cleaned

KEY = b"a key of sixteen bytes or more"
CANARY = "Kanarienvogel"


def done(resource, patient="", key=KEY):
    return cleaned(parse(json.dumps(resource).encode(), max_bytes=1 << 20, max_depth=50), key, patient)


def bundle(*resources):
    entries = [{"fullUrl": f"urn:uuid:{one.get('id', 'x')}", "resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


PATIENT = {
    "resourceType": "Patient",
    "id": "p-4711",
    "text": {"status": "generated", "div": f"<div>{CANARY}</div>"},
    "name": [{"use": "official", "family": CANARY, "given": ["Anna"]}],
    "identifier": [{"system": "urn:mrn", "value": f"MRN {CANARY}"}],
    "telecom": [{"system": "phone", "value": "555-0199"}],
    "address": [{"line": [f"1 {CANARY} Road"], "city": CANARY, "postalCode": "01234"}],
    "contact": [{"name": {"text": CANARY}}],
    "photo": [{"contentType": "image/png", "data": "AAAA"}],
    "extension": [{"url": "http://example.org/mother", "valueString": CANARY}],
    "birthDate": "1954-07-21",
    "_birthDate": {"extension": [{"url": "u", "valueString": CANARY}]},
    "gender": "female",
    CANARY + " !": CANARY,
}


def test_what_identifies_people_and_places_is_removed_wherever_it_stands():
    practitioner = {"resourceType": "Practitioner", "id": "d1", "name": [{"family": CANARY}]}
    hospital = {
        "resourceType": "Organization",
        "id": "o1",
        "name": CANARY,
        "contact": [{"name": {"text": CANARY}}],
    }
    within = {"resourceType": "Condition", "id": "c", "contained": [practitioner], "code": {"text": "asthma"}}
    result = done(bundle(PATIENT, practitioner, hospital, within))

    assert CANARY not in json.dumps(result.root)
    assert result.root["entry"][0]["resource"]["gender"] == "female"
    assert result.changes["Patient.name", Change.REMOVED] == 1
    assert result.changes["(unknown)", Change.REMOVED] >= 1
    assert CANARY not in repr(result.changes)
    assert ("NAME", CANARY) in result.known  # to be looked for in the texts
    assert ("PHONE", "555-0199") in result.known


def test_ids_and_references_are_mapped_so_that_they_still_lead_to_each_other():
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p-4711", "display": f"Anna {CANARY}"},
        "encounter": {"reference": "https://fhir.example/base/Encounter/e9/_history/2"},
        "asserter": {"reference": "urn:uuid:p-4711"},
    }
    root = done(bundle(PATIENT, condition)).root
    patient, mapped = (entry["resource"] for entry in root["entry"])

    assert mapped["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert mapped["asserter"]["reference"] == root["entry"][0]["fullUrl"] == f"urn:uuid:{patient['id']}"
    assert mapped["encounter"]["reference"].startswith("Encounter/")
    assert not {"p-4711", "e9", "c1"} & {patient["id"], mapped["id"]}
    other = done(bundle(PATIENT), key=b"another key of sixteen").root
    assert other["entry"][0]["resource"]["id"] != patient["id"]


def test_dates_move_by_the_patients_days_and_births_lose_all_but_the_year():
    visit = {
        "resourceType": "Encounter",
        "period": {"start": "2019-03-01T10:20:30+01:00", "end": "2019-03-08"},
        "partOf": {"identifier": {"value": CANARY}},
        "length": {"value": 94, "code": "a"},
    }
    root = done(bundle(PATIENT, visit)).root
    patient, moved = (entry["resource"] for entry in root["entry"])
    days = shift_days(KEY, "p-4711")

    assert LEAST_DAYS <= abs(days) <= MOST_DAYS
    assert patient["birthDate"] == "1954"
    assert moved["period"]["start"].endswith("T10:20:30+01:00")
    assert moved["period"]["start"][:10] != "2019-03-01"
    start, end = (moved["period"][one][:10] for one in ("start", "end"))
    assert date.fromisoformat(end) - date.fromisoformat(start) == timedelta(7)
    assert date.fromisoformat(start) - date(2019, 3, 1) == timedelta(days)
    assert moved["length"]["value"] == 90


def test_a_birth_more_than_89_years_ago_goes_as_a_whole():
    visit = {"resourceType": "Encounter", "period": {"start": "2019-03-01"}}
    old = {"resourceType": "Patient", "id": "x", "birthDate": "1929-01-01"}
    root = done(bundle(old, visit)).root
    assert "birthDate" not in root["entry"][0]["resource"]


def test_every_other_text_is_handed_out_and_put_back():
    note = base64.b64encode(f"Seen by Dr. {CANARY}.".encode()).decode()
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1", "display": "CBC"}], "text": "CBC"},
        "conclusion": f"{CANARY} is well.",
        "note": [{"text": "Call the sister."}],
        "presentedForm": [
            {"contentType": "text/plain", "data": note},
            {"contentType": "application/pdf", "data": note, "url": f"https://{CANARY}.example"},
        ],
        "somethingNew": f"for {CANARY}",
    }
    result = done(report)
    texts = [one.text for one in result.texts]
    assert sorted(texts) == sorted(
        ["CBC", f"{CANARY} is well.", "Call the sister.", f"Seen by Dr. {CANARY}.", f"for {CANARY}"]
    )

    result.put_back([text.replace(CANARY, "[NAME-1]") for text in texts])

    assert CANARY not in json.dumps(result.root)
    assert base64.b64decode(result.root["presentedForm"][0]["data"]) == b"Seen by Dr. [NAME-1]."
    assert "data" not in result.root["presentedForm"][1]
    assert result.root["code"]["coding"][0]["display"] == "CBC"  # of the code system, not of a person
    assert result.changes["DiagnosticReport.conclusion", Change.TEXT_DEIDENTIFIED] == 1
    assert result.changes["DiagnosticReport.note.text", Change.TEXT_DEIDENTIFIED] == 0


@pytest.mark.parametrize("root", [[], {}, {"resourceType": 3}, "text"])
def test_what_is_no_resource_is_refused(root):
    with pytest.raises(InvalidInput, match="FHIR resource"):
        done(root)
