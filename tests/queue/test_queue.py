"""The durable queue, on SQLite and, where one is at hand, on PostgreSQL (`MEDMESH_TEST_POSTGRES`)."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest

from services.queue.database import DatabaseError, SqliteDatabase, open_database
from services.queue.items import New, State
from services.queue.queue import WORKER_LOST, Queue
from tests.contracts.source import ROOT
from tests.sqlite_steps import Steps, grown

Q = "studies"


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path):
    if request.param == "sqlite":
        yield tmp_path / "queue.sqlite"
        return
    base = os.environ.get("MEDMESH_TEST_POSTGRES")
    if not base:
        pytest.skip("MEDMESH_TEST_POSTGRES names no PostgreSQL database to try it on")
    import psycopg

    schema = f"trial_{secrets.token_hex(4)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{base}{'&' if '?' in base else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(address, clock):
    queue = Queue(open_database(address), Q, maximum_attempts=2, clock=clock)
    queue.prepare()
    yield queue
    queue.close()


def add(queue, *keys, **fields):
    return queue.add([New(key, key.encode(), **fields) for key in keys])


def claimed(queue, count=1):
    return [one.key for one in queue.claim(count)]


def test_the_same_key_is_added_once_and_each_tenant_has_its_own(queue):
    assert add(queue, "a", "b", "a") == 2
    assert add(queue, "b", "c") == 1
    assert add(queue, "a", tenant="surgery") == 1
    assert queue.counts()[State.WAITING] == 4


def test_an_item_ends_once_with_its_result(queue):
    add(queue, "a")
    (claim,) = queue.claim()
    assert claim.payload == b"a"
    assert claim.attempt == 1
    assert queue.end(claim, State.DONE, b"first")
    assert not queue.end(claim, State.DONE, b"second")
    item = queue.item("", "a")
    assert item.state is State.DONE
    assert queue.result(item.id) == b"first"
    assert queue.payload(item.id) is None


def test_what_follows_is_added_with_the_end_or_not_at_all(queue):
    add(queue, "a")
    (claim,) = queue.claim()
    assert queue.end(claim, State.DONE, then={"told": [New("a", b"")]})
    assert not queue.end(claim, State.FAILED, then={"told": [New("again", b"")]})
    other = Queue(queue._database, "told")
    assert [item.key for item in other.items()] == ["a"]


def test_a_lease_that_ran_out_is_another_worker_s_and_the_first_cannot_end_it(queue, clock):
    add(queue, "a")
    (slow,) = queue.claim(lease_s=10)
    clock.now += 5
    assert queue.renew([slow], lease_s=10) == []
    clock.now += 11
    assert queue.take_back() == 1
    (second,) = queue.claim()
    assert second.attempt == 2
    assert queue.renew([slow]) == [slow]
    assert not queue.end(slow, State.DONE, b"late")
    assert queue.end(second, State.DONE, b"in time")


def test_what_ends_its_workers_again_and_again_is_set_aside(queue, clock):
    add(queue, "poison")
    for _ in range(2):
        queue.claim(lease_s=1)
        clock.now += 2
        queue.take_back()
    item = queue.item("", "poison")
    assert (item.state, item.reason) == (State.FAILED, WORKER_LOST)
    assert queue.retry([WORKER_LOST]) == 1
    assert claimed(queue) == ["poison"]


def test_a_refusal_is_no_attempt_and_waits_as_long_as_it_says(queue, clock):
    add(queue, "a")
    for _ in range(5):
        (claim,) = queue.claim()
        assert claim.attempt == 1
        assert queue.give_back(claim, after_s=3, reason="OVERLOADED", counts=False)
        assert not queue.claim()
        clock.now += 3


def test_what_waits_of_one_tenant_is_put_off_and_no_other_s(queue, clock):
    add(queue, "a", "b", tenant="surgery")
    add(queue, "c", tenant="medicine")
    (claim,) = [one for one in queue.claim(2) if one.tenant == "surgery"]
    queue.postpone("surgery", 5.0)
    queue.postpone("surgery", 1.0)
    add(queue, "d", tenant="surgery")
    assert claimed(queue, 3) == []
    clock.now += 5.1
    assert claimed(queue, 3) == ["b", "d"]
    assert queue.end(claim, State.DONE)


def test_a_higher_priority_goes_first_then_the_older(queue):
    add(queue, "a", "b")
    add(queue, "urgent", priority=5)
    assert claimed(queue, 3) == ["urgent", "a", "b"]


def test_a_tenant_with_many_items_does_not_hold_up_another(queue):
    add(queue, *(f"s{n}" for n in range(100)), tenant="surgery", priority=9)
    add(queue, "w1", "w2", tenant="ward")
    turns = [one.tenant for one in queue.claim(6)]
    assert turns[:4].count("ward") == 2
    assert turns[4:] == ["surgery", "surgery"]


def test_cancelling_deletes_what_was_given_and_takes_it_from_its_worker(queue):
    add(queue, "a", "b")
    (claim,) = queue.claim()
    assert queue.cancel("", "a")
    assert queue.renew([claim]) == [claim]
    assert not queue.end(claim, State.DONE, b"nobody wants it")
    assert queue.cancel("", "b")
    assert not queue.cancel("", "b")
    assert not queue.claim()
    assert all(queue.payload(item.id) is None for item in queue.items())


def test_what_ended_long_ago_is_forgotten_with_its_result(queue, clock):
    add(queue, "old", "young")
    for claim in queue.claim(2):
        queue.end(claim, State.DONE, b"secret")
        clock.now += 100
    assert queue.forget(ended_before=1_050.0) == 1
    assert [item.key for item in queue.items()] == ["young"]


def test_ended_items_come_page_by_page_in_their_order(queue):
    add(queue, *(f"{n:02}" for n in range(25)))
    for claim in queue.claim(24):
        queue.end(claim, State.DONE, claim.payload, keep_payload=True)
    found = list(queue.ended(page=10))
    assert [(item.key, payload, result) for item, payload, result in found] == [
        (f"{n:02}", f"{n:02}".encode(), f"{n:02}".encode()) for n in range(24)
    ]


def test_lists_go_forwards_and_backwards(queue):
    add(queue, *"abcde")
    newest = queue.items(before=2**62, count=2)
    assert [item.key for item in newest] == ["e", "d"]
    assert [item.key for item in queue.items(before=newest[-1].id, count=2)] == ["c", "b"]
    assert [item.key for item in queue.items(after=newest[-1].id)] == ["e"]


def test_a_file_has_one_process_and_is_for_its_owner_s_eyes(tmp_path):
    path = tmp_path / "folder" / "queue.sqlite"
    database = SqliteDatabase(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(DatabaseError, match="another process"):
        SqliteDatabase(path)
    looking = SqliteDatabase(path, read_only=True)
    looking.close()
    database.close()
    SqliteDatabase(path).close()


def test_deleted_content_is_not_left_in_the_file(tmp_path):
    path = tmp_path / "queue.sqlite"
    queue = Queue(open_database(path), Q)
    queue.prepare()
    queue.add([New("a", b"MRS CANARY" * 1000)])
    (claim,) = queue.claim()
    queue.end(claim, State.DONE)
    queue.close()
    assert b"CANARY" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


WORKER = """
    import os, sys
    from pathlib import Path
    from services.queue.database import open_database
    from services.queue.items import State
    from services.queue.queue import Queue

    queue = Queue(open_database(Path(sys.argv[1])), "studies", maximum_attempts=100)
    queue.prepare()
    for number in range(1_000):
        claims = queue.claim(4)
        for claim in claims:
            queue.end(claim, State.DONE, str(os.getpid()).encode())
        if not claims:
            break
        print(number, flush=True)
"""


def test_a_worker_that_is_killed_at_any_moment_loses_nothing_and_ends_nothing_twice(tmp_path):
    path = tmp_path / "queue.sqlite"
    queue = Queue(open_database(path), Q)
    queue.prepare()
    add(queue, *(f"{n}" for n in range(200)))
    queue.close()
    killed = 0
    while True:
        worker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), path], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(5 + 20 * killed):
            if not worker.stdout.readline():
                break
        else:
            killed += 1
            worker.kill()
        worker.stdout.close()
        if worker.wait() == 0:
            break
    assert killed >= 2
    queue = Queue(open_database(path), Q)
    with suppress(DatabaseError):
        queue.prepare()
    results = [result for _, _, result in queue.ended()]
    assert len(results) == 200
    assert len(set(results)) == killed + 1
    queue.close()


FEW, MANY = 20, 1_000


def one_item(queue, clock, number, asked):
    """Everything that is asked of the queue for one item, each by way of `asked`."""
    key = f"k{number}"
    asked("add", lambda: add(queue, key, tenant="ward"))
    asked("put off", lambda: queue.postpone("research", 3_600.0))
    [claim] = asked("claim", queue.claim)
    asked("renew", lambda: queue.renew([claim]))
    asked("take back", queue.take_back)
    asked("end", lambda: queue.end(claim, State.DONE, b"result"))
    asked("claim none", queue.claim)
    asked("item", lambda: queue.item("ward", key))
    asked("count", lambda: queue.count(State.WAITING, State.RUNNING, tenant="ward"))
    asked("newest", lambda: queue.items(tenant="ward", before=1 << 60, count=5))
    asked(
        "newest of a state", lambda: queue.items(tenant="ward", state=State.FAILED, before=1 << 60, count=5)
    )
    asked("forget", lambda: queue.forget(0.0))
    asked("items", lambda: queue.items(count=5))
    asked("a page of what ended", lambda: next(queue.ended(page=5)))
    asked("a page of payloads", lambda: next(queue.payloads(page=5)))
    add(queue, f"waits{number}", tenant="research")  # put off, as all of that tenant's
    clock.now += 1.0


def test_an_item_costs_the_same_however_many_are_kept_or_put_off(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "queue.sqlite")
    queue = Queue(database, Q, clock=clock)
    queue.prepare()
    steps, early = Steps(database._connection), {}
    for number in range(MANY):
        one_item(queue, clock, number, steps.asked)
        early = early or (dict(steps.taken) if number == FEW else {})
        add(queue, "ended", tenant=f"once {number}")
        [claim] = queue.claim()
        queue.end(claim, State.DONE)
    queue.close()
    assert grown(early, steps.taken) == {}
