"""Records that people met, and ours of the same kinds: read as the table says, or refused with the remedy.

`data/cases/given.tsv` names the cases that were handed in, `reading.json` has ours (F501 and on). Right is
the whole reading, in the lines of `described`; of a refusal, its beginning.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path

import pytest

from medmesh.common.v1.patient_pb2 import PatientInput
from services.chassis.errors import InvalidInput
from services.recommendation.convert_record import record_from, record_message
from tests.recommendation.reading import described

CASES = Path(__file__).parent / "data" / "cases"
SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "loinc": "http://loinc.org",
}
CODED = re.compile(r"(snomed|icd10cm|rxnorm|loinc)\|([^|]+)(?:\|(.+))?")
WITHOUT_SUBJECT = {
    "Patient",
    "AllergyIntolerance",
    "Medication",
    "Bundle",
    "Organization",
    "FamilyMemberHistory",
}


def given_cases():
    with (CASES / "given.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["id"], (CASES / "fhir" / row["input"]).read_bytes(), row["right"].split(" ; ")


def own_cases():
    for case in json.loads((CASES / "reading.json").read_text(encoding="utf-8")):
        yield case["id"], content_of(case), case["right"]


def content_of(case) -> bytes:
    if "content_hex" in case:
        return bytes.fromhex(case["content_hex"])
    if "content" in case:
        return case["content"].encode()
    patient = {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "2019-05-01"}
    patient |= case.get("patient", {})
    url = patient.pop("fullUrl", None)
    first = {"resource": patient} | ({"fullUrl": url} if url else {})
    bundle = {"resourceType": "Bundle", "type": case.get("type", "collection"), **case.get("bundle", {})}
    return json.dumps({**bundle, "entry": [first, *map(entry_of, case["entries"])]}).encode()


def entry_of(given):
    """An entry of the shorthand: `snomed|1` is a CodeableConcept, the subject is the patient."""
    resource = dict(given)
    entry = resource.pop("_entry", {})
    if not resource:
        return entry
    kind = resource["resourceType"]
    if kind == "AllergyIntolerance":
        resource.setdefault("patient", {"reference": "Patient/p1"})
    elif kind not in WITHOUT_SUBJECT:
        resource.setdefault("subject", {"reference": "Patient/p1"})
    return {**entry, "resource": expanded(resource)}


def expanded(value):
    if isinstance(value, dict):
        return {name: expanded(member) for name, member in value.items()}
    if isinstance(value, list):
        return [expanded(item) for item in value]
    if isinstance(value, str):
        if match := CODED.fullmatch(value):
            system, code, display = match.groups()
            coding = {"system": SYSTEMS[system], "code": code} | ({"display": display} if display else {})
            return {"coding": [coding]}
        if value.startswith("text:"):
            return {"text": value.removeprefix("text:")}
        if value.startswith("status:"):
            return {"coding": [{"code": value.removeprefix("status:")}]}
    return value


ALL = [*given_cases(), *own_cases()]


@pytest.mark.parametrize(("content", "right"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_a_case_is_read_as_is_right(content, right):
    found = described(content)
    if right and right[0].startswith("refused"):
        assert len(found) == 1
        assert found[0].startswith(right[0])
    else:
        assert found == (right if right and right[0].startswith("age") else ["age None", *right])


def test_what_is_dated_after_today_is_noticed():
    condition = {"resourceType": "Condition", "code": "snomed|233604007", "onsetDateTime": "2026-10-20"}
    message = PatientInput(fhir_bundle=content_of({"entries": [condition]}))
    for today, places in ((date(2026, 10, 19), []), (date(2026, 10, 18), ["Bundle.entry[1].resource"])):
        notices = record_from(message, today).notices
        assert [place for notice in notices for place in notice.places] == places
        assert all(notice.review_required and notice.reason == "DATE_IN_FUTURE" for notice in notices)


@pytest.mark.parametrize("content", [case[1] for case in ALL], ids=[case[0] for case in ALL])
def test_a_case_survives_the_way_through_the_typed_record(content):
    """The orchestrator sends back what was read: nothing that counts is lost."""
    try:
        read = record_from(PatientInput(fhir_bundle=content))
    except InvalidInput:
        return
    again = record_from(PatientInput(record=record_message(read.record)))
    assert again.record == read.record
    assert [item.place for item in again.record.allergies] == [item.place for item in read.record.allergies]
