"""Uploads belong to whoever started them, are bounded, and leave nothing behind."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from services.chassis.errors import InvalidInput, Overloaded, Reason, UploadUnknown
from services.chassis.uploads.settings import UploadSettings
from services.chassis.uploads.store import Uploads

OPEN_FILES = Path("/proc/self/fd")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    made = []

    def make(**limits):
        uploads = Uploads(UploadSettings(upload_folder=tmp_path, **limits), clock=clock)
        made.append(uploads)
        return uploads

    yield make
    for uploads in made:
        uploads.close()


def test_a_file_comes_in_parts_and_is_read_whole(make):
    uploads = make()
    started = uploads.start("ward", 10)
    assert (started.size_bytes, started.committed_bytes) == (10, 0)
    assert uploads.write("ward", started.upload_id, 0, b"01234").committed_bytes == 5
    with pytest.raises(InvalidInput) as refused, uploads.content("ward", started.upload_id):
        pass
    assert (refused.value.reason, refused.value.field) == (Reason.INPUT_INCONSISTENT, "upload_id")
    assert uploads.write("ward", started.upload_id, 5, b"56789").committed_bytes == 10
    for _ in range(2):  # a request may be repeated
        with uploads.content("ward", started.upload_id) as data:
            assert data == b"0123456789"
    assert uploads.part("ward", started.upload_id, 8, 100) == b"89"


@pytest.mark.parametrize("offset", [0, 4, 6])
def test_a_chunk_starts_where_the_last_one_ended(make, offset):
    uploads = make()
    one = uploads.start("ward", 10).upload_id
    uploads.write("ward", one, 0, b"01234")
    with pytest.raises(InvalidInput) as refused:
        uploads.write("ward", one, offset, b"xx")
    assert (refused.value.reason, refused.value.field) == (Reason.INPUT_INCONSISTENT, "offset_bytes")
    assert uploads.query("ward", one).committed_bytes == 5


def test_a_chunk_does_not_go_beyond_the_declared_size(make):
    uploads = make()
    one = uploads.start("ward", 4).upload_id
    with pytest.raises(InvalidInput) as refused:
        uploads.write("ward", one, 0, b"01234")
    assert refused.value.reason is Reason.INPUT_TOO_LARGE


def test_another_identity_does_not_find_it(make):
    uploads = make()
    one = uploads.start("ward", 4).upload_id
    for touch in (
        lambda: uploads.query("other", one),
        lambda: uploads.write("other", one, 0, b"01"),
        lambda: uploads.part("other", one, 0, 1),
        lambda: uploads.content("other", one).__enter__(),
        lambda: uploads.query("ward", one[:-1] + "x"),
    ):
        with pytest.raises(UploadUnknown):
            touch()
    uploads.cancel("other", one)
    assert uploads.query("ward", one).committed_bytes == 0


def test_ids_cannot_be_guessed(make):
    uploads = make()
    ids = {uploads.start("ward", 1).upload_id for _ in range(100)}
    assert len(ids) == 100
    assert min(map(len, ids)) >= 43  # 256 bits in base64


def test_a_cancelled_upload_is_gone(make):
    uploads = make()
    one = uploads.start("ward", 4).upload_id
    uploads.cancel("ward", one)
    uploads.cancel("ward", one)
    with pytest.raises(UploadUnknown):
        uploads.query("ward", one)


def test_what_nobody_uses_expires_and_what_is_used_does_not(make, clock):
    uploads = make(upload_expiry_s=100)
    used, idle = uploads.start("ward", 2).upload_id, uploads.start("ward", 2).upload_id
    clock.now += 60
    uploads.write("ward", used, 0, b"01")
    clock.now += 60
    with pytest.raises(UploadUnknown):
        uploads.query("ward", idle)
    assert uploads.query("ward", used).expires_in_s == pytest.approx(40)
    uploads.sweep()
    assert len(uploads._held) == 1


def test_one_upload_is_bounded(make):
    uploads = make(maximum_upload_bytes=2048)
    with pytest.raises(InvalidInput) as refused:
        uploads.start("ward", 2049)
    assert (refused.value.reason, refused.value.field) == (Reason.INPUT_TOO_LARGE, "size_bytes")


def test_one_caller_and_all_together_are_bounded(make, clock):
    uploads = make(
        maximum_upload_bytes=1024,
        maximum_caller_upload_bytes=2048,
        maximum_held_upload_bytes=3072,
        upload_expiry_s=100,
    )
    for _ in range(2):
        uploads.start("ward", 1024)
    with pytest.raises(Overloaded):
        uploads.start("ward", 1)
    uploads.start("other", 1024)
    with pytest.raises(Overloaded):
        uploads.start("third", 1)
    clock.now += 200  # what has expired makes room
    uploads.start("third", 1024)


def test_many_small_ones_are_bounded(make):
    uploads = make(maximum_upload_count=3)
    for owner in "abc":
        uploads.start(owner, 1)
    with pytest.raises(Overloaded):
        uploads.start("d", 1)


def test_what_requests_hold_in_memory_is_bounded(make):
    uploads = make(maximum_read_upload_bytes=1500)
    one = uploads.start("ward", 1024).upload_id
    uploads.write("ward", one, 0, bytes(1024))
    with uploads.content("ward", one), pytest.raises(Overloaded):
        uploads.content("ward", one).__enter__()
    with uploads.content("ward", one) as data:
        assert len(data) == 1024


def test_nothing_lies_in_the_folder_and_no_file_stays_open(make, tmp_path):
    gc.collect()
    before = set(OPEN_FILES.iterdir())
    uploads = make()
    one = uploads.start("ward", 5).upload_id
    uploads.write("ward", one, 0, b"image")
    assert list(tmp_path.iterdir()) == []
    uploads.close()
    assert set(OPEN_FILES.iterdir()) <= before


def test_a_disk_that_is_full_refuses_and_keeps_what_was_there(make, monkeypatch):
    uploads = make()
    one = uploads.start("ward", 10).upload_id
    uploads.write("ward", one, 0, b"01234")
    held = uploads._held[one]
    with Path("/dev/full").open("r+b", buffering=0) as full, monkeypatch.context() as patched:
        patched.setattr(held, "file", full)
        with pytest.raises(Overloaded):
            uploads.write("ward", one, 5, b"56789")
    assert uploads.query("ward", one).committed_bytes == 5
    uploads.write("ward", one, 5, b"56789")
    assert uploads.part("ward", one, 0, 10) == b"0123456789"


def test_a_folder_that_cannot_be_written_fails_at_the_start(tmp_path):
    with pytest.raises(OSError, match="absent"):
        Uploads(UploadSettings(upload_folder=tmp_path / "absent"))


def test_an_upload_does_not_show_its_id(make):
    started = make().start("ward", 1)
    assert started.upload_id not in repr(started)
