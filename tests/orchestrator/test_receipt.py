"""Receipts: what they digest, what a comparison finds, and who signed."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medmesh import receipt as receipts
from medmesh.common.v1 import patient_pb2, quantity_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, Signature
from services.orchestrator.receipts.signing import Signer
from services.orchestrator.receipts.statement import fusion_digest, new_salt
from tests.orchestrator.answers import full_case, provenance, result
from tests.orchestrator.cases import KNOWLEDGE
from tests.orchestrator.receipts import KEY, PUBLIC_KEY, SALT, diagnosis, sealed, statement


def differences(first_case, first, second_case, second) -> set[tuple[str, str]]:
    found = receipts.compare(sealed(first_case, first), sealed(second_case, second))
    return {(one.kind, one.name) for one in found}


def test_the_same_case_computed_the_same_way_differs_in_nothing():
    assert differences(full_case(), diagnosis(), full_case(), diagnosis()) == set()


def test_numbers_count_to_three_decimals():
    assert differences(full_case(), diagnosis(0.85), full_case(), diagnosis(0.85000004)) == set()
    assert differences(full_case(), diagnosis(0.85), full_case(), diagnosis(0.852)) == {
        ("output", "images/0"),
        ("output", "assessment"),
    }


def test_each_input_is_named_when_it_differs():
    changed = full_case(image_count=2)
    changed.note = "Pneumonia!"
    changed.patient.fhir_bundle = b"{ }"
    changed.max_treatment_count = 3
    expected = {("input", name) for name in ("image 1", "note", "record", "options")}
    assert differences(full_case(), diagnosis(), changed, diagnosis()) == expected


def test_which_models_are_asked_for_is_an_option_and_their_order_is_not():
    def asked(*models: str) -> pb.DiagnosticCase:
        case = full_case()
        case.images[0].options.models.extend(models)
        return case

    assert differences(asked("a", "b"), diagnosis(), asked("b", "a"), diagnosis()) == set()
    assert differences(asked("a"), diagnosis(), asked("b"), diagnosis()) == {("input", "options")}


def test_which_pictures_are_drawn_changes_nothing():
    drawn = full_case()
    drawn.images[0].options.include_overlay = True
    answer = diagnosis()
    answer.images[0].analysis.results[0].overlay_png = b"png"
    answer.images[0].analysis.results[0].findings[0].heat_map.values.append(0.5)
    assert differences(full_case(), diagnosis(), drawn, answer) == set()


def test_the_default_number_of_treatments_may_be_written_out():
    case = full_case()
    case.max_treatment_count = 10
    assert differences(full_case(), diagnosis(), case, diagnosis()) == set()


def test_a_typed_record_is_digested_by_content():
    def typed(years: int) -> pb.DiagnosticCase:
        record = patient_pb2.PatientRecord(age=quantity_pb2.PatientAge(years=years))
        return pb.DiagnosticCase(patient=patient_pb2.PatientInput(record=record))

    assert differences(typed(4), diagnosis(), typed(4), diagnosis()) == set()
    assert differences(typed(4), diagnosis(), typed(5), diagnosis()) == {("input", "record")}


def test_other_weights_are_named_and_another_runtime_is_not():
    answer = diagnosis()
    answer.images[0].analysis.results[0].provenance.runtime = "triton 26.07"
    assert differences(full_case(), diagnosis(), full_case(), answer) == set()
    answer.images[0].analysis.results[0].provenance.weights_sha256 = "other"
    assert differences(full_case(), diagnosis(), full_case(), answer) == {("model", "chest_xray")}


def test_another_fusion_is_named():
    other = sealed(fusion_sha256=fusion_digest(KNOWLEDGE, []))
    found = receipts.compare(sealed(), other)
    assert [(one.kind, one.name) for one in found] == [("fusion", "conditions and cards")]


def test_a_lost_branch_is_named():
    partial = diagnosis()
    partial.ClearField("note")
    partial.completeness = pb.COMPLETENESS_PARTIAL
    assert differences(full_case(), diagnosis(), full_case(), partial) == {
        ("model", "clinical_ner"),
        ("output", "note"),
        ("output", "assessment"),
    }
    assert receipts.statement(sealed(answer=partial)).predicate.partial


def test_receipts_of_the_same_case_cannot_be_linked_by_their_digests():
    first, second = (statement(salt=new_salt()) for _ in range(2))
    digests = [
        {one.hmac_sha256 for one in s.predicate.inputs}
        | {d for one in s.subject for d in one.digest.values()}
        for s in (first, second)
    ]
    assert len(digests[0]) > 4
    assert digests[0].isdisjoint(digests[1])
    with pytest.raises(ValueError, match="salts"):
        receipts.compare(Signer().seal(first), Signer().seal(second))


def test_the_models_are_listed_once_each():
    answer = diagnosis()
    answer.images.add(index=1).analysis.results.extend([result(), result(provenance=provenance("second"))])
    models = [model.model_name for model in statement(answer=answer).predicate.models]
    assert models == ["chest_xray", "second", "clinical_ner"]


def test_a_receipt_is_an_in_toto_statement_in_a_dsse_envelope():
    """As the two specifications have it, read here without any of our code."""
    envelope = json.loads(receipts.to_line(sealed()))
    assert envelope.keys() == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    made = json.loads(base64.b64decode(envelope["payload"]))
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "urn:medmesh:diagnosis-receipt:v1"
    assert [one["name"] for one in made["subject"]] == ["images/0", "note", "assessment"]
    assert all(one["digest"].keys() == {"hmac-sha256"} for one in made["subject"])
    assert made["predicate"]["salt"] == SALT


def test_a_receipt_survives_any_way_of_writing_its_envelope_down():
    receipt = Signer(KEY).seal(statement())
    envelope = json.loads(receipts.to_line(receipt))
    again = receipts.from_line(json.dumps({**envelope, "later": {"member": 1}}, indent=2))
    assert again == receipt
    receipts.verify_signature(again, PUBLIC_KEY)


def test_a_field_of_a_newer_mesh_is_no_tampering():
    """Whatever is verified is verified on the bytes, which hold the field."""
    made = json.loads(Signer().seal(statement()).payload)
    made["predicate"]["addedLater"] = {"what": 1}
    payload = json.dumps(made).encode()
    signed = KEY.sign(receipts.pre_authentication_encoding(receipts.PAYLOAD_TYPE, payload))
    newer = EvidenceReceipt(
        payload_type=receipts.PAYLOAD_TYPE, payload=payload, signatures=[Signature(sig=signed)]
    )
    receipts.verify_signature(newer, PUBLIC_KEY)
    assert receipts.compare(newer, sealed()) == []
    assert receipts.verify_chain([receipts.to_line(newer)]) == []


@pytest.mark.parametrize("where", ["payload", "type", "signature"])
def test_a_changed_byte_breaks_the_signature(where):
    receipt = Signer(KEY).seal(statement())
    if where == "payload":
        receipt.payload = receipt.payload.replace(b"partial", b"partiel") + b" "
    elif where == "type":
        receipt.payload_type += "x"
    else:
        receipt.signatures[0].sig = receipt.signatures[0].sig[::-1]
    with pytest.raises(receipts.SignatureInvalid, match="was changed"):
        receipts.verify_signature(receipt, PUBLIC_KEY)


def test_who_did_not_sign_is_told():
    another = Ed25519PrivateKey.generate()
    with pytest.raises(receipts.SignatureInvalid, match="not signed with this key"):
        receipts.verify_signature(Signer(another).seal(statement()), PUBLIC_KEY)
    with pytest.raises(receipts.SignatureInvalid, match="not signed"):
        receipts.verify_signature(sealed(), PUBLIC_KEY)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_alone_verifies_a_receipt(tmp_path):
    """Key, key id, pre-authentication encoding and signature, by the tools that a hospital has."""
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", private)
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    receipt = Signer.read(private).seal(statement())
    (tmp_path / "signature").write_bytes(receipt.signatures[0].sig)
    kind = receipt.payload_type.encode()
    (tmp_path / "signed").write_bytes(
        b"DSSEv1 " + b" ".join([b"%d" % len(kind), kind, b"%d" % len(receipt.payload), receipt.payload])
    )
    verify = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin")
    run(*verify, "-in", tmp_path / "signed", "-sigfile", tmp_path / "signature")
    der = run("openssl", "pkey", "-pubin", "-in", public, "-outform", "DER")
    assert receipt.signatures[0].keyid == hashlib.sha256(der).hexdigest()
    receipts.verify_signature(receipt, public.read_bytes())


def run(*command: object) -> bytes:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "3", "{", '{"payload": 3}', '{"payload": "?"}', '{"payload": ""}', "[" * 100_000]
)
def test_what_is_no_receipt_is_refused(text):
    with pytest.raises(ValueError, match="not an evidence receipt"):
        receipts.from_line(text)


@pytest.mark.parametrize("payload", [b"\xff", b"[]", b"{", b'{"subject": 3}'])
def test_what_states_no_diagnosis_is_refused(payload):
    with pytest.raises(ValueError, match="no statement"):
        receipts.statement(EvidenceReceipt(payload=payload))
