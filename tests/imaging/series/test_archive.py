"""An archive is bounded before anything is inflated, its names lead nowhere, and what is no image is told."""

from __future__ import annotations

import contextlib
import random
import struct
import zipfile
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from services.chassis.errors import InvalidInput, Reason
from services.imaging.series.archive import Archive
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import is_series, read_series
from tests.imaging.series.stacks import files, head, media_directory, uid, written, zipped

LIMITS = SeriesLimits()


def refusal(data, limits=LIMITS):
    with pytest.raises(InvalidInput) as refused:
        read_series([data], limits)
    return refused.value


def reasons(series):
    return [notice.reason for notice in series.notices]


@pytest.fixture
def nothing_inflated(monkeypatch):
    """Fails the test when a file of an archive is read."""

    def read(*_args, **_options):
        raise AssertionError("inflated")

    monkeypatch.setattr(zipfile.ZipFile, "read", read)


def test_an_archive_reads_as_its_files_do():
    sent = files(head(8))
    one, other = read_series([zipped(sent)]), read_series(sent)
    assert [s.instance_number for s in one.slices] == [s.instance_number for s in other.slices]
    assert (one.decode(3).hounsfield == other.decode(3).hounsfield).all()


def test_files_that_were_stored_and_not_deflated_are_read():
    assert len(read_series([zipped(files(head(3)), zipfile.ZIP_STORED)])) == 3


def test_a_bomb_is_refused_before_it_is_inflated(nothing_inflated):
    bomb = zipped([bytes(60 * 2**20)])
    assert len(bomb) < 2**20
    error = refusal(bomb)
    assert (error.reason, "200 times" in error.description) == (Reason.INPUT_TOO_LARGE, True)


def test_many_small_files_cannot_add_up(nothing_inflated):
    limits = replace(LIMITS, max_inflated_bytes=2**20)
    assert refusal(zipped([bytes(2**18)] * 5), limits).reason is Reason.INPUT_TOO_LARGE


def test_one_large_file_is_refused(nothing_inflated):
    limits = replace(LIMITS, max_file_bytes=1000)
    assert refusal(zipped([bytes(2000)]), limits).reason is Reason.INPUT_TOO_LARGE


@pytest.mark.parametrize(
    "end", [{"count": 5000}, {"directory_bytes": 1 << 30}, {"count": 0, "directory_bytes": 1 << 26}]
)
def test_a_directory_that_would_be_long_to_list_is_not_listed(end, monkeypatch):
    sent = _with_end(zipped(files(head(2))), **end)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refusal(sent).reason is Reason.INPUT_TOO_LARGE


def test_more_files_than_allowed_are_refused(nothing_inflated):
    assert refusal(zipped([b""] * 11), replace(LIMITS, max_member_count=10)).reason is Reason.INPUT_TOO_LARGE


def _with_end(data: bytes, **fields) -> bytes:
    """The archive with another record at its end."""
    at = data.rindex(b"PK\x05\x06")
    names = ("signature", "disk", "start", "here", "count", "directory_bytes", "directory_at", "comment")
    record = dict(zip(names, struct.unpack_from("<4s4H2LH", data, at), strict=True)) | fields
    return data[:at] + struct.pack("<4s4H2LH", *record.values())


def test_a_file_never_inflates_beyond_what_it_says():
    """The directory says 100 bytes of what are 100,000: the rest is not read, the file counts as damaged."""
    data = bytearray(zipped([bytes(100_000)]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", data, data.index(signature) + offset, 100)
    archive = Archive(bytes(data), LIMITS)
    with pytest.raises(InvalidInput) as refused:
        archive[0]
    assert refused.value.reason is Reason.INPUT_MALFORMED


def test_names_that_lead_out_of_the_folder_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second, third = files(head(3))
    names = ("../../up.dcm", "/etc/passwd", "C:\\x\\..\\y.dcm")
    series = read_series([zipped(dict(zip(names, (first, second, third), strict=True)))])
    assert len(series) == 3
    assert list(tmp_path.iterdir()) == []


def test_what_lies_beside_images_is_skipped_by_kind_and_told():
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", uid("report")
    report.SeriesInstanceUID, report.Modality = uid("reports"), "SR"
    members = {
        "DICOMDIR": media_directory(),
        "INDEX": media_directory(),
        "__MACOSX/._1.dcm": b"attributes",
        "folder/": b"",
        "folder/report.dcm": written(report),
        **{f"folder/{index}": data for index, data in enumerate(files(head(4)))},
    }
    series = read_series([zipped(members)])
    assert len(series) == 4
    (notice,) = series.notices
    assert (notice.reason, notice.review_required) == ("SERIES_FILES_SKIPPED", False)
    assert "1 DICOM objects without pixels and 3 directories" in notice.message


def test_what_is_no_dicom_file_asks_for_review():
    """A slice without its preamble is one: it could have been the one that matters."""
    sent = files(head(4))
    series = read_series([zipped([*sent[:3], sent[3][132:]])])
    (notice,) = series.notices
    assert (notice.reason, notice.review_required) == ("SERIES_FILES_NOT_UNDERSTOOD", True)


def test_a_damaged_file_is_named_by_its_number():
    sent = files(head(4))
    for cut in (140, 300, 700, -5):
        error = refusal(zipped([*sent[:2], sent[2][:cut], sent[3]]))
        assert error.reason is Reason.INPUT_MALFORMED
        assert error.description.startswith("holds a file (number 3) that")


def test_an_archive_without_images_is_refused():
    assert refusal(zipped({"readme.txt": b"nothing here"})).reason is Reason.INPUT_UNSUPPORTED
    assert refusal(zipped({})).reason is Reason.INPUT_UNSUPPORTED


@pytest.mark.parametrize("cut", [10, 400, -30])
def test_a_truncated_archive_is_refused(cut):
    assert refusal(zipped(files(head(2)))[:cut]).reason is Reason.INPUT_MALFORMED


def test_a_flipped_byte_is_refused():
    data = bytearray(zipped(files(head(2)), zipfile.ZIP_STORED))
    data[len(data) // 4] ^= 1
    assert refusal(bytes(data)).reason is Reason.INPUT_MALFORMED


def test_whatever_is_changed_in_an_archive_it_is_read_or_refused():
    """In its directory and its first headers, where every byte steers the reader."""
    sound = zipped(files(head(2)), zipfile.ZIP_STORED)
    changing = random.Random(5)
    for _ in range(300):
        data = bytearray(sound)
        for _ in range(changing.choice([1, 2, 8])):
            start = changing.choice([0, len(data) - 200])
            data[start + changing.randrange(150)] = changing.choice([0, 255, changing.randrange(256)])
        with contextlib.suppress(InvalidInput):
            read_series([bytes(data)])


def test_other_kinds_of_archive_are_refused():
    assert refusal(zipped(files(head(1)), zipfile.ZIP_BZIP2)).reason is Reason.INPUT_UNSUPPORTED
    locked = bytearray(zipped(files(head(1))))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(signature) + offset] |= 1
    assert "encrypted" in refusal(bytes(locked)).description


def test_what_is_a_series():
    sent = files(head(2))
    assert is_series(sent)
    assert is_series([zipped(sent)])
    assert not is_series(sent[:1])
    assert not is_series([b"\x89PNG\r\n\x1a\n"])
