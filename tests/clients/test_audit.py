"""`medmesh audit` on logs that the orchestrator's own code wrote."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import receipt
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.orchestrator.receipt import ReceiptLog


@pytest.fixture
def log(tmp_path):
    return ReceiptLog(tmp_path / "receipts")


@pytest.fixture
def handed_out(log, tmp_path):
    """Four receipts in the log, the last one also in a file."""
    for number in range(4):
        sealed = log.append(pb.EvidenceReceipt(receipt_id=f"r{number}", salt="00ff"))
    file = tmp_path / "receipt.json"
    file.write_text(receipt.to_line(sealed))
    return file


def audit(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_a_log_as_written_is_unbroken(log, handed_out):
    result = audit(log.path, "--receipt", handed_out)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("4 records, unbroken\n")


def test_a_changed_record_is_named_by_its_line(log, handed_out):
    log.path.write_text(log.path.read_text().replace('"r1"', '"x1"'))
    result = audit(log.path)
    assert result.exit_code == 1
    assert result.stdout.startswith("line 2: ")
    assert "NOT as written" in result.stdout


def test_records_cut_off_at_the_end_show_against_what_was_handed_out(log, handed_out):
    log.path.write_text("".join(log.path.read_text().splitlines(keepends=True)[:-1]))
    assert audit(log.path).exit_code == 0
    result = audit(log.path, "--receipt", handed_out)
    assert result.exit_code == 1
    assert f"{handed_out}: The log does not hold this receipt" in result.stdout


def test_no_log_is_one_sentence(tmp_path):
    result = audit(tmp_path / "none.jsonl")
    assert result.exit_code == 3
    assert result.stderr == f"medmesh: {tmp_path / 'none.jsonl'}: No such file or directory.\n"
