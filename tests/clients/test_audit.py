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
