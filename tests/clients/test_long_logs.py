"""Logs of years are looked through a line at a time: a command's memory does not grow with them."""

from __future__ import annotations

import tracemalloc

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import receipt
from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.observability.audit import AuditLog
from services.orchestrator.receipts.signing import Signer
from tests.clients.test_audit import statement

LINES = 6_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Logs of some megabytes, of calls and of receipts."""
    folder = tmp_path_factory.mktemp("logs")
    calls = AuditLog(folder, "orchestrator")
    signer, previous = Signer(), ""
    with (folder / "receipts.jsonl").open("w") as receipts:
        for number in range(LINES):
            made = statement(number, note=b"Fever.")
            made.predicate.previous_payload_sha256 = previous
            made.predicate.models.append(Provenance(model_name="once" if number == 7 else "ever"))
            sealed = signer.seal(made)
            previous = receipt.payload_sha256(sealed)
            receipts.write(receipt.to_line(sealed) + "\n")
            calls.write(
                {"method": "m", "status": "OK", "identity": f"i{number % 3}", "receipt_id": f"r{number}"}
            )
    calls.close()
    last = folder / "receipt.json"
    last.write_text(receipt.to_line(sealed))
    return folder


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["audit", "receipts.jsonl", "--calls", ".", "--receipt", "receipt.json"],
            f"{LINES} lines, unbroken",
        ),
        (["usage", "."], f"{LINES // 3}"),
        (["recall", "--model", "once", "--log", "receipts.jsonl", "--audit", "."], "answers: 1, calls: 1"),
    ],
    ids=lambda one: one[0],
)
def test_what_it_takes_of_memory_is_a_small_part_of_the_logs(folder, monkeypatch, arguments, told):
    monkeypatch.chdir(folder)
    run = CliRunner()
    run.invoke(app, arguments)  # what it imports
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    tracemalloc.start()
    try:
        result = run.invoke(app, arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.exit_code == 0, result.output
    assert told in result.output
    assert peak < size / 3


def test_a_byte_that_is_no_text_is_told_with_its_line(folder, tmp_path):
    lines = (folder / "receipts.jsonl").read_bytes().splitlines(keepends=True)[:4]
    damaged = tmp_path / "receipts.jsonl"
    damaged.write_bytes(lines[0] + lines[1].replace(b"payload", b"p\xffyload", 1) + b"".join(lines[2:]))
    result = CliRunner().invoke(app, ["audit", str(damaged)])
    assert result.exit_code == 1
    assert result.stdout.startswith("line 2: The line is not a receipt")
