"""`$diagnose` in FHIR R4: what is read of Parameters and Bundles, what comes back, and how it fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from medmesh.common.v1.catalog_pb2 import GetModelCardResponse
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import stored_diagnosis
from tests.contracts.source import ROOT
from tests.gateway.conftest import FORM, form

FHIR = {"content-type": "application/fhir+json"}
DIAGNOSE = "/fhir/$diagnose"
PATIENT = {"resource": {"resourceType": "Patient", "id": "p1"}}
CONDITION = {
    "fullUrl": "https://ehr.test/Condition/c1",
    "resource": {"resourceType": "Condition", "id": "c1"},
}
DICOM = ROOT / "samples" / "chest_xray.dcm"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def parameters(*given: dict) -> dict:
    return {"resourceType": "Parameters", "parameter": list(given)}


def bundle(*entries: dict) -> dict:
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries)}


def ask(caller, document: Any):
    return caller.ask("POST", DIAGNOSE, json.dumps(document), FHIR)


def by_type(answer) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for entry in answer.json["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.fixture
def answering(small, behind):
    behind.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    behind.answers["GetModelCard"] = lambda request: GetModelCardResponse(card={"name": request.name})
    return small


def test_parameters_reach_the_mesh_as_they_are(answering, behind):
    record = bundle(PATIENT, CONDITION)
    given = parameters(
        {"name": "record", "resource": record},
        {"name": "image", "valueAttachment": {"contentType": "image/png", "data": encoded(b"png")}},
        {
            "name": "image",
            "resource": {"resourceType": "Binary", "contentType": "image/png", "data": encoded(b"2")},
        },
        {"name": "note", "valueString": "Kein Husten."},
        {"name": "bodyPart", "valueCode": "CHEST"},
        {"name": "model", "valueString": "chest_xray"},
        {"name": "maxTreatments", "valueInteger": 3},
        {"name": "draftReport", "valueBoolean": True},
    )
    assert ask(answering, given).status == 200
    case = next(seen.request.case for seen in behind.seen if seen.method == "Diagnose")
    assert [image.sources[0].content for image in case.images] == [b"png", b"2"]
    assert (case.images[0].options.body_part, list(case.images[0].options.models)) == (
        "CHEST",
        ["chest_xray"],
    )
    assert case.note == "Kein Husten."
    assert json.loads(case.patient.fhir_bundle) == record
    assert (case.max_treatment_count, case.HasField("draft_report")) == (3, True)


def test_a_bundle_is_taken_apart_into_images_note_and_record(answering, behind):
    attachment = {"contentType": "text/plain; charset=utf-8", "data": encoded(b"No cough.")}
    given = bundle(
        {"resource": {"resourceType": "Binary", "contentType": "application/dicom", "data": encoded(b"dcm")}},
        PATIENT,
        {"resource": {"resourceType": "DocumentReference", "content": [{"attachment": attachment}]}},
        CONDITION,
    )
    assert ask(answering, given).status == 200
    case = next(seen.request.case for seen in behind.seen if seen.method == "Diagnose")
    assert [image.sources[0].content for image in case.images] == [b"dcm"]
    assert case.note == "No cough."
    assert json.loads(case.patient.fhir_bundle)["entry"] == [PATIENT, CONDITION]


def test_the_answer_says_what_the_diagnosis_says(answering):
    given = parameters({"name": "record", "resource": bundle(PATIENT, CONDITION)})
    answer = ask(answering, given)
    assert answer.headers["content-type"].startswith("application/fhir+json")
    found = by_type(answer)
    diagnosis = stored_diagnosis()
    assert answer.json["entry"][0]["resource"]["resourceType"] == "DiagnosticReport"
    assert [
        (risk["prediction"][0]["outcome"]["coding"][0]["code"], risk["prediction"][0]["probabilityDecimal"])
        for risk in found["RiskAssessment"]
    ] == [(one.condition.code, round(100 * one.probability, 2)) for one in diagnosis.assessments]
    (report,) = found["DiagnosticReport"]
    assert "Needs review by a person." in report["conclusion"]
    assert "Pneumonia 87.2 %" in report["conclusion"]
    assert {reference["reference"] for reference in report["result"]} == {
        f"Observation/{observation['id']}" for observation in found["Observation"]
    }
    results = [result for image in diagnosis.images for result in image.analysis.results]
    labels = {finding.label for result in results for finding in result.findings}
    assert labels <= {observation["code"]["text"] for observation in found["Observation"]}
    alerts = [alert for treatment in diagnosis.treatments.treatments for alert in treatment.alerts]
    assert len(found["DetectedIssue"]) == len(alerts) + len(diagnosis.disagreements)
    codes = {issue["details"]["coding"][0]["code"] for issue in found["OperationOutcome"][0]["issue"]}
    assert "BODY_PART_RECOGNISED" in codes
    assert "MedicationRequest" not in found  # treatments are no orders


def test_evidence_is_named_by_its_observations_and_every_reference_resolves(answering):
    answer = ask(answering, parameters({"name": "record", "resource": bundle(PATIENT, CONDITION)}))
    found = by_type(answer)
    basis = [reference["reference"] for reference in found["RiskAssessment"][0]["basis"]]
    texts = {f"Observation/{o['id']}": o["code"]["text"] for o in found["Observation"]}
    assert {"bacterial_pneumonia", "viral_pneumonia"} <= {texts[reference] for reference in basis}
    within = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json["entry"]}
    assert set(references(answer.json)) - within <= {"Patient/p1", "https://ehr.test/Condition/c1"}
    for entry in answer.json["entry"]:
        resource = entry["resource"]
        assert entry["fullUrl"].endswith(f"/fhir/{resource['resourceType']}/{resource['id']}")


def test_each_model_is_a_device_with_its_card_and_what_ai_asserts_says_so(answering):
    found = by_type(ask(answering, parameters({"name": "note", "valueString": "x"})))
    names = [device["deviceName"][0]["name"] for device in found["Device"]]
    assert {"chest_xray", "chest_findings", "clinical_ner", "medmesh orchestrator"} <= set(names)
    titles = [document["content"][0]["attachment"]["title"] for document in found["DocumentReference"]]
    assert len(titles) == len(names) - 1
    card = json.loads(base64.b64decode(found["DocumentReference"][0]["content"][0]["attachment"]["data"]))
    assert f"Model card of {card['name']}" in titles
    asserted = {"DiagnosticReport", "Observation", "RiskAssessment", "DetectedIssue"}
    for kind, resources in found.items():
        for resource in resources:
            tags = [tag["code"] for tag in resource.get("meta", {}).get("security", ())]
            assert tags == (["AIAST"] if kind in asserted else [])
    agents = found["Provenance"][0]["agent"]
    assert len(agents) == len(names)
    assert len(found["Provenance"][0]["entity"][0]["what"]["identifier"]["value"]) == 32


def test_a_dicom_image_names_its_study_and_another_does_not(answering):
    def studies(content: bytes) -> list[dict]:
        image = {
            "name": "image",
            "valueAttachment": {"contentType": "application/dicom", "data": encoded(content)},
        }
        return by_type(ask(answering, parameters(image))).get("ImagingStudy", [])

    # The shared door takes 64 KiB: the header alone is enough for the identifiers.
    (study,) = studies(DICOM.read_bytes()[:2000])
    assert study["identifier"][0]["system"] == "urn:dicom:uid"
    assert study["series"][0]["modality"]["code"] == "CR"
    assert studies(b"png") == []
    deflated = DICOM.read_bytes()[:2000] + b"1.2.840.10008.1.2.1.99"
    assert studies(deflated) == []


def test_an_entry_is_named_by_its_place_in_what_was_sent(answering, behind):
    diagnosis = stored_diagnosis()
    diagnosis.notices.add(reason="X", message="m", places=["Bundle.entry[1].resource.code"])
    behind.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=diagnosis)
    binary = {"resource": {"resourceType": "Binary", "contentType": "image/png", "data": encoded(b"x")}}
    found = by_type(ask(answering, bundle(binary, PATIENT, CONDITION)))
    said = [issue.get("expression") for issue in found["OperationOutcome"][0]["issue"]]
    assert ["Bundle.entry[2].resource.code"] in said


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({}, "not-supported", "must be Parameters or Bundle"),
        ({"resourceType": "Patient"}, "not-supported", "must be Parameters or Bundle"),
        ([], "not-supported", "must be Parameters or Bundle"),
        (parameters({"name": "CANARY", "valueString": "x"}), "not-supported", "known are record, image"),
        (
            {"resourceType": "Parameters", "parameter": {"name": "note"}},
            "invalid",
            "must be an array of objects",
        ),
        (parameters({"name": "note"}), "required", "valueAttachment"),
        (parameters({"name": "note", "valueString": 5}), "invalid", "must have one value, text"),
        (parameters({"name": "maxTreatments", "valueInteger": True}), "invalid", "a whole number"),
        (parameters(*[{"name": "note", "valueString": "x"}] * 2), "business-rule", "send one note"),
        (
            parameters({"name": "record", "resource": {"resourceType": "CANARY"}}),
            "invalid",
            "must be a Bundle",
        ),
        (
            parameters({"name": "image", "valueAttachment": {"url": "http://x/CANARY"}}),
            "required",
            "nothing is fetched",
        ),
        (parameters({"name": "image", "valueAttachment": {"data": "CANARY*"}}), "invalid", "is no base64"),
        (
            bundle(
                {"resource": {"resourceType": "Binary", "contentType": "application/pdf", "data": "AAAA"}}
            ),
            "not-supported",
            "Bundle.entry[0].resource",
        ),
    ],
)
def test_bad_input_gets_an_operation_outcome(small, written, document, code, words):
    answer = ask(small, document)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/fhir+json")
    (issue,) = answer.json["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert words in issue["diagnostics"]
    assert "CANARY" not in answer.body.decode() + written.getvalue()


def test_errors_of_door_and_mesh_are_operation_outcomes_too(small, behind):
    behind.fail("Diagnose", "RESOURCE_EXHAUSTED", "Too many requests wait; try again later.")
    found = [
        small.ask("POST", DIAGNOSE, b"{", FHIR),
        small.ask("POST", DIAGNOSE, form(), FORM),
        small.ask("POST", DIAGNOSE, b" " * 70_000, FHIR),
        small.ask("GET", DIAGNOSE),
        small.ask("GET", "/fhir/Patient"),
        small.ask("POST", DIAGNOSE, b"{}", FHIR | {"origin": "https://evil.test"}),
        ask(small, parameters({"name": "note", "valueString": "x"})),
    ]
    assert [answer.status for answer in found] == [400, 400, 413, 405, 404, 403, 429]
    assert {answer.json["resourceType"] for answer in found} == {"OperationOutcome"}


def test_the_server_says_what_it_is(small):
    statement = small.ask("GET", "/fhir/metadata").json
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    assert [operation["name"] for operation in statement["rest"][0]["operation"]] == ["diagnose"]
    definition = small.ask("GET", "/fhir/OperationDefinition/diagnose").json
    assert definition["url"] == statement["rest"][0]["operation"][0]["definition"]
