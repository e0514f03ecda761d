"""`medmesh deidentify` against a fake mesh: what it sends where, writes, skips and refuses."""

from __future__ import annotations

import json
import stat

import pytest

from medmesh.imaging.v1 import deidentification_pb2 as pb
from medmesh.language.v1 import bundle_deidentification_pb2 as bundle_pb
from medmesh.language.v1.deidentification_pb2 import (
    IDENTIFIER_KIND_NAME,
    Deidentification,
    DeidentifiedText,
    DeidentifyResponse,
    Replacement,
)
from tests.clients.fake_mesh import error_info

CANARY = "Kanarienvogel"
NOTE = f"Mr. {CANARY} is well."
IMAGE = bytes(128) + b"DICM" + CANARY.encode()
PNG = b"\x89PNG\r\n\x1a\n" + CANARY.encode()
BUNDLE = json.dumps({"resourceType": "Patient", "name": CANARY})


def images(messages):
    """What came, in two chunks, without the canary; what was asked for in the report."""
    data = b"".join(message.chunk for message in messages).replace(CANARY.encode(), b"REMOVED")
    change = pb.AttributeChange
    done = pb.ImageDeidentification(
        format="PNG" if data.startswith(b"\x89PNG") else "DICOM",
        changes=[
            change(
                tag="00100010",
                name="Patient's Name",
                action=change.ACTION_REPLACED,
                reason=change.REASON_PROFILE,
                count=2,
            )
        ],
        masked_regions=[pb.MaskedRegion(left_px=1, top_px=2, width_px=3, height_px=4, cause=1)],
    )
    answers = [pb.DeidentifyImageResponse(deidentification=done)]
    return [*answers, *(pb.DeidentifyImageResponse(chunk=part) for part in (data[:7], data[7:]))]


def texts(request):
    clean = DeidentifiedText(text=request.texts[0].replace(CANARY, "[NAME-1]"))
    clean.replacements.append(Replacement(kind=IDENTIFIER_KIND_NAME))
    return DeidentifyResponse(deidentification=Deidentification(texts=[clean]))


def bundles(request):
    done = bundle_pb.BundleDeidentification(
        changes=[
            bundle_pb.ElementChange(
                element="Patient.name", action=bundle_pb.ElementChange.ACTION_REMOVED, count=1
            )
        ]
    )
    return bundle_pb.DeidentifyBundleResponse(
        fhir_bundle=b'{"resourceType": "Patient"}', deidentification=done
    )


@pytest.fixture
def study(mesh, tmp_path):
    """A folder of each kind of file, and a mesh that answers."""
    mesh.answers |= {"DeidentifyImage": images, "Deidentify": texts, "DeidentifyBundle": bundles}
    folder = tmp_path / "study"
    (folder / "within").mkdir(parents=True)
    (folder / f"{CANARY}.txt").write_text(NOTE, encoding="utf-8")
    (folder / "a.dcm").write_bytes(IMAGE)
    (folder / "within" / "b.png").write_bytes(PNG)
    (folder / "p.json").write_text(BUNDLE, encoding="utf-8")
    return folder


@pytest.fixture
def deidentify(run, tmp_path):
    def deidentify(*arguments):
        return run("deidentify", *arguments, "--out", tmp_path / "out", "--key-file", tmp_path / "its.key")

    return deidentify


def words(output):
    """The output whatever lines it was wrapped into."""
    return " ".join(output.split())


def written(folder):
    return {file.suffix: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_each_file_of_a_folder_goes_where_it_belongs_and_comes_back_under_another_name(
    deidentify, mesh, study, tmp_path
):
    result = deidentify(
        study, "--keep", "modified-dates", "--keep", "descriptors", "--keep-markers", "--patient", "P7"
    )

    assert result.exit_code == 0, result.output
    files = written(tmp_path / "out")
    assert set(files) == {".txt", ".dcm", ".png", ".json"}
    assert files[".txt"] == b"Mr. [NAME-1] is well."
    assert files[".dcm"] == bytes(128) + b"DICMREMOVED"
    assert CANARY not in "".join(file.name for file in (tmp_path / "out").rglob("*"))
    assert "4 of 4 files" in words(result.stdout)
    asked = {seen.method: seen.request for seen in mesh.seen}
    options = asked["DeidentifyImage"][0].options
    assert list(options.profile_options) == [
        pb.PROFILE_OPTION_RETAIN_MODIFIED_DATES,
        pb.PROFILE_OPTION_CLEAN_DESCRIPTORS,
    ]
    assert options.burned_in_text == pb.BURNED_IN_TEXT_MARKERS_KEPT
    assert options.key == asked["Deidentify"].key == asked["DeidentifyBundle"].key
    assert options.patient == asked["Deidentify"].patient == asked["DeidentifyBundle"].patient == "P7"


def test_the_key_is_made_once_for_its_owner_alone(deidentify, mesh, study, tmp_path):
    deidentify(study / "a.dcm")
    key = tmp_path / "its.key"
    first = key.read_bytes()
    assert len(first) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    (study / "a.dcm").write_bytes(IMAGE + b"more")
    deidentify(study / "a.dcm")
    assert key.read_bytes() == first == mesh.last.request[0].options.key


def test_the_report_says_what_was_done_without_a_value(deidentify, study, tmp_path):
    deidentify(study / "a.dcm", study / "p.json")
    report = (tmp_path / "out.report.jsonl").read_text(encoding="utf-8")
    image, bundle = map(json.loads, report.splitlines())
    assert image["attributes"] == [["00100010", "Patient's Name", "replaced", "profile", 2]]
    assert image["regions"] == [[1, 2, 3, 4]]
    assert image["changes"] == {"replaced": 2, "covered": 1}
    assert bundle["elements"] == [["Patient.name", "removed", 1]]
    assert CANARY not in report


def test_a_second_run_does_what_is_new_changed_or_lost(deidentify, mesh, study, tmp_path):
    deidentify(study)
    first = len(mesh.seen)
    again = deidentify(study)
    assert len(mesh.seen) == first
    assert words(again.stdout).count("done before") == 4

    (study / "a.dcm").write_bytes(IMAGE + b"changed")
    next((tmp_path / "out").glob("*.png")).unlink()
    assert deidentify(study).exit_code == 0
    assert len(mesh.seen) == first + 2
    assert deidentify(study, "--patient", "another").exit_code == 0  # other settings, other results
    assert len(mesh.seen) == first + 6


def test_what_cannot_be_done_is_told_at_the_end_and_the_rest_is_done(deidentify, mesh, study, tmp_path):
    (study / "blob.bin").write_bytes(b"\0\1\2")
    mesh.fail(
        "DeidentifyBundle", "INVALID_ARGUMENT", "An input cannot be read.", error_info("INPUT_MALFORMED")
    )
    result = deidentify(study)

    assert result.exit_code == 3
    assert "2 files were not de-identified" in words(result.stderr)
    assert "neither DICOM" in words(result.stdout)
    assert set(written(tmp_path / "out")) == {".txt", ".dcm", ".png"}
    mesh.failures.clear()
    assert deidentify(study / "p.json").exit_code == 0


def test_a_mesh_that_is_gone_ends_the_run_which_goes_on_later(deidentify, mesh, study, tmp_path):
    mesh.fail("DeidentifyImage", "UNAVAILABLE", "gone")
    result = deidentify(study / "p.json", study / "a.dcm", study / f"{CANARY}.txt")
    assert result.exit_code == 4
    assert "goes on from here" in words(result.stderr)
    assert set(written(tmp_path / "out")) == {".json"}
    mesh.failures.clear()
    before = len(mesh.seen)
    assert deidentify(study / "p.json", study / "a.dcm", study / f"{CANARY}.txt").exit_code == 0
    assert {seen.method for seen in mesh.seen[before:]} == {"DeidentifyImage", "Deidentify"}


def test_nothing_that_is_there_is_overwritten(run, deidentify, mesh, study, tmp_path):
    result = run("deidentify", study, "--out", study / "clean", "--key-file", tmp_path / "its.key")
    assert result.exit_code == 3
    assert "lies within" in words(result.stderr)

    out = tmp_path / "out"
    out.mkdir()
    (out / "a.dcm").write_bytes(b"somebody's")
    result = deidentify(study / "a.dcm", "--keep-names")
    assert result.exit_code == 3
    assert (out / "a.dcm").read_bytes() == b"somebody's"
    assert (study / "a.dcm").read_bytes() == IMAGE


def test_json_for_machines_is_a_line_a_file(deidentify, study):
    result = deidentify(study, "--json", "--surrogates")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(line["kind"] for line in lines) == ["DICOM", "FHIR", "note", "picture"]
