"""Every call is audited, what is counted is what was audited, and what was changed is found."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import multiprocessing
import os
import resource
import time

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from services.chassis.observability import audit
from services.chassis.observability.audit import AuditLog, faults, records
from tests.chassis.conftest import Handlers, Text, refusal_of
from tests.holding import held


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def log(tmp_path):
    found = AuditLog(tmp_path / "audit", "orchestrator")
    yield found
    found.close()


def lines(log):
    return log.path.read_bytes().splitlines()


def write_many(folder, name):
    own = AuditLog(folder, "orchestrator")
    for number in range(100):
        own.write({"identity": name, "request_id": str(number)})
    own.close()


def test_several_processes_and_runs_make_one_chain(log):
    log.write({"identity": "before"})
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=write_many, args=(log.path.parent, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.write({"identity": "after"})
    assert faults(lines(log)) == []
    assert len(list(records(log.path))) == 202
    assert log.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda rows: rows[:1] + rows[2:], [2]),
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], [2, 3, 4]),
        (lambda rows: [rows[0], rows[1].replace(b"ward", b"bard"), *rows[2:]], [3]),
        (lambda rows: [*rows[:2], rows[1], *rows[2:]], [3]),
        (lambda rows: [rows[0], rows[1][:20], *rows[2:]], [2, 3]),
    ],
)
def test_what_was_changed_is_found(log, harm, found):
    for _ in range(4):
        log.write({"identity": "ward"})
    assert [fault.line for fault in faults(harm(lines(log)))] == found


def test_a_torn_line_stays_and_the_chain_goes_on(log):
    log.write({"identity": "ward"})
    with log.path.open("ab") as file:
        file.write(b'{"time":"2026')
    log.write({"identity": "ward"})
    assert [fault.line for fault in faults(lines(log))] == [2]
    assert len(list(records(log.path))) == 2


async def test_a_full_disk_is_said_and_nothing_torn_is_left(log):
    log.write({"identity": "ward"})
    before = log.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        log.write({"identity": "meanwhile"})
        assert "cannot be audited" in await log.problem()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.path.read_bytes() == before
    log.write({"identity": "after"})
    assert await log.problem() == ""
    assert faults(lines(log)) == []
    assert [one["identity"] for one in records(log.path)] == ["ward", "meanwhile", "after"]


async def test_lines_of_a_held_log_are_kept_in_order_up_to_a_bound(log, monkeypatch, caplog):
    monkeypatch.setattr(audit, "MOST_KEPT", 3)
    log.write({"identity": "before"})
    with held(log.path):
        for number in range(5):
            log.write({"identity": str(number)})
        assert "another process holds the audit log" in await log.problem()
    await asyncio.sleep(0.5)  # nobody has to come by
    assert [one["identity"] for one in records(log.path)] == ["before", "0", "1", "2"]
    (told,) = caplog.records
    assert (told.message, told.facts) == ("calls are not in the audit log", {"count": 2})
    log.write({"identity": "after"})
    assert await log.problem() == ""
    assert faults(lines(log)) == []


def test_what_is_kept_of_a_held_log_is_written_at_the_end(tmp_path):
    log = AuditLog(tmp_path, "orchestrator")
    log.write({"identity": "before"})
    with held(log.path):
        log.write({"identity": "meanwhile"})
    log.close()
    assert [one["identity"] for one in records(log.path)] == ["before", "meanwhile"]


class Disk:
    """What `os.fdatasync` was asked to do, of the file of an audit log."""

    def __init__(self, log):
        self._log = log
        self._sync = os.fdatasync
        self.sizes = []
        self.error = None
        self.takes_s = 0.0

    def fdatasync(self, file):
        assert os.path.samestat(os.fstat(file), self._log.path.stat())
        size = os.fstat(file).st_size
        time.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        self._sync(file)
        self.sizes.append(size)


@pytest.fixture
def disk(log, monkeypatch):
    found = Disk(log)
    monkeypatch.setattr(os, "fdatasync", found.fdatasync)
    return found


async def test_lines_are_on_disk_together_within_a_second_and_nobody_waits_for_it(log, disk):
    disk.takes_s = 0.5
    began, waited_count = time.monotonic(), 0
    for number in range(300):
        before = time.monotonic()
        log.write({"request_id": str(number)})
        waited_count += time.monotonic() - before >= disk.takes_s
        await asyncio.sleep(0.005)
    elapsed_s = time.monotonic() - began
    async with asyncio.timeout(10):
        while disk.sizes[-1:] != [log.path.stat().st_size]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    assert 1 <= len(disk.sizes) <= elapsed_s + 3  # not one a line
    assert waited_count <= 1  # the machine itself may stand still
    assert await log.problem() == ""


def test_what_was_written_is_on_disk_when_the_log_has_ended(tmp_path, monkeypatch):
    own = AuditLog(tmp_path, "orchestrator")
    disk = Disk(own)
    monkeypatch.setattr(os, "fdatasync", disk.fdatasync)
    own.write({"request_id": "1"})
    began = time.monotonic()
    own.close()
    assert disk.sizes == [own.path.stat().st_size]
    assert time.monotonic() - began < 0.9  # it does not sit the second out


async def test_a_disk_that_fails_to_sync_is_said_and_tried_again(log, disk, monkeypatch, caplog):
    monkeypatch.setattr(audit, "_SYNC_S", 0.05)
    disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    log.write({"request_id": "1"})
    async with asyncio.timeout(5):
        while not (problem := await log.problem()):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    assert problem == "calls may not be on disk (Input/output error)"
    assert "calls may not be on disk" in caplog.text
    disk.error = None
    async with asyncio.timeout(5):
        while await log.problem():  # noqa: ASYNC110 - without a further line
            await asyncio.sleep(0.01)
    assert disk.sizes == [log.path.stat().st_size]


async def test_each_call_is_audited_once_without_its_content_and_counted(serve, tmp_path):
    async def echo(parts, message, context):
        return message

    folder = tmp_path / "audit"
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"[identities.ward]\ntoken_sha256 = '{hashlib.sha256(b'secret').hexdigest()}'\n"
        "tenant = 'surgery'\nallow = ['/*']\n"
    )
    async with serve(Handlers(unary=echo), audit_folder=folder, auth_policy=policy) as sample:
        call = sample.call("Unary")
        for _ in range(3):
            await call(Text(note="Jane Canary"), metadata=(("authorization", "Bearer secret"),))
        await refusal_of(call(Text(note="Jane Canary")))
    [path] = folder.glob("calls-*.jsonl")
    told = list(records(path))
    assert [(r["tenant"], r["identity"], r["status"]) for r in told] == [
        *[("surgery", "ward", "OK")] * 3,
        ("", "anonymous", "UNAUTHENTICATED"),
    ]
    assert "Canary" not in path.read_text()
    assert "secret" not in path.read_text()
    service = path.stem.removeprefix("calls-")
    result = run("usage", folder, "--service", service, "--csv")
    assert result.exit_code == 0, result.output
    rows = [line.split(",") for line in result.stdout.splitlines()[1:]]
    assert [(row[0], row[3], row[4]) for row in rows] == [("-", "1", "1"), ("surgery", "3", "0")]


def test_usage_counts_a_span_of_time_and_models_and_tells_of_a_broken_chain(log):
    for day, models in (("01", ["chest@1"]), ("02", ["chest@1", "ner@2"]), ("03", [])):
        log.write({"tenant": "t", "identity": "i", "method": "/s/Diagnose", "status": "OK", "models": models})
        raw = lines(log)
        changed = json.loads(raw[-1]) | {"time": f"2026-11-{day}T10:00:00.000+00:00"}
        raw[-1] = json.dumps(changed, separators=(",", ":")).encode()
        log.path.write_bytes(b"\n".join(raw) + b"\n")
        log._end = -1  # as a new process would find it
    whole = run("usage", log.path.parent, "--from", "2026-11-02", "--to", "2026-11-03", "--csv")
    assert whole.exit_code == 0, whole.output
    assert [line.split(",")[3] for line in whole.stdout.splitlines()[1:] if line.split(",")[3]] == ["1"]
    assert "chest@1,1" in whole.stdout
    assert "ner@2,1" in whole.stdout
    log.path.write_bytes(b"\n".join(lines(log)[1:]) + b"\n")
    broken = run("usage", log.path.parent)
    assert broken.exit_code == 1
    assert "line 1" in broken.output
    assert "2 calls" in broken.output


def test_usage_says_where_no_log_is(tmp_path):
    result = run("usage", tmp_path)
    assert result.exit_code != 0
    assert "calls-orchestrator.jsonl" in result.output
