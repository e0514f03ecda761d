"""`medmesh recall` on what the orchestrator's and the chassis' own code wrote."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import receipt
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.orchestrator.v1.receipt_pb2 import DiagnosisReceipt, ReceiptStatement
from services.chassis.observability.audit import AuditLog
from services.orchestrator.receipts.log import ReceiptLog
from services.orchestrator.receipts.signing import Signer

WITHDRAWN, GOOD = "c9" * 32, "aa" * 32
ANSWERS = {
    "r0": [("chest_xray", WITHDRAWN), ("clinical_ner", GOOD)],
    "r1": [("chest_xray", GOOD)],
    "r2": [("clinical_ner", WITHDRAWN)],
    "r3": [("chest_xray", WITHDRAWN)],
    "r4": [("chest_xray", WITHDRAWN)],
}


@pytest.fixture
def logs(tmp_path):
    receipts = ReceiptLog(tmp_path / "receipts", Signer())
    for name, models in ANSWERS.items():
        used = [Provenance(model_name=model, weights_sha256=weights) for model, weights in models]
        receipts.append(
            ReceiptStatement(
                type=receipt.STATEMENT_TYPE,
                predicate_type=receipt.PREDICATE_TYPE,
                predicate=DiagnosisReceipt(receipt_id=name, models=used),
            )
        )
    audit = AuditLog(tmp_path / "audit", "orchestrator")
    audit.write({"receipt_id": "r0", "identity": "ward-1", "tenant": "surgery", "request_id": "1"})
    audit.write({"receipt_id": "r0", "identity": "ward-1", "tenant": "surgery", "request_id": "1b"})
    audit.write({"receipt_id": "r1", "identity": "ward-2", "tenant": "surgery"})
    audit.write({"receipt_id": "r3", "identity": "jobs", "on_behalf_of": "ward-3", "tenant": "jobs"})
    audit.write({"identity": "ward-9", "tenant": "surgery", "status": "PERMISSION_DENIED"})
    audit.close()
    return receipts.path, audit.path


def run(logs, *arguments):
    given = ["recall", "--model", "chest_xray", "--log", logs[0], "--audit", logs[1].parent, *arguments]
    return CliRunner().invoke(app, [str(one) for one in given])


@pytest.mark.parametrize("weights", [WITHDRAWN, WITHDRAWN[:12].upper()])
def test_every_answer_of_the_weights_is_listed_with_each_of_its_callers(logs, weights):
    result = run(logs, "--weights", weights, "--json")
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(o["receipt_id"], o["identity"], o["on_behalf_of"], o["request_id"]) for o in found] == [
        ("r0", "ward-1", "", "1"),
        ("r0", "ward-1", "", "1b"),
        ("r3", "jobs", "ward-3", ""),
        ("r4", "", "", ""),
    ]


def test_the_table_says_whom_to_tell_and_how_many(logs):
    result = run(logs)
    assert "ward-2" in result.stdout, "without --weights all of its answers count"
    assert "jobs for ward-3" in result.stdout
    assert "not known" in result.stdout
    assert "answers: 4, calls: 5" in result.stdout


@pytest.mark.parametrize("which", [0, 1])
def test_a_log_that_is_not_as_it_was_written_is_said_beside_what_was_found(logs, which):
    lines = logs[which].read_bytes().splitlines(keepends=True)
    logs[which].write_bytes(b"".join(lines[:1] + lines[2:]))
    result = run(logs, "--json")
    assert result.exit_code == 1
    assert f"{logs[which]}, line 2:" in result.stderr
    assert result.stdout
