"""The commands of docs/receipts.md verify what the orchestrator writes, with openssl and jq alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from medmesh.orchestrator.v1.receipt_pb2 import DiagnosisReceipt, InputDigest, ReceiptStatement
from services.orchestrator.receipts.log import FILE, ReceiptLog
from services.orchestrator.receipts.signing import Signer
from tests.orchestrator.answers import full_case
from tests.orchestrator.conftest import running_mesh

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "receipts.md").read_text(encoding="utf-8")
NOTE = "Fever, no effusion. Größe 1,80 m."
SALT = "0123456789abcdef" * 4

pytestmark = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("openssl")), reason="needs jq and openssl"
)


def commands(heading: str) -> str:
    return re.search(rf"^## {heading}\n.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)[1]


def run(heading: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", commands(heading)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def statement(receipt_id: str) -> ReceiptStatement:
    digest = hmac.new(bytes.fromhex(SALT), NOTE.encode(), hashlib.sha256).hexdigest()
    note = InputDigest(kind=InputDigest.KIND_NOTE, hmac_sha256=digest)
    return ReceiptStatement(predicate=DiagnosisReceipt(receipt_id=receipt_id, salt=SALT, inputs=[note]))


@pytest.fixture
def folder(tmp_path):
    """A log of three receipts, signed with the key that the page makes; the last one as `receipt.json`."""
    made = run("Make a key", tmp_path)
    assert made.returncode == 0, made.stderr
    log = ReceiptLog(tmp_path, Signer.read(tmp_path / "receipt-key.pem"))
    for name in ("first", "second", "third"):
        log.append(statement(name))
    (tmp_path / "receipt.json").write_text(lines(tmp_path)[-1], encoding="utf-8")
    (tmp_path / "note.txt").write_bytes(NOTE.encode())
    return tmp_path


def lines(folder: Path) -> list[str]:
    return (folder / FILE).read_text(encoding="utf-8").splitlines()


def change(folder: Path, **members) -> None:
    path = folder / "receipt.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | members), encoding="utf-8")


def test_a_receipt_verifies(folder):
    done = run("Verify a signature", folder)
    assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully")
    assert json.loads((folder / "payload.json").read_bytes())["predicate"]["receiptId"] == "third"


async def test_the_receipt_of_an_answer_verifies_as_its_client_writes_it(tmp_path):
    run("Make a key", tmp_path)
    async with running_mesh(tmp_path / "mesh", receipt_key=tmp_path / "receipt-key.pem") as mesh:
        await mesh.diagnose(full_case())
        case = full_case()
        diagnosis = await mesh.diagnose(case)
        shutil.copy(mesh.receipts, tmp_path / FILE)
    (tmp_path / "receipt.json").write_text(MessageToJson(diagnosis.receipt), encoding="utf-8")
    (tmp_path / "note.txt").write_text(case.note, encoding="utf-8")
    for heading in ("Verify a signature", "Verify an input", "Verify the chain of a log"):
        done = run(heading, tmp_path)
        assert done.returncode == 0, f"{heading}: {done.stdout}{done.stderr}"
    assert len(lines(tmp_path)) == 2


def test_a_field_that_nobody_knows_is_no_tampering(folder):
    """The envelope may gain members and be written with other spaces: the payload keeps its bytes."""
    change(folder, a_newer_member={"x": 1})
    assert run("Verify a signature", folder).returncode == 0


def test_a_changed_statement_does_not_verify(folder):
    payload = base64.b64decode(json.loads((folder / "receipt.json").read_text(encoding="utf-8"))["payload"])
    changed = payload.replace(b"third", b"thirt")
    assert changed != payload
    change(folder, payload=base64.b64encode(changed).decode())
    assert run("Verify a signature", folder).returncode != 0


def test_another_type_of_payload_does_not_verify(folder):
    change(folder, payloadType="application/json")
    assert run("Verify a signature", folder).returncode != 0


def test_another_key_does_not_verify(folder):
    (folder / "other").mkdir()
    run("Make a key", folder / "other")
    shutil.copy(folder / "other" / "receipt-key.pub.pem", folder)
    assert run("Verify a signature", folder).returncode != 0


def test_an_unsigned_receipt_does_not_verify(folder):
    change(folder, signatures=[])
    assert run("Verify a signature", folder).returncode != 0


def test_the_note_of_the_case_is_told_from_another(folder):
    assert run("Verify a signature", folder).returncode == 0
    assert run("Verify an input", folder).returncode == 0
    (folder / "note.txt").write_bytes(NOTE.replace("no effusion", "effusion").encode())
    assert run("Verify an input", folder).returncode != 0


def test_the_chain_holds_until_a_record_is_removed(folder):
    assert run("Verify the chain of a log", folder).returncode == 0
    first, _, third = lines(folder)
    (folder / FILE).write_text(f"{first}\n{third}\n", encoding="utf-8")
    done = run("Verify the chain of a log", folder)
    assert (done.returncode, done.stdout) == (1, "does not follow the record before it: third\n")
