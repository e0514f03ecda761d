"""What a record speaks against, however it codes it: from the bundle to the alerts of one treatment.

`data/cases/safety_given.tsv` names the cases that were handed in, `safety.tsv` has ours (F801 and on). Right
is every alert of the treatment but those of age, and every notice that asks for review (`!`): "nothing" is
neither.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from medmesh.common.v1.patient_pb2 import PatientInput
from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, Concept
from services.recommendation.convert_record import record_from, record_message
from services.recommendation.safety.alerts import Kind

CASES = Path(__file__).parent / "data" / "cases"
SYSTEMS = SYSTEM_BY_SHORT_NAME | {
    "absent": SYSTEM_BY_SHORT_NAME["absent-unknown"],
    "local": "http://hospital.example.org/codes",
}
KINDS = {
    "allergy": ("AllergyIntolerance", "patient", "code"),
    "condition": ("Condition", "subject", "code"),
    "medication": ("MedicationRequest", "subject", "medicationCodeableConcept"),
}
KINDS_OF_ALERT = {kind: kind.value for kind in (Kind.ALLERGY, Kind.INTERACTION, Kind.DUPLICATE)}
"""As a ranking tells kinds apart: all else is a condition."""
STATES = {"ended", "inactive", "resolved", "provisional", "differential"}
QUANTITY = re.compile(r"(<=|>=|<|>)?([\d.]+) (.+)")


def table(name):
    with (CASES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def given_cases():
    for row in table("safety_given.tsv"):
        yield row["id"], (CASES / "fhir" / row["input"]).read_bytes(), row["treatment"], row["right"]


def own_cases():
    for row in table("safety.tsv"):
        yield row["id"], bundle(row["kind"], row["coding"]), row["treatment"], row["right"]


def bundle(kind, coding) -> bytes:
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1981-05-01"}
    resources = [patient, *(resource(kind, part.strip()) for part in coding.split(" ; "))]
    entries = [{"resource": item} for item in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def resource(kind, coding):
    subject = {"reference": "Patient/p1"}
    if kind in {"observation", "finding"}:
        code, _, value = coding.partition(" = ")
        value, _, when = value.partition(" @")
        item = {"resourceType": "Observation", "status": "final", "subject": subject, "code": concept(code)}
        item["effectiveDateTime"] = when or "2026-10-20"
        if kind == "finding":
            return item | {"valueCodeableConcept": concept(value)}
        comparator, number, unit = QUANTITY.fullmatch(value).groups()
        quantity = {"value": float(number), "code": unit, "system": "http://unitsofmeasure.org"}
        return item | {"valueQuantity": quantity | ({"comparator": comparator} if comparator else {})}
    state, _, rest = coding.partition(" ")
    state, coding = (state, rest) if state in STATES else ("", coding)
    name, owner, code = KINDS[kind]
    item = {"resourceType": name, owner: subject, code: concept(coding)}
    if kind == "medication":
        item |= {"status": "active", "intent": "order", "authoredOn": "2026-10-01"}
    if kind == "condition":
        item |= {"onsetDateTime": "2026-03-01"}
    if state == "ended":
        item["abatementDateTime"] = "2026-09-01"
    elif state in {"inactive", "resolved"}:
        item["clinicalStatus"] = {"coding": [{"code": state}]}
    elif state:
        item["verificationStatus"] = {"coding": [{"code": state}]}
    return item


def concept(coding):
    made = {"coding": []}
    for part in coding.split(" + "):
        if part.startswith("text:"):
            made["text"] = part.removeprefix("text:")
        elif part.startswith("display:"):
            made["coding"].append({"display": part.removeprefix("display:")})
        else:
            system, code, *display = part.split("|")
            item = {"system": SYSTEMS.get(system, system), "code": code}
            made["coding"].append(item | ({"display": display[0]} if display and display[0].strip() else {}))
    return made


ALL = [*given_cases(), *own_cases()]
IDS = [f"{case[0]}-{case[2]}" for case in ALL]


@pytest.mark.parametrize(("content", "treatment", "right"), [case[1:] for case in ALL], ids=IDS)
def test_a_case_is_judged_as_is_right(ranker, rules, encoder, content, treatment, right):
    read = record_from(PatientInput(fhir_bundle=content))
    # The orchestrator sends back the typed record: it must say the same.
    typed = record_from(PatientInput(record=record_message(read.record)))
    drug = rules.product(CodedConcept((ranked_drug(encoder, treatment),)))
    assert [judged(ranker, item, read.notices, drug) for item in (read.record, typed.record)] == [right] * 2


def judged(ranker, record, read_notices, product) -> str:
    check = ranker.check(record)
    alerts = [alert for alert in check.alerts(product) if alert.kind is not Kind.AGE]
    lines = {
        f"{KINDS_OF_ALERT.get(alert.kind, 'condition')} {alert.severity.name.lower()}" for alert in alerts
    }
    # A "!" behind a notice: it asks for review.
    notices = [item for item in read_notices if item.review_required] + list(check.notices)
    assert all(item.places for item in notices)
    told = [f"notice {item.reason}{'!' if item.review_required else ''}" for item in notices]
    return " ; ".join([*sorted(lines), *told]) or "nothing"


def ranked_drug(encoder, display) -> Concept:
    [key] = [item.key for item in encoder.vocabulary.treatments if item.display == display]
    system, code = key.split("|")
    return Concept(SYSTEM_BY_SHORT_NAME[system], code, display)


@pytest.mark.parametrize("coding", [row["coding"] for row in table("known.tsv")])
async def test_pneumonia_is_known_to_the_ranker_however_it_is_coded(ranker, coding):
    read = record_from(PatientInput(fhir_bundle=bundle("condition", coding)))
    ranking, _ = await ranker.rank(read.record, (), 5)
    assert len(ranking.known_conditions) == 1
    assert not ranking.unknown_conditions
    assert not any(notice.review_required for notice in ranking.notices)


@pytest.mark.parametrize(
    ("id_", "input_"),
    [
        ("F074", "code_code_with_spaces.json"),
        ("F077", "code_icd10_who.json"),
        ("F079", "code_icd10cm_oid.json"),
        ("F083", "code_snomed_urn_oid.json"),
        ("F084", "code_snomed_version_uri.json"),
    ],
)
async def test_a_given_coding_is_known_to_the_ranker(ranker, id_, input_):
    read = record_from(PatientInput(fhir_bundle=(CASES / "fhir" / input_).read_bytes()))
    ranking, _ = await ranker.rank(read.record, (), 5)
    assert len(ranking.known_conditions) == 1, id_
    assert not ranking.unknown_conditions, id_
