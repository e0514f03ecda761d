"""`medmesh archive`: every entry once, whatever the mesh, the files or the process do meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pydicom
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from pydicom.dataset import FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from clients.archive.entries import SourceError, entries
from medmesh.imaging.v1 import imaging_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from tests.clients.fake_mesh import error_info, stored_diagnosis
from tests.contracts.source import ROOT


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("clients.archive.run.PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr("services.queue.worker._IDLE_S", 0.02)


def refusal(code, reason, *details):
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message="Said by the mesh.")
    for detail in (error_info(reason), *details):
        status.details.add().Pack(detail)
    return status


def retry_after(seconds):
    detail = error_details_pb2.RetryInfo()
    detail.retry_delay.FromMilliseconds(int(seconds * 1000))
    return detail


BAD = refusal("INVALID_ARGUMENT", "INPUT_MALFORMED")
BUSY = refusal("RESOURCE_EXHAUSTED", "OVERLOADED", retry_after(0.02))
BROKEN = refusal("INTERNAL", "MODEL_FAILED")


def reads(request):
    """A finding that is the image's own content, so that a result tells which file it is of."""
    content = b"".join(source.content for source in request.sources).decode()
    if content.startswith("poison"):
        return BAD
    answer = imaging_pb2.AnalyzeImageResponse()
    answer.analysis.results.add().findings.add(label=content, probability=0.5)
    return answer


def write_files(folder, count, poison=()):
    folder.mkdir()
    for number in range(count):
        text = f"poison {number}" if number in poison else f"image {number}"
        (folder / f"{number:05}.png").write_text(text)
    return folder


def rows(run, folder, target="rows.jsonl"):
    path = folder.parent / target
    result = run("archive", "export", folder, path)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in path.read_text().splitlines()]


def labels(found):
    return [row["results"][0]["findings"][0]["label"] for row in found if row["state"] == "done"]


def test_each_file_has_one_row_and_a_bad_one_is_set_aside_with_its_reason(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = reads
    source = write_files(tmp_path / "files", 30, poison={3, 17})
    result = run("archive", "run", source, "--to", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "28" in result.output
    found = rows(run, tmp_path / "run")
    assert sorted(labels(found)) == sorted(f"image {n}" for n in range(30) if n not in {3, 17})
    bad = [row for row in found if row["state"] == "set_aside"]
    assert [(row["id"][-9:], row["reason"], row["detail"]) for row in bad] == [
        ("00003.png", "INPUT_MALFORMED", "Said by the mesh."),
        ("00017.png", "INPUT_MALFORMED", "Said by the mesh."),
    ]
    listed = run("archive", "set-aside", tmp_path / "run").output.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["INPUT_MALFORMED"] * 2


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_counts_nothing_twice(mesh, run, tmp_path):
    seen = threading.Semaphore(0)

    def counted(request):
        seen.release()
        return reads(request)

    mesh.answers["AnalyzeImage"] = counted
    source = write_files(tmp_path / "files", 80, poison={5, 60})
    command = [sys.executable, "-m", "clients.cli.main", "archive", "run"]
    options = [source, "--to", tmp_path / "run", "--at-once", "3"]
    for resume in (False, True):
        started = [*command, *(["--resume", *options[1:]] if resume else options)]
        process = subprocess.Popen(started, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
        for _ in range(25):
            assert seen.acquire(timeout=60)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    before = json.loads(run("archive", "status", tmp_path / "run", "--json").output)
    assert 0 < before["waiting"] < 80
    result = run("archive", "run", "--resume", "--to", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.output
    after = json.loads(result.output)
    assert (after["entries"], after["done"], after["set_aside"]) == (80, 78, 2)
    assert after["ended_now"] == 80 - before["done"] - before["set_aside"]
    found = rows(run, tmp_path / "run")
    assert Counter(labels(found)) == {f"image {n}": 1 for n in range(80) if n not in {5, 60}}


def test_refusals_are_heeded_and_cost_no_attempt(mesh, run, tmp_path):
    asked = Counter()

    def busy_at_first(request):
        content = request.sources[0].content
        asked[content] += 1
        return BUSY if asked[content] <= 6 else reads(request)

    mesh.answers["AnalyzeImage"] = busy_at_first
    source = write_files(tmp_path / "files", 3)
    result = run("archive", "run", source, "--to", tmp_path / "run", "--json")
    said = json.loads(result.output)
    assert (said["done"], said["set_aside"]) == (3, 0)
    assert said["refusals"] == 18
    assert all(row["attempts"] == 1 for row in rows(run, tmp_path / "run"))


def test_what_fails_every_time_is_set_aside_and_may_be_tried_again(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = lambda request: BROKEN
    source = write_files(tmp_path / "files", 2)
    run("archive", "run", source, "--to", tmp_path / "run")
    assert [(r["reason"], r["attempts"]) for r in rows(run, tmp_path / "run")] == [("MODEL_FAILED", 5)] * 2
    mesh.answers["AnalyzeImage"] = reads
    assert "2 entries wait again" in run("archive", "retry", tmp_path / "run").output
    run("archive", "run", "--resume", "--to", tmp_path / "run")
    assert sorted(labels(rows(run, tmp_path / "run"))) == ["image 0", "image 1"]


def test_nobody_there_ends_the_run_with_the_way_on(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDMESH_IMAGING_URL", "127.0.0.1:1")
    source = write_files(tmp_path / "files", 2)
    result = run("archive", "run", source, "--to", tmp_path / "run", "--patience", "0")
    assert result.exit_code == 4
    assert "imaging at 127.0.0.1:1 does not answer" in result.output
    assert "--resume" in result.output


def test_a_refused_identity_ends_the_run_at_once(mesh, run, tmp_path):
    mesh.fail("AnalyzeImage", "PERMISSION_DENIED", "No.", error_info("PERMISSION_DENIED"))
    source = write_files(tmp_path / "files", 50)
    result = run("archive", "run", source, "--to", tmp_path / "run")
    assert result.exit_code == 5
    assert len(mesh.seen) <= 16
    assert json.loads(run("archive", "status", tmp_path / "run", "--json").output)["waiting"] == 50


def test_a_list_may_hold_cases_and_a_case_is_diagnosed(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = reads
    mesh.answers["Diagnose"] = orchestrator_pb2.DiagnoseResponse(diagnosis=stored_diagnosis())
    (tmp_path / "a.png").write_text("image a")
    (tmp_path / "n.txt").write_text("a note")
    listed = tmp_path / "list.txt"
    listed.write_text('a.png\n\n{"id": "case 7", "image": "a.png", "note": "n.txt"}\n')
    result = run("archive", "run", listed, "--to", tmp_path / "run")
    assert result.exit_code == 0, result.output
    image, case = rows(run, tmp_path / "run")
    assert labels([image]) == ["image a"]
    assert case["id"] == "case 7"
    assert case["assessments"][0]["probability"] == stored_diagnosis().assessments[0].probability
    assert len(case["receipt_id"]) == 32
    asked = next(one.request.case for one in mesh.seen if one.method == "Diagnose")
    assert (asked.note, len(asked.images)) == ("a note", 1)


def test_a_file_that_is_gone_is_set_aside(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = reads
    listed = tmp_path / "list.txt"
    listed.write_text("gone.png\n")
    run("archive", "run", listed, "--to", tmp_path / "run")
    (row,) = rows(run, tmp_path / "run")
    assert (row["reason"], row["detail"]) == ("FILE_UNREADABLE", "No such file or directory")


def test_parquet_has_the_same_rows(mesh, run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    mesh.answers["AnalyzeImage"] = reads
    source = write_files(tmp_path / "files", 4, poison={1})
    run("archive", "run", source, "--to", tmp_path / "run")
    assert run("archive", "export", tmp_path / "run", tmp_path / "rows.parquet").exit_code == 0
    table = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    lines = rows(run, tmp_path / "run")
    for column in ("id", "state", "reason"):
        assert [row[column] for row in table] == [row[column] for row in lines]
    assert table[0]["results"][0]["findings"][0] == {
        "label": "image 0", "code": None, "probability": 0.5, "threshold": None
    }  # fmt: skip


def dicom(path, modality, study, series):
    sop = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.Modality, data.StudyInstanceUID, data.SeriesInstanceUID = modality, study, series
    data.PatientID, data.PatientName, data.StudyDate, data.StudyTime = "1", "A^B", "20260101", "120000"
    data.StudyID, data.SeriesNumber, data.InstanceNumber = "1", 1, 1
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def archive_of(folder):
    study, ct, xr = generate_uid(), generate_uid(), generate_uid()
    for number in range(3):
        dicom(folder / "ct" / f"{number}.dcm", "CT", study, ct)
    for number in range(2):
        dicom(folder / "xr" / f"{number}.dcm", "DX", study, xr)
    return study, ct, xr


def exported_by_study(run, folder, target="studies.jsonl"):
    path = folder.parent / target
    result = run("archive", "export", folder, path, "--by", "study")
    assert result.exit_code == 0, result.output
    return path


def reads_dicom(request):
    """An answer to all that has a header; the rest is at fault itself."""
    if any(source.content[128:132] != b"DICM" for source in request.sources):
        return BAD
    answer = imaging_pb2.AnalyzeImageResponse()
    answer.analysis.results.add().findings.add(label="normal", probability=0.5)
    return answer


def test_a_study_is_one_row_wherever_its_parts_lie(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = reads_dicom
    source = tmp_path / "files"
    study, ct, xr = archive_of(source)
    dicom(source / "between" / "0.dcm", "DX", other := generate_uid(), generate_uid())
    (source / "note.txt").write_text("no image")
    (source / "xr" / "other.txt").write_text("nor this")
    run("archive", "run", source, "--to", tmp_path / "run")
    found = [json.loads(line) for line in exported_by_study(run, tmp_path / "run").read_text().splitlines()]
    # In the order of the archive's entries: note.txt, between/, ct/ with what of its study lies in xr/.
    assert [row["study_uid"] for row in found] == [None, other, study, None]
    counts = ("entry_count", "answered_count", "set_aside_count", "waiting_count", "file_count")
    assert [tuple(row[name] for name in counts) for row in found] == [
        (1, 0, 1, 0, 1),
        (1, 1, 0, 0, 1),
        (3, 3, 0, 0, 5),
        (1, 0, 1, 0, 1),
    ]
    assert [row["reasons"] for row in found] == [["INPUT_MALFORMED"], [], [], ["INPUT_MALFORMED"]]
    assert [row["series_uid"] for row in found[2]["entries"]] == [ct, xr, xr]
    # The same entries as in the other table, and each once.
    single = rows(run, tmp_path / "run")
    by_id = {row["id"]: row for row in single}
    assert len(by_id) == len(single) == 6
    assert {part["id"]: part for row in found for part in row["entries"]} == by_id


def test_a_study_of_which_something_waits_says_so(mesh, run, tmp_path):
    study, *_ = archive_of(tmp_path / "files")
    answered = threading.Semaphore(2)  # of three entries

    def some(request):
        if answered.acquire(blocking=False):
            return reads_dicom(request)
        return refusal("PERMISSION_DENIED", "PERMISSION_DENIED")

    mesh.answers["AnalyzeImage"] = some
    run("archive", "run", tmp_path / "files", "--to", tmp_path / "run", "--at-once", "1")
    (row,) = map(json.loads, exported_by_study(run, tmp_path / "run").read_text().splitlines())
    assert row["study_uid"] == study
    assert (row["entry_count"], row["answered_count"], row["waiting_count"]) == (3, 2, 1)
    assert len(row["entries"]) == 2
    mesh.answers["AnalyzeImage"] = reads_dicom
    run("archive", "run", "--resume", "--to", tmp_path / "run")
    (row,) = map(json.loads, exported_by_study(run, tmp_path / "run").read_text().splitlines())
    assert (row["entry_count"], row["answered_count"], row["waiting_count"]) == (3, 3, 0)


def test_studies_are_the_same_in_parquet_and_a_group_of_rows_is_bounded(mesh, run, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("clients.archive.export.ENTRIES_PER_GROUP", 3)
    monkeypatch.setattr("clients.archive.studies._PAGE", 2)
    mesh.answers["AnalyzeImage"] = reads_dicom
    uids = [generate_uid() for _ in range(4)]
    for number in range(8):  # the two of a study lie apart
        dicom(tmp_path / "files" / f"{number}.dcm", "DX", uids[number % 4], generate_uid())
    run("archive", "run", tmp_path / "files", "--to", tmp_path / "run")
    file = parquet.ParquetFile(exported_by_study(run, tmp_path / "run", "studies.parquet"))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2, 2]
    table = file.read().to_pylist()
    assert [row["study_uid"] for row in table] == uids
    assert [len(row["entries"]) for row in table] == [2, 2, 2, 2]
    assert table[0]["entries"][1]["results"][0]["findings"][0]["label"] == "normal"


def test_a_list_tells_the_study_of_what_has_a_header_and_may_name_it(tmp_path):
    study, ct, xr = archive_of(tmp_path)
    (tmp_path / "a.png").write_text("image a")
    (tmp_path / "empty").mkdir()
    lines = [
        "xr/0.dcm",
        "ct",
        "a.png",
        "gone.dcm",
        "empty",
        '{"image": ["ct/0.dcm", "ct/1.dcm"]}',
        '{"image": "a.png", "study": "1.2.3"}',
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = [(e.study_uid, e.series_uid) for e in entries(tmp_path / "list.txt")]
    assert found == [(study, xr), (study, ct), ("", ""), ("", ""), ("", ""), (study, ct), ("1.2.3", "")]


def test_slices_of_a_series_are_one_entry_and_radiographs_one_each(tmp_path):
    study, ct, xr = archive_of(tmp_path)
    (tmp_path / "xr" / ".hidden").write_text("x")
    (tmp_path / "xr" / "broken.dcm").write_bytes(bytes(128) + b"DICM\xff\xff")
    found = [(e.study_uid, e.series_uid, len(e.files)) for e in entries(tmp_path)]
    assert found == [(study, ct, 3), (study, xr, 1), (study, xr, 1), ("", "", 1)]
    assert len(list(entries(tmp_path, "0.dcm"))) == 2


def test_a_dicomdir_says_what_belongs_together(tmp_path):
    _, ct, xr = archive_of(tmp_path / "source")
    fileset = FileSet()
    for path in sorted((tmp_path / "source").rglob("*.dcm")):
        fileset.add(path)
    fileset.write(tmp_path / "media")
    fileset._stage["t"].cleanup()
    found = sorted((e.series_uid, len(e.files)) for e in entries(tmp_path / "media" / "DICOMDIR"))
    assert found == sorted([(ct, 3), (xr, 1), (xr, 1)])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1: is not JSON"),
        ('{"id": "a"}', "needs one of image, note, patient"),
        ('{"image": "a", "notes": "b"}', r"unknown fields \(notes\)"),
        ('{"image": [1]}', "paths must be text"),
    ],
)
def test_a_list_that_cannot_be_read_names_its_line(tmp_path, line, problem):
    path = tmp_path / "list.txt"
    path.write_text(line)
    with pytest.raises(SourceError, match=problem):
        list(entries(path))


def test_a_run_is_begun_once_and_only_its_owner_can_read_it(mesh, run, tmp_path):
    mesh.answers["AnalyzeImage"] = reads
    source = write_files(tmp_path / "files", 1)
    assert run("archive", "run", source, "--to", tmp_path / "run").exit_code == 0
    again = run("archive", "run", source, "--to", tmp_path / "run")
    assert again.exit_code == 3
    assert "holds a run already: go on with --resume" in again.output
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o077 for p in (tmp_path / "run").glob("[!.]*[!k]")} == {
        "queue.sqlite": 0, "run.json": 0
    }  # fmt: skip
    assert run("archive", "run", "--to", tmp_path / "other").exit_code == 2
    assert run("archive", "status", tmp_path).exit_code == 3
