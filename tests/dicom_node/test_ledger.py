"""What is entered once, done once, and what follows when it is cut off in between."""

from __future__ import annotations

import dataclasses

import pytest

from clients.dicom_node import overview
from clients.dicom_node.database import Database, LedgerError
from clients.dicom_node.ledger import Arrival, Ledger, Result, Wanted
from clients.dicom_node.outbox import Outbox
from tests.sqlite_steps import Steps, grown


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "ledger.sqlite")
    yield database
    database.close()


@pytest.fixture
def ledger(database):
    return Ledger(database)


@pytest.fixture
def outbox(database):
    return Outbox(database)


def arrival(number=1, *, unit="", study="1.2", count=0, digest="d", quiet_s=5.0):
    uid = f"1.2.{number}"
    return Arrival(
        sop_instance_uid=uid,
        sop_class_uid="1.3",
        digest=digest,
        study_uid=study,
        unit=unit or uid,
        is_alone=not unit,
        quiet_s=quiet_s,
        unit_count=count,
        wanted=Wanted(models=("m",), body_part="HEAD"),
        file=f"{number}-{digest}.dcm",
    )


def test_an_image_of_its_own_is_complete_at_once(ledger):
    assert ledger.enter(arrival(), 0.0)
    assert ledger.assign(0.0) == 1
    work = ledger.work(0.0, set())
    assert (work.files, work.wanted.models, work.wanted.body_part) == (("1-d.dcm",), ("m",), "HEAD")
    assert ledger.work(0.0, {work.id}) is None


def test_the_same_object_is_entered_once(ledger, database):
    assert ledger.enter(arrival(), 0.0)
    assert not ledger.enter(arrival(), 1.0)
    assert ledger.enter(arrival(digest="other"), 2.0)
    assert [one.reason for one in overview.parked(database)] == ["UID_REUSED"]


def test_a_series_waits_until_its_study_is_quiet(ledger):
    ledger.enter(arrival(1, unit="a"), 0.0)
    ledger.enter(arrival(2, unit="b"), 3.0)
    assert ledger.assign(7.9) == 0  # the other series of the study came 4.9 s ago
    assert ledger.assign(8.0) == 2


def test_a_series_is_complete_by_its_count(ledger):
    ledger.enter(arrival(1, unit="a", count=2), 0.0)
    assert ledger.assign(0.0) == 0
    ledger.enter(arrival(2, unit="a", count=2), 0.1)
    assert ledger.assign(0.1) == 1
    assert len(ledger.work(0.1, set()).files) == 2


def test_slices_that_come_later_are_read_with_those_before(ledger, database):
    ledger.enter(arrival(1, unit="a"), 0.0)
    ledger.assign(5.0)
    first = ledger.work(5.0, set())
    ledger.finish(first.id, "r", [(Result("9.1", "report", "report.dcm"), ["pacs"])], 6.0)
    ledger.enter(arrival(2, unit="a"), 7.0)
    ledger.assign(12.0)
    second = ledger.work(12.0, set())
    assert (second.revision, len(second.files), second.previous) == (2, 2, "report.dcm")


def test_an_analysis_of_half_a_series_is_given_up_for_the_whole(ledger):
    ledger.enter(arrival(1, unit="a"), 0.0)
    ledger.assign(5.0)
    half = ledger.work(5.0, set())
    ledger.enter(arrival(2, unit="a"), 6.0)
    ledger.assign(11.0)
    assert not ledger.finish(half.id, "r", [(Result("9.1", "report", "f"), ["pacs"])], 12.0)
    assert ledger.work(12.0, set()).revision == 2


def test_an_analysis_ends_once(ledger, outbox, database):
    ledger.enter(arrival(), 0.0)
    ledger.assign(0.0)
    work = ledger.work(0.0, set())
    results = [(Result("9.1", "report", "f"), ["pacs"])]
    assert ledger.finish(work.id, "r", results, 1.0)
    assert not ledger.finish(work.id, "r", results, 2.0)
    ledger.put_off(work.id, "late", 3.0)
    assert overview.counts(database)["analyses.done"] == 1
    assert len(outbox.deliveries("pacs", 1.0, 10)) == 1


def test_what_was_cut_off_is_the_same_work_after_a_restart(ledger, tmp_path):
    ledger.enter(arrival(), 0.0)
    ledger.assign(0.0)
    work = ledger.work(0.0, set())
    again = Database(tmp_path / "ledger.sqlite")
    assert Ledger(again).work(0.0, set()) == work
    again.close()


def test_the_backlog_counts_what_has_no_result(ledger):
    ledger.enter(arrival(1), 0.0)
    ledger.enter(arrival(2, unit="a"), 0.0)
    assert ledger.backlog() == 2
    ledger.assign(0.0)
    assert ledger.backlog() == 2
    ledger.finish(ledger.work(0.0, set()).id, "", [], 0.0)
    assert ledger.backlog() == 1


@pytest.fixture
def sent(ledger, outbox):
    """A delivery that was sent and for which the archive was asked to commit."""
    ledger.enter(arrival(), 0.0)
    ledger.assign(0.0)
    ledger.finish(ledger.work(0.0, set()).id, "r", [(Result("9.1", "report", "f"), ["pacs"])], 0.0)
    (delivery,) = outbox.deliveries("pacs", 0.0, 10)
    outbox.await_commitment([delivery], "2.25.1", 100.0)
    return delivery


def test_a_result_is_delivered_when_the_archive_has_committed(sent, outbox, database):
    assert outbox.deliveries("pacs", 50.0, 10) == []
    assert overview.counts(database)["deliveries.sent"] == 1
    assert not outbox.committed("2.25.2", ["9.1"], [], 50.0)
    assert outbox.committed("2.25.1", ["9.1"], [], 50.0)
    assert overview.counts(database)["deliveries.done"] == 1


def test_what_the_archive_has_not_is_sent_again(sent, outbox):
    assert outbox.committed("2.25.1", [], ["9.1"], 50.0)
    assert len(outbox.deliveries("pacs", 50.0, 10)) == 1


def test_an_archive_that_does_not_answer_is_sent_it_again(sent, outbox):
    assert len(outbox.deliveries("pacs", 100.0, 10)) == 1


def test_files_go_when_their_results_are_delivered_and_old(sent, outbox, database):
    assert overview.outdated(database, 1e9) == []
    outbox.delivered(sent)
    assert sorted(overview.outdated(database, 1e9)) == ["1-d.dcm", "f"]
    assert overview.files(database) == set()


def waiting_for_a_person(database, what):
    return [one for one in overview.parked(database) if one.what == what]


def test_what_is_discarded_waits_for_nobody_and_is_still_known(ledger, database):
    ledger.enter(dataclasses.replace(arrival(1), parked="NO_RULE"), 0.0)
    ledger.enter(arrival(2), 0.0)
    ledger.assign(0.0)
    ledger.park(ledger.work(0.0, set()).id, "INPUT_MALFORMED: case: truncated", 1.0)
    assert overview.discard(database, waiting_for_a_person(database, "object")) == ["1-d.dcm"]
    chosen = waiting_for_a_person(database, "analysis")
    assert chosen[0].has_reason("INPUT_MALFORMED")
    assert overview.discard(database, chosen) == ["2-d.dcm"]
    assert overview.discard(database, chosen) == []
    assert overview.parked(database) == []
    assert overview.retry(database, 2.0) == 0
    assert overview.files(database) == set()
    assert overview.counts(database) == {
        "objects.discarded": 1,
        "objects.assigned": 1,
        "analyses.discarded": 1,
    }
    assert not ledger.enter(arrival(1), 3.0)
    assert not ledger.enter(arrival(2), 3.0)


def test_a_delivery_that_was_given_up_keeps_no_file(sent, outbox, database):
    outbox.not_delivered(sent, "REFUSED: status 0122", None)
    assert overview.outdated(database, 1e9) == []
    (delivery,) = overview.parked(database)
    assert delivery.why == "pacs: REFUSED: status 0122"
    assert overview.discard(database, [delivery]) == []
    assert overview.retry(database, 0.0) == 0
    assert sorted(overview.outdated(database, 1e9)) == ["1-d.dcm", "f"]


def test_what_is_taken_up_again_meanwhile_is_not_discarded(sent, outbox, database):
    outbox.not_delivered(sent, "REFUSED: status 0122", None)
    chosen = overview.parked(database)
    overview.retry(database, 0.0)
    overview.discard(database, chosen)
    assert overview.counts(database)["deliveries.pending"] == 1


def test_a_ledger_of_another_version_is_left_alone(database, tmp_path):
    with database.writing() as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="another version"):
        Database(tmp_path / "ledger.sqlite")


FEW, MANY = 20, 1_000


def one_image(ledger, outbox, number, asked):
    """Everything that is asked of the ledger for one image, each by way of `asked`."""
    now = float(number)
    asked("enter", lambda: ledger.enter(arrival(number, study=f"1.{number}"), now))
    asked("backlog", ledger.backlog)
    asked("assign", lambda: ledger.assign(now))
    work = asked("work", lambda: ledger.work(now, set()))
    result = Result(f"2.{number}", "report", f"r{number}")
    asked("finish", lambda: ledger.finish(work.id, "receipt", [(result, ["pacs"])], now))
    [delivery] = asked("deliveries", lambda: outbox.deliveries("pacs", now, 10))
    asked("await", lambda: outbox.await_commitment([delivery], f"3.{number}", now))
    asked("committed", lambda: outbox.committed(f"3.{number}", [result.sop_instance_uid], [], now))
    asked("parked", lambda: overview.parked(ledger._database))
    asked("outdated", lambda: overview.outdated(ledger._database, now + 1))


def test_an_image_costs_the_same_however_many_came_before(database, ledger, outbox):
    """The file's lines stay, and a node works for years."""
    steps, early = Steps(database._connection), {}
    for number in range(MANY):
        one_image(ledger, outbox, number, steps.asked)
        early = early or (dict(steps.taken) if number == FEW else {})
    assert grown(early, steps.taken) == {}
