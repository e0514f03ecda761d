"""`medmesh audit` and `medmesh receipts verify` on what the orchestrator's own code wrote."""

from __future__ import annotations

import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import receipt
from medmesh.orchestrator.v1.receipt_pb2 import DiagnosisReceipt, InputDigest, ReceiptStatement
from services.chassis.observability.audit import AuditLog
from services.orchestrator.receipts.log import ReceiptLog
from services.orchestrator.receipts.signing import Signer

SALT = "5a" * 32
KEY, ANOTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def statement(number: int, **inputs: bytes) -> ReceiptStatement:
    digests = [
        InputDigest(
            kind=f"KIND_{name.upper()}",
            image_index=0 if name == "image_file" else None,
            hmac_sha256=hmac.digest(bytes.fromhex(SALT), content, "sha256").hex(),
        )
        for name, content in inputs.items()
    ]
    return ReceiptStatement(
        type=receipt.STATEMENT_TYPE,
        predicate_type=receipt.PREDICATE_TYPE,
        predicate=DiagnosisReceipt(receipt_id=f"r{number}", salt=SALT, inputs=digests),
    )


@pytest.fixture
def log(tmp_path):
    return ReceiptLog(tmp_path / "receipts", Signer(KEY))


@pytest.fixture
def handed_out(log, tmp_path):
    """Four receipts in the log, the last one also in a file."""
    for number in range(4):
        sealed = log.append(statement(number, image_file=b"pixels", note=b"Fever.", record=b"{}"))
    file = tmp_path / "receipt.json"
    file.write_text(receipt.to_line(sealed))
    return file


@pytest.fixture
def keys(tmp_path):
    """The public key of the log, and another one."""
    paths = tmp_path / "key.pub.pem", tmp_path / "another.pub.pem"
    for path, key in zip(paths, (KEY, ANOTHER), strict=True):
        path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return paths


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def audit(*arguments):
    return run("audit", *arguments)


def test_a_log_as_written_is_unbroken(log, handed_out, keys):
    result = audit(log.path, "--receipt", handed_out)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("4 records, unbroken\n")
    result = audit(log.path, "--key", keys[1], "--key", keys[0])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("4 records, unbroken and signed\n")


def changed_line(log, number: int) -> None:
    lines = log.path.read_text().splitlines()
    found = receipt.from_line(lines[number - 1])
    found.payload = found.payload.replace(b'"r', b'"x')
    lines[number - 1] = receipt.to_line(found)
    log.path.write_text("".join(f"{line}\n" for line in lines))


def test_a_changed_record_breaks_the_chain(log, handed_out):
    changed_line(log, 2)
    result = audit(log.path)
    assert result.exit_code == 1
    assert result.stdout.startswith("line 3: ")
    assert "NOT as written" in result.stdout


def test_a_changed_record_is_named_by_its_line_where_there_is_a_key(log, handed_out, keys):
    changed_line(log, 4)
    assert audit(log.path).exit_code == 0, "nothing follows the last record"
    result = audit(log.path, "--key", keys[0])
    assert result.exit_code == 1
    assert result.stdout.startswith("line 4: The signature is not valid")


def test_records_of_another_key_are_named(log, handed_out, keys):
    result = audit(log.path, "--key", keys[1])
    assert result.exit_code == 1
    assert result.stdout.count("not signed with this key") == 4


def test_records_cut_off_at_the_end_show_against_what_was_handed_out(log, handed_out):
    log.path.write_text("".join(log.path.read_text().splitlines(keepends=True)[:-1]))
    assert audit(log.path).exit_code == 0
    result = audit(log.path, "--receipt", handed_out)
    assert result.exit_code == 1
    assert f"{handed_out}: The log does not hold this receipt" in result.stdout


@pytest.fixture
def anchor(log, handed_out, tmp_path):
    """Kept elsewhere, when the log had four records."""
    kept = tmp_path / "elsewhere.json"
    assert audit(log.path, "--write-anchor", kept).exit_code == 0
    return kept


def test_a_log_that_grew_holds_its_anchor_and_moves_it_on(log, anchor):
    log.append(statement(4))
    before = anchor.read_text()
    assert audit(log.path, "--anchor", anchor, "--write-anchor", anchor).exit_code == 0
    assert (json.loads(before)["records"], json.loads(anchor.read_text())["records"]) == (4, 5)


@pytest.mark.parametrize("kept_count", [0, 1, 3])
def test_an_end_that_was_cut_off_shows_against_the_anchor(log, anchor, kept_count):
    before = anchor.read_text()
    log.path.write_text("".join(log.path.read_text().splitlines(keepends=True)[:kept_count]))
    assert audit(log.path).exit_code == 0
    result = audit(log.path, "--anchor", anchor, "--write-anchor", anchor)
    assert result.exit_code == 1
    assert f"The log had 4 records and has {kept_count}" in result.stdout
    assert anchor.read_text() == before, "an anchor is not moved to a log that was changed"


@pytest.mark.parametrize("count", [4, 6])
def test_a_chain_that_was_computed_anew_shows_against_the_anchor(log, anchor, tmp_path, count):
    forged = ReceiptLog(tmp_path / "forged", Signer(KEY))
    for number in range(count):
        forged.append(statement(number, note=b"No fever."))
    log.path.write_bytes(forged.path.read_bytes())
    assert audit(log.path).exit_code == 0
    result = audit(log.path, "--anchor", anchor)
    assert result.exit_code == 1
    assert "Record 4 is another one: the log was computed anew." in result.stdout


def test_a_file_that_is_no_anchor_is_said(log, handed_out, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    result = audit(log.path, "--anchor", tmp_path / "none.json")
    assert result.exit_code == 3
    assert "holds no anchor" in result.stderr


def test_no_log_is_one_sentence(tmp_path):
    result = audit(tmp_path / "none.jsonl")
    assert result.exit_code == 3
    assert result.stderr == f"medmesh: {tmp_path / 'none.jsonl'}: No such file or directory.\n"


@pytest.fixture
def calls(tmp_path):
    """The folder of the audit logs of two services, with four calls each."""
    for service in ("imaging", "orchestrator"):
        kept = AuditLog(tmp_path / "audit", service)
        for number in range(4):
            kept.write({"request_id": f"c{number}"})
        kept.close()
    return tmp_path / "audit"


@pytest.fixture
def anchor_of_all(log, handed_out, calls, tmp_path):
    kept = tmp_path / "elsewhere.json"
    result = audit(log.path, "--calls", calls, "--write-anchor", kept)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("4 lines, unbroken\n") == 2
    return kept


def forge(path, count, service="imaging"):
    """The log of a service, computed anew by the mesh's own code."""
    path.unlink()
    forged = AuditLog(path.parent, service)
    for number in range(count):
        forged.write({"request_id": f"f{number}"})
    forged.close()


HARMS = {
    "changed": (lambda path: path.write_bytes(path.read_bytes().replace(b"c1", b"c9")), "line 3: ", False),
    "torn": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "line 4: The line is no record", False),
    "cut off": (
        lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3])),
        "The log had 4 records and has 3: its end was cut off.",
        True,
    ),
    "computed anew": (lambda path: forge(path, 6), "Record 4 is another one", True),
    "removed": (lambda path: path.unlink(), "calls-imaging.jsonl is no longer in", True),
}


@pytest.mark.parametrize(("harm", "told", "anchor_alone_tells"), HARMS.values(), ids=HARMS.keys())
def test_harm_to_a_log_of_calls_is_found(log, calls, anchor_of_all, harm, told, anchor_alone_tells):
    before = anchor_of_all.read_text()
    harm(calls / "calls-imaging.jsonl")
    assert (audit("--calls", calls).exit_code == 0) == anchor_alone_tells
    result = audit(log.path, "--calls", calls, "--anchor", anchor_of_all, "--write-anchor", anchor_of_all)
    assert result.exit_code == 1
    assert told in result.stdout
    assert f"{log.path}: 4 records, unbroken" in result.stdout
    assert f"{calls / 'calls-orchestrator.jsonl'}: 4 lines, unbroken" in result.stdout
    assert anchor_of_all.read_text() == before


def test_logs_of_calls_that_grew_hold_their_anchor_and_move_it_on(log, calls, anchor_of_all):
    kept = AuditLog(calls, "imaging")
    kept.write({"request_id": "c4"})
    kept.close()
    arguments = (log.path, "--calls", calls, "--anchor", anchor_of_all, "--write-anchor", anchor_of_all)
    result = audit(*arguments)
    assert result.exit_code == 0, result.output
    heads = json.loads(anchor_of_all.read_text())["calls"]
    assert {name: head["records"] for name, head in heads.items()} == {
        "calls-imaging.jsonl": 5,
        "calls-orchestrator.jsonl": 4,
    }


def test_an_anchor_is_not_checked_in_part(log, calls, anchor_of_all):
    for arguments in ((log.path,), ("--calls", calls)):
        result = audit(*arguments, "--anchor", anchor_of_all)
        assert result.exit_code == 3
        assert "too: name" in result.stderr


def test_without_arguments_all_that_a_mesh_here_keeps_is_checked(
    log, handed_out, calls, tmp_path, monkeypatch
):
    kept = tmp_path / ".medmesh"
    kept.mkdir()
    log.path.parent.rename(kept / "receipts")
    calls.rename(kept / "audit")
    monkeypatch.chdir(tmp_path)
    result = audit()
    assert result.exit_code == 0, result.output
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == [
        ".medmesh/receipts/receipts.jsonl",
        ".medmesh/audit/calls-imaging.jsonl",
        ".medmesh/audit/calls-orchestrator.jsonl",
    ]


@pytest.fixture
def files(tmp_path):
    made = {"image": b"pixels", "note.txt": b"Fever.", "patient": b"{}"}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def verify(handed_out, files, *arguments):
    given = ("--image", files / "image", "--note", files / "note.txt", "--patient", files / "patient")
    return run("receipts", "verify", handed_out, *given, *arguments)


def test_a_receipt_tells_who_signed_it_and_of_what_it_speaks(handed_out, files, keys):
    result = verify(handed_out, files, "--key", keys[0])
    assert result.exit_code == 0, result.output
    for said in ("receipt r3", "signed with the key", "image 0 is the one", "note is the", "record is the"):
        assert said in result.stdout


INPUTS = [("image", "image 0"), ("note.txt", "note"), ("patient", "record")]


@pytest.mark.parametrize(("name", "said"), INPUTS)
def test_another_input_is_named(handed_out, files, name, said):
    (files / name).write_bytes(b"another")
    result = verify(handed_out, files)
    assert result.exit_code == 1
    assert f"{said} is NOT the one that was sent" in result.stdout


def test_a_signature_of_somebody_else_fails(handed_out, files, keys):
    result = verify(handed_out, files, "--key", keys[1])
    assert result.exit_code == 1
    assert "not signed with this key" in result.stdout


def test_what_is_no_receipt_is_one_sentence(files):
    result = verify(files / "note.txt", files)
    assert result.exit_code != 0
    assert "holds no receipt" in result.stderr
