"""The recipe for Ray (docs/archive.md), as far as it needs no Ray: what a worker makes of a file, and what an
earlier run has left over.
"""

from __future__ import annotations

import pytest

from clients.archive import ray_recipe
from clients.archive.ray_recipe import OUTCOMES, Read, left
from medmesh import PermissionDenied
from medmesh.imaging.v1 import imaging_pb2
from tests.clients.fake_mesh import error_info

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def pauses(monkeypatch):
    waited = []
    monkeypatch.setattr("clients.archive.ray_recipe.time.sleep", waited.append)
    return waited


@pytest.fixture
def read(mesh, run, pauses):  # `run` names the fake mesh in the environment
    return Read()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"an image")
    return path


def results(folder, *rows):
    folder.mkdir(exist_ok=True)
    columns = ("id", "state", "reason", "answer")
    table = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows])
    pq.write_table(table, folder / f"{len([*folder.iterdir()])}.parquet")
    return str(folder)


def test_an_answer_is_an_outcome(mesh, read, image):
    answer = imaging_pb2.AnalyzeImageResponse()
    answer.analysis.results.add().findings.add(label="normal", probability=0.5)
    mesh.answers["AnalyzeImage"] = answer
    row = read({"id": str(image)})
    assert (row["id"], row["state"], row["reason"]) == (str(image), "done", "")
    assert imaging_pb2.ImageAnalysis.FromString(row["answer"]) == answer.analysis


@pytest.mark.parametrize(
    ("status", "reason", "state", "asked"),
    [
        ("INVALID_ARGUMENT", "INPUT_MALFORMED", "set_aside", 1),
        ("INTERNAL", "MODEL_FAILED", "failed", ray_recipe.ATTEMPTS),
        ("UNAVAILABLE", "MODEL_UNAVAILABLE", "failed", ray_recipe.ATTEMPTS),
    ],
)
def test_only_what_is_about_the_file_is_an_outcome(mesh, read, image, status, reason, state, asked):
    mesh.fail("AnalyzeImage", status, "No.", error_info(reason))
    row = read({"id": str(image)})
    assert (row["state"], row["reason"], len(mesh.seen)) == (state, reason, asked)
    assert (row["state"] in OUTCOMES) == (state == "set_aside")


def test_a_mesh_that_refuses_for_too_long_is_no_outcome(mesh, read, image, pauses, monkeypatch):
    mesh.fail("AnalyzeImage", "RESOURCE_EXHAUSTED", "Later.", error_info("OVERLOADED"))
    monkeypatch.setattr("clients.archive.ray_recipe.LONGEST_WAIT_S", 0.2)
    row = read({"id": str(image)})
    assert (row["state"], row["reason"]) == ("failed", "OVERLOADED")
    assert len(pauses) >= 1  # and it was heeded until then


def test_a_file_that_is_gone_may_be_back_another_time(read, tmp_path):
    row = read({"id": str(tmp_path / "gone.png")})
    assert (row["state"], row["reason"]) == ("failed", "FILE_UNREADABLE")


def test_a_refused_identity_ends_the_run(mesh, read, image):
    mesh.fail("AnalyzeImage", "PERMISSION_DENIED", "No.", error_info("PERMISSION_DENIED"))
    with pytest.raises(PermissionDenied):
        read({"id": str(image)})
    assert len(mesh.seen) == 1


def test_what_ended_in_any_earlier_run_is_left_out_and_what_failed_is_not(tmp_path, capsys):
    listed = tmp_path / "studies.txt"
    listed.write_text("a.png\nb.png\n\nc.png\nd.png\nd.png\n  e.png\n")
    first = results(tmp_path / "one", ("a.png", "done", "", b"x"), ("b.png", "failed", "OVERLOADED", b""))
    results(tmp_path / "one", ("c.png", "set_aside", "INPUT_MALFORMED", b""))
    assert left(str(listed), []) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert left(str(listed), [first]) == ["b.png", "d.png", "e.png"]
    second = results(tmp_path / "two", ("b.png", "done", "", b"x"), ("e.png", "failed", "INTERNAL", b""))
    assert left(str(listed), [first, second]) == ["d.png", "e.png"]
    # A file that was being written as the run was killed counts for nothing, and is named.
    whole = (tmp_path / "two" / "0.parquet").read_bytes()
    (tmp_path / "two" / "0.parquet").write_bytes(whole[: len(whole) // 2])
    assert left(str(listed), [first, second]) == ["b.png", "d.png", "e.png"]
    assert "two/0.parquet" in capsys.readouterr().err
