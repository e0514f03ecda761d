"""CDS Hooks 2.0: discovery, cards, feedback, and which EHR may ask."""

from __future__ import annotations

import json
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from clients.gateway.cds_hooks.services import PREFETCH
from clients.gateway.settings import GatewaySettings
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1.medication_check_pb2 import (
    CheckedOrder,
    CheckMedicationsResponse,
    MedicationAlert,
    MedicationCheck,
)
from services.chassis.settings import SettingsError
from tests.clients.fake_mesh import stored_diagnosis
from tests.gateway.conftest import HttpCaller, connection_to, door
from tests.holding import held

VIEW = "/cds-services/assessment"
SELECT = "/cds-services/selected-medications"
SIGN = "/cds-services/signed-medications"
PATIENT = {
    "resourceType": "Patient",
    "gender": "male",
    "birthDate": "1925-12-23",
    "id": "1288992",
    "active": True,
}
EXAMPLE = {
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "fhirServer": "http://hooks.smarthealthit.org:9080",
    "hook": "patient-view",
    "fhirAuthorization": {
        "access_token": "some-opaque-fhir-access-token",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/Patient.read user/Observation.read",
        "subject": "cds-service4",
    },
    "context": {"userId": "Practitioner/example", "patientId": "1288992", "encounterId": "89284"},
    "prefetch": {"patientToGreet": PATIENT},
}
"""The example of the specification, section "HTTP Request"."""


def order(name: str, **more) -> dict:
    return {"resourceType": "MedicationRequest", "id": name, "status": "draft", **more}


def ordering(hook: str, *orders: dict, prefetch: dict | None = None, **context) -> dict:
    drafts = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in orders]}
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "Practitioner/1", "patientId": "1288992", "draftOrders": drafts, **context},
        "prefetch": {"patient": PATIENT} if prefetch is None else prefetch,
    }


def alert(severity: str, explanation: str) -> MedicationAlert:
    return MedicationAlert(
        kind="KIND_ALLERGY",
        severity=f"SEVERITY_{severity}",
        evidence="EVIDENCE_HIGH",
        explanation=explanation,
        remedy="Choose another.",
        source="Label",
    )


def check(*orders: CheckedOrder, notices: list[Notice] | None = None) -> CheckMedicationsResponse:
    return CheckMedicationsResponse(check=MedicationCheck(orders=orders, notices=notices or []))


def valid(card: dict) -> dict:
    """Holds a card to what the specification says of each attribute."""
    assert uuid.UUID(card["uuid"])
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in {"info", "warning", "critical"}
    assert card["source"]["label"]
    for link in card.get("links", ()):
        assert link["type"] in {"absolute", "smart"}
        assert link["url"].startswith("http")
    if card.get("suggestions"):
        assert card["selectionBehavior"] in {"at-most-one", "any"}
        for action in (a for s in card["suggestions"] for a in s["actions"]):
            assert action["description"]
            assert (action["type"] == "delete") == ("resourceId" in action)
    for reason in card.get("overrideReasons", ()):
        assert {"code", "system", "display"} == set(reason)
    return card


def test_the_services_are_discovered(small):
    services = small.ask("GET", "/cds-services").json["services"]
    assert {service["hook"] for service in services} == {"patient-view", "order-select", "order-sign"}
    for service in services:
        assert service["prefetch"]["patient"] == "Patient/{{context.patientId}}"
        assert service["description"]
        assert small.ask("GET", f"/cds-services/{service['id']}").status == 405


def test_the_specifications_own_example_gets_a_valid_card(small, behind):
    behind.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    answer = small.post(VIEW, EXAMPLE)
    assert answer.status == 200
    (card,) = [valid(card) for card in answer.json["cards"]]
    assert card["summary"] == "By the record: Pneumonia 87 %"
    assert "The EHR did not send: conditions" in card["detail"]
    assert stored_diagnosis().intended_use in card["detail"]
    behind.answers["Diagnose"] = pb.DiagnoseResponse()  # what a record of a Patient alone gives
    (card,) = [valid(card) for card in small.post(VIEW, EXAMPLE).json["cards"]]
    assert card["summary"] == "No assessment: the EHR sent no conditions"
    sent = json.loads(behind.last.request.case.patient.fhir_bundle)
    assert [entry["resource"] for entry in sent["entry"]] == [PATIENT]


def test_a_drafted_order_gets_a_card_for_each_alert_the_most_urgent_first(small, behind):
    checked = CheckedOrder(
        recognised_drugs=["amoxicillin"],
        alerts=[alert("CAUTION", "Second."), alert("CONTRAINDICATED", "First. " + "Long. " * 40)],
        minor_alerts=[alert("INFORMATION", "Third.")],
    )
    behind.answers["CheckMedications"] = check(checked)
    full = {key: {"resourceType": "Bundle"} for key in PREFETCH} | {"patient": PATIENT}
    asked = ordering("order-sign", order("a"), prefetch=full)
    cards = [valid(card) for card in small.post(SIGN, asked).json["cards"]]
    assert [card["indicator"] for card in cards] == ["critical", "warning", "info"]
    assert cards[0]["summary"].startswith("amoxicillin: allergy. First.")
    assert cards[0]["suggestions"][0]["actions"][0]["resourceId"] == "MedicationRequest/a"
    assert cards[0]["source"]["topic"]["code"] == "allergy"
    assert len(cards[0]["overrideReasons"]) == 5
    assert json.loads(behind.last.request.orders[0].fhir_medication_request)["id"] == "a"


def test_of_selections_only_those_are_checked_and_what_is_not_is_said(small, behind):
    behind.answers["CheckMedications"] = check(
        CheckedOrder(),
        notices=[Notice(reason="ORDER_NOT_UNDERSTOOD", message="Not known.", review_required=True)],
    )
    diet = {"resourceType": "NutritionOrder", "id": "diet"}
    asked = ordering(
        "order-select",
        order("a"),
        order("b"),
        diet,
        selections=["MedicationRequest/b", "NutritionOrder/diet"],
    )
    (card,) = [valid(card) for card in small.post(SELECT, asked).json["cards"]]
    assert [json.loads(o.fhir_medication_request)["id"] for o in behind.last.request.orders] == ["b"]
    assert card["indicator"] == "warning"
    for words in ("Not known.", "1 of the orders are no medication", "did not send: conditions"):
        assert words in card["detail"]


def test_an_order_takes_the_medication_of_the_same_draft_with_it(small, behind):
    behind.answers["CheckMedications"] = check(CheckedOrder())
    drug = {"resourceType": "Medication", "id": "m", "code": {"text": "amoxicillin"}}
    referring = order("a", medicationReference={"reference": "Medication/m"})
    small.post(SIGN, ordering("order-sign", drug, referring))
    (sent,) = behind.last.request.orders
    read = json.loads(sent.fhir_medication_request)
    assert read["medicationReference"] == {"reference": "#medication"}
    assert read["contained"] == [drug | {"id": "medication"}]


def test_no_order_no_alert_no_card(small, behind):
    full = {key: {"resourceType": "Bundle"} for key in PREFETCH} | {"patient": PATIENT}
    assert small.post(SIGN, ordering("order-sign", prefetch=full)).json == {"cards": []}
    diet = {"resourceType": "NutritionOrder", "id": "diet"}
    (card,) = small.post(SIGN, ordering("order-sign", diet, prefetch=full)).json["cards"]
    assert "1 of the orders are no medication" in card["detail"]
    behind.answers["CheckMedications"] = check(CheckedOrder(recognised_drugs=["x"]))
    assert small.post(SIGN, ordering("order-sign", order("a"), prefetch=full)).json == {"cards": []}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"hook": "order-sign"}, 400, "must be patient-view"),
        ({"hookInstance": None}, 400, "hookInstance"),
        ({"context": None}, 400, "context"),
        ({"context": {"userId": "x"}}, 400, "context.patientId"),
        ({"prefetch": None}, 412, "nothing is fetched"),
        ({"prefetch": {"patient": None}}, 412, "nothing is fetched"),
        ({"prefetch": []}, 412, "nothing is fetched"),
        ({"prefetch": {"CANARY": "CANARY"}}, 400, "must have FHIR resources"),
        ({"prefetch": {"CANARY": {"resourceType": "Bundle", "entry": 5}}}, 400, "must be an array"),
        ({"prefetch": {"p": PATIENT, "q": PATIENT | {"id": "CANARY"}}}, 400, "the one Patient"),
        ({"context": {"userId": "x", "patientId": "CANARY"}}, 400, "the one Patient"),
    ],
)
def test_bad_input_gets_a_problem(small, written, change, status, words):
    answer = small.post(VIEW, EXAMPLE | change)
    assert answer.status == status
    assert words in answer.body.decode()
    assert "CANARY" not in answer.body.decode() + written.getvalue()
    assert small.post(SIGN, ordering("order-sign") | {"context": {"patientId": "1"}}).status == 400


@pytest.fixture
def feedback_file(tmp_path):
    return tmp_path / "folder" / "feedback.jsonl"


def test_feedback_is_appended_without_what_the_user_wrote(mesh, feedback_file):
    card = str(uuid.uuid4())
    override = {
        "reason": {"code": "will-monitor", "system": "urn:medmesh:override-reason"},
        "userComment": "CANARY Meier",
    }
    noon, same = "2026-11-05T12:00:00Z", "2026-11-05T13:00:00+01:00"
    unknown = {"reason": {"code": "CANARY"}}
    given = [
        {
            "card": card,
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": card}],
            "outcomeTimestamp": noon,
        },
        {"card": card, "outcome": "overridden", "overrideReason": override, "outcomeTimestamp": same},
        {"card": card, "outcome": "overridden", "overrideReason": unknown, "outcomeTimestamp": noon},
    ]
    bad = [{"card": "CANARY"}, {"card": card, "outcome": "CANARY"}, {"card": card, "outcome": "accepted"}]
    with door(GatewaySettings(cds_feedback_file=feedback_file), connection_to(mesh)) as address:
        caller = HttpCaller(address)
        assert caller.post(f"{SIGN}/feedback", {"feedback": given}).status == 200
        for item in [*bad, "CANARY"]:
            answer = caller.post(f"{SIGN}/feedback", {"feedback": [item]})
            assert answer.status == 400
            assert "CANARY" not in answer.body.decode()
        assert caller.post(f"{SIGN}/feedback", {"feedback": given[:1]}).status == 200
        with held(feedback_file):
            assert caller.post(f"{SIGN}/feedback", {"feedback": given[:1]}).status == 503
    text = feedback_file.read_text()
    assert "CANARY" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["outcome"], line.get("reason")) for line in lines] == [
        ("accepted", None),
        ("overridden", "will-monitor"),
        ("overridden", "other"),
        ("accepted", None),
    ]
    assert {line["time"] for line in lines} == {"2026-11-05T12:00:00+00:00"}
    assert feedback_file.stat().st_mode & 0o077 == 0


@pytest.fixture
def ehr(tmp_path):
    """An EHR's private key, and the file that says of it."""
    key = ec.generate_private_key(ec.SECP384R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "k1"}
    (tmp_path / "ehr.jwks.json").write_text(json.dumps({"keys": [public]}))
    (tmp_path / "ehr.token").write_text("token-of-the-ehr\n")
    (tmp_path / "cds.toml").write_text(
        'audience = "https://door.test/cds-services"\n[ehr.main]\nissuer = "https://ehr.test"\n'
        'keys = "ehr.jwks.json"\nmesh_token_file = "ehr.token"\n'
    )
    return key, tmp_path / "cds.toml"


def bearer(key, kid: str = "k1", algorithm: str = "ES384", **changed) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": "https://ehr.test",
        "aud": "https://door.test/cds-services/assessment",
        "exp": now + 300,
        "iat": now,
        "jti": str(uuid.uuid4()),
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return {"authorization": f"Bearer {jwt.encode(claims, key, algorithm, {'kid': kid})}"}


def test_an_ehr_is_known_by_its_jwt_and_comes_to_the_mesh_under_its_own_token(mesh, ehr):
    key, file = ehr
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    other = ec.generate_private_key(ec.SECP384R1())
    once = bearer(key)
    refused = [
        {},
        {"authorization": "Bearer token-of-the-ehr"},
        {"authorization": "Basic x"},
        bearer(other),
        bearer(key, kid="k2"),
        bearer(key, iss="https://other.test"),
        bearer(key, aud="https://door.test/cds-services/signed-medications"),
        bearer(key, exp=int(time.time()) - 100),
        bearer(key, jti=None),
        bearer(key, exp=None),
        {
            "authorization": "Bearer "
            + jwt.encode({"iss": "https://ehr.test"}, "x" * 48, "HS384", {"kid": "k1"})
        },
    ]
    with door(GatewaySettings(cds_clients=file), connection_to(mesh)) as address:
        caller = HttpCaller(address)
        assert caller.post(VIEW, EXAMPLE, once).status == 200
        assert mesh.last.metadata["authorization"] == "Bearer token-of-the-ehr"
        for headers in [*refused, once]:  # a token is good once
            answer = caller.post(VIEW, EXAMPLE, headers)
            assert (answer.status, answer.json["reason"]) == (401, "UNAUTHENTICATED")
        assert caller.post(f"{VIEW}/feedback", {"feedback": []}).status == 401
        assert caller.ask("GET", "/cds-services").status == 200
    assert len(mesh.seen) == 1


def test_a_door_that_others_reach_answers_no_hook_of_an_unknown_ehr(small, monkeypatch):
    monkeypatch.setattr(GatewaySettings, "is_open_to_others", True)
    assert small.post(VIEW, EXAMPLE).status == 401


@pytest.mark.parametrize(
    "text", ["[ehr.a]\n", 'audience = "x"\n', "{", 'audience = "x"\n[ehr.a]\nissuer = "i"\nkeys = "none"\n']
)
def test_a_file_of_ehrs_that_cannot_be_used_is_named_at_the_start(tmp_path, mesh, text):
    (tmp_path / "cds.toml").write_text(text)
    with (
        pytest.raises(SettingsError, match="MEDMESH_CDS_CLIENTS"),
        door(GatewaySettings(cds_clients=tmp_path / "cds.toml"), connection_to(mesh)),
    ):
        pass
