"""Whoever reads a log that is being written sees whole lines."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest

from services.chassis.append_only import append_line, lines


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"first\nsec")
    return path


def test_a_line_that_is_being_written_is_read_once_it_is_whole(log):
    writer = os.open(log, os.O_RDWR | os.O_APPEND)
    fcntl.flock(writer, fcntl.LOCK_EX)

    def go_on():
        os.write(writer, b"ond\nthird\n")
        fcntl.flock(writer, fcntl.LOCK_UN)

    threading.Timer(0.1, go_on).start()
    try:
        assert list(lines(log)) == [b"first", b"second", b"third"]
    finally:
        os.close(writer)


def test_a_line_that_was_torn_is_read_as_it_is_also_where_others_follow(log):
    assert list(lines(log)) == [b"first", b"sec"]
    file = os.open(log, os.O_RDWR | os.O_APPEND)
    append_line(file, b"third", durable=False)
    os.close(file)
    assert list(lines(log)) == [b"first", b"sec", b"third"]


def test_who_holds_the_log_for_long_keeps_nobody_from_reading_it(log, monkeypatch):
    monkeypatch.setattr("services.chassis.append_only._WRITTEN_WITHIN_S", 0.05)
    with log.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert list(lines(log)) == [b"first", b"sec"]
