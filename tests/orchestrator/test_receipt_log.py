"""The log of receipts: one chain, whoever writes it, in which every change shows."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import stat
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from medmesh import receipt as receipts
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt
from services.chassis.errors import ReceiptNotWritten
from services.chassis.settings import SettingsError
from services.orchestrator.receipts.log import ReceiptLog
from services.orchestrator.receipts.signing import Signer
from tests.holding import held
from tests.orchestrator.conftest import running_mesh
from tests.orchestrator.receipts import KEY, statement


@pytest.fixture
def log(tmp_path):
    made = ReceiptLog(tmp_path / "receipts", Signer())
    for _ in range(4):
        made.append(statement())
    return made


def lines(log: ReceiptLog) -> list[str]:
    return log.path.read_text().splitlines()


def previous_of(line: str) -> str:
    return receipts.statement(receipts.from_line(line)).predicate.previous_payload_sha256


def digest_of(line: str) -> str:
    return receipts.payload_sha256(receipts.from_line(line))


def test_the_chain_as_written_holds(log):
    assert receipts.verify_chain(lines(log)) == []
    assert previous_of(lines(log)[0]) == ""
    assert [previous_of(line) for line in lines(log)[1:]] == [digest_of(line) for line in lines(log)[:-1]]


def test_a_log_goes_on_where_another_process_left_it(log):
    added = ReceiptLog(log.path.parent, Signer(KEY)).append(statement())
    assert previous_of(receipts.to_line(added)) == digest_of(lines(log)[3])
    assert receipts.verify_chain(lines(log)) == []


def test_a_log_goes_on_after_a_record_of_a_newer_orchestrator(log):
    """With members and fields that this one does not know, it is a link like any other."""
    made = json.loads(receipts.from_line(lines(log)[3]).payload)
    made["predicate"] |= {"previousPayloadSha256": digest_of(lines(log)[3]), "addedLater": {"what": [1]}}
    envelope = {
        "payloadType": receipts.PAYLOAD_TYPE,
        "payload": base64.b64encode(json.dumps(made).encode()).decode(),
        "signatures": [],
        "addedLater": True,
    }
    with log.path.open("a") as file:
        file.write(json.dumps(envelope) + "\n")
    log.append(statement())
    assert len(lines(log)) == 6
    assert receipts.verify_chain(lines(log)) == []


def test_a_log_goes_on_after_a_record_longer_than_what_is_read_at_once(log):
    long = statement()
    for number in range(3000):
        long.predicate.models.add(model_name=f"model_{number}", weights_sha256="0" * 64)
    log.append(long)
    log.append(statement())
    assert receipts.verify_chain(lines(log)) == []


def test_only_the_owner_reads_the_log(log):
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def tampered(records: list[str], how: str) -> list[str]:
    changed = list(records)
    if how == "changed":
        made = json.loads(receipts.from_line(changed[1]).payload)
        made["predicate"]["models"][0]["weightsSha256"] = "other"
        changed[1] = receipts.to_line(
            EvidenceReceipt(payload_type=receipts.PAYLOAD_TYPE, payload=json.dumps(made).encode())
        )
    elif how == "removed":
        del changed[1]
    elif how == "first removed":
        del changed[0]
    elif how == "swapped":
        changed[1], changed[2] = changed[2], changed[1]
    elif how == "repeated":
        changed.insert(1, changed[1])
    elif how == "torn":
        changed[1] = changed[1][:100]
    return changed


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("changed", 3),
        ("removed", 2),
        ("first removed", 1),
        ("swapped", 2),
        ("repeated", 3),
        ("torn", 2),
    ],
)
def test_tampering_is_found_where_the_chain_breaks(log, how, line):
    faults = receipts.verify_chain(tampered(lines(log), how))
    assert faults
    assert faults[0].line == line


def test_a_torn_line_is_kept_for_the_check_and_the_chain_goes_on(log):
    """As after a power cut in the middle of a write."""
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-200])
    added = log.append(statement())
    assert previous_of(receipts.to_line(added)) == digest_of(whole.decode().splitlines()[2])
    assert [fault.line for fault in receipts.verify_chain(lines(log))] == [4]


@contextmanager
def full_after(count: int):
    """No file of this process grows beyond `count` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 700])
def test_a_full_disk_refuses_the_receipt_and_leaves_no_torn_line(log, room):
    before = log.path.read_bytes()
    with full_after(len(before) + room), pytest.raises(ReceiptNotWritten):
        log.append(statement())
    assert log.path.read_bytes() == before
    log.append(statement())
    assert len(lines(log)) == before.count(b"\n") + 1
    assert receipts.verify_chain(lines(log)) == []


async def test_the_log_says_when_it_cannot_take_receipts(log, monkeypatch):
    assert await log.problem() == ""
    full = SimpleNamespace(f_flag=0, f_bavail=1, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    assert "full" in await log.problem()
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert "cannot be written" in await log.problem()


async def test_writers_that_share_the_log_keep_one_chain(tmp_path):
    """Each write opens the file anew, so logs stand to the lock as processes do."""
    logs = [ReceiptLog(tmp_path, Signer()) for _ in range(8)]
    await asyncio.gather(*(logs[number % 8].write(statement(), 30.0) for number in range(160)))
    records = lines(logs[0])
    assert len(records) == 160
    assert receipts.verify_chain(records) == []


async def test_a_log_that_is_held_for_a_moment_is_waited_for(log):
    with held(log.path):
        writing = asyncio.create_task(log.write(statement(), 30.0))
        await asyncio.sleep(0.2)
        assert len(lines(log)) == 4
    await writing
    assert len(lines(log)) == 5
    assert receipts.verify_chain(lines(log)) == []


async def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="MEDMESH_RECEIPT_FOLDER"):
        async with running_mesh(tmp_path, receipt_folder=tmp_path / "file"):
            pass
