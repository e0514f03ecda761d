"""The command from the outside: what it sends, prints, saves and exits with, against a fake mesh."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import BadRequest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import receipt
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2
from tests.clients.fake_mesh import error_info, receipt_of, stored_diagnosis

NOTE = "Fever. No effusion. Mother has asthma."


@pytest.fixture
def files(tmp_path):
    image, note, patient = tmp_path / "a.dcm", tmp_path / "note.txt", tmp_path / "p.json"
    image.write_bytes(b"dicom")
    note.write_text(NOTE, encoding="utf-8")
    patient.write_text("{}", encoding="utf-8")
    return image, note, patient


@pytest.fixture
def answer(mesh):
    diagnosis = stored_diagnosis()
    mesh.answers["Diagnose"] = mesh.answers["DiagnoseStream"] = pb.DiagnoseResponse(diagnosis=diagnosis)
    return mesh.answers["Diagnose"].diagnosis


def test_diagnose_sends_the_files_and_prints_for_people(run, mesh, files, answer):
    image, note, patient = files
    result = run("diagnose", "--image", image, "--note", note, "--patient", patient, "--max-treatments", 3)
    assert result.exit_code == 0, result.output
    case = mesh.last.request.case
    assert case.images[0].sources[0].content == b"dicom"
    assert not case.images[0].options.include_overlay
    assert case.note == NOTE
    assert case.patient.fhir_bundle == b"{}"
    assert case.max_treatment_count == 3
    assert "[effusion: absent]" in result.stdout
    assert "not for diagnosis or treatment" in result.stdout
    assert "\x1b[" not in result.stdout


def test_json_is_the_whole_answer_without_pictures(run, files, answer):
    result = run("diagnose", "--note", files[1], "--json")
    found = json.loads(result.stdout)
    assert found["completeness"] == "COMPLETENESS_COMPLETE"
    assert found["assessments"][0]["condition"]["code"] == "233604007"
    # Fields at their default are there too.
    assert found["note"]["results"][0]["entities"][0]["start_offset"] == 0
    for result in found["images"][0]["analysis"]["results"]:
        assert not result["overlay_png"]
        assert not any(finding.get("heat_map") for finding in result["findings"])


def test_output_saves_answer_receipt_and_heat_map(run, mesh, files, answer, tmp_path):
    folder = tmp_path / "new" / "folder"
    result = run("diagnose", "--image", files[0], "--output", folder)
    assert mesh.last.request.case.images[0].options.include_overlay
    assert (folder / "heat-map-0-chest_xray.png").read_bytes() == b"\x89PNG overlay"
    assert (folder / "heat-map-0-chest_findings.png").read_bytes() == b"\x89PNG second"
    assert json.loads((folder / "answer.json").read_text())["correlation_id"] == answer.correlation_id
    assert receipt.from_line((folder / "receipt.json").read_text()) == answer.receipt
    assert "heat-map-0-chest_xray.png" in result.stdout.replace("\n", "")


def test_partial_prints_what_there_is_and_exits_6(run, files, answer):
    answer.completeness = pb.COMPLETENESS_PARTIAL
    answer.branches[1].state = pb.Branch.STATE_FAILED
    answer.branches[1].message = "The language service does not answer."
    answer.ClearField("note")
    result = run("diagnose", "--note", files[1])
    assert result.exit_code == 6
    assert "The note is missing. The language service does not answer." in result.stdout


def test_stream_tells_of_each_branch_on_stderr(run, mesh, files, answer):
    result = run("diagnose", "--note", files[1], "--stream", "--json")
    assert mesh.last.method == "DiagnoseStream"
    told = [line.split()[0] for line in result.stderr.splitlines()]
    assert told == ["image", "note", "record", "treatments"]
    json.loads(result.stdout)


def test_a_note_from_stdin(mesh, run, answer):
    result = CliRunner().invoke(app, ["diagnose", "--note", "-", "--json"], input="Cough.\n")
    assert result.exit_code == 0
    assert mesh.last.request.case.note == "Cough.\n"


def run_program(arguments: list[str], **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "clients.cli.main", *arguments],
        capture_output=True, check=False, timeout=60, **options,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["note", "-"], ["diagnose", "--note", "-"]])
def test_a_closed_standard_input_is_one_sentence(arguments):
    # By a shell: Python's own fork runs gRPC's handlers of forks, which abort beside servers of this process.
    program = [sys.executable, "-m", "clients.cli.main", *arguments]
    result = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *program], capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 3
    assert result.stderr == b"medmesh: standard input is closed: give the note as a file.\n"


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_standard_input_is_read_as_utf_8_whatever_the_locale(mesh, variables):
    environment = {**os.environ, "MEDMESH_URL": mesh.target, "PYTHONCOERCECLOCALE": "0", **variables}
    latin = run_program(["diagnose", "--note", "-"], input="Fièvre.".encode("latin-1"), env=environment)
    assert latin.returncode == 3
    assert latin.stderr == b"medmesh: standard input is not UTF-8 text.\n"
    run_program(["diagnose", "--note", "-"], input="Fièvre.".encode(), env=environment)
    assert mesh.seen[-1].request.case.note == "Fièvre."


@pytest.mark.parametrize(
    "given", ["Fever and cough.", "The patient has a fever. " * 300, "notes/missing.txt"]
)
@pytest.mark.parametrize("command", [["diagnose", "--note"], ["note"]])
def test_a_note_on_the_command_line_is_refused_without_quoting_it(run, mesh, command, given):
    """Every user of a machine reads its command lines."""
    result = run(*command, given)
    assert result.exit_code == 3
    assert "note itself on stdin, with -" in result.stderr
    assert given.split()[0] not in result.stderr
    assert not mesh.seen


def test_nothing_to_diagnose_is_a_usage_error(run):
    result = run("diagnose")
    assert result.exit_code == 2
    assert "give --image, --note or --patient" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "missing.dcm"], "missing.dcm: No such file or directory"),
        (["--image", "empty"], "empty holds no file"),
        (["--patient", "missing.json"], "missing.json: No such file or directory"),
        (["--note", "notes/missing.txt"], "no such file"),
        (["--image", "a.png", "--url", "nonsense"], "must be host:port"),
    ],
)
def test_input_that_cannot_be_read_is_one_sentence(run, mesh, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"png")
    (tmp_path / "empty").mkdir()
    result = run("diagnose", *arguments)
    assert result.exit_code == 3
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not mesh.seen


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("INVALID_ARGUMENT", "INPUT_MALFORMED", 3),
        ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE", 4),
        ("RESOURCE_EXHAUSTED", "OVERLOADED", 4),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 4),
        ("UNAUTHENTICATED", "UNAUTHENTICATED", 5),
        ("PERMISSION_DENIED", "PERMISSION_DENIED", 5),
        ("INTERNAL", "INTERNAL", 1),
    ],
)
def test_each_failure_has_its_exit_code_and_one_sentence(run, mesh, files, status, reason, code):
    mesh.fail("Diagnose", status, "The sentence.", error_info(reason))
    result = run("diagnose", "--note", files[1])
    assert result.exit_code == code
    assert re.fullmatch(r"medmesh: The sentence\. \(request [0-9a-f-]{36}\).*\n", result.stderr)


def test_refused_input_names_its_field(run, mesh, files):
    bad = BadRequest(
        field_violations=[BadRequest.FieldViolation(field="case.note", description="must be text")]
    )
    mesh.fail("Diagnose", "INVALID_ARGUMENT", "An input cannot be read.", error_info("INPUT_MALFORMED"), bad)
    assert "medmesh: case.note: must be text." in run("diagnose", "--note", files[1]).stderr


def test_every_fault_of_an_input_is_named_on_a_line_of_its_own(run, mesh, files):
    faults = [("case.note", "is blank"), ("case.images[0].sources", "is missing")]
    bad = BadRequest(field_violations=[{"field": field, "description": said} for field, said in faults])
    mesh.fail("Diagnose", "INVALID_ARGUMENT", "Two fields.", error_info("INPUT_MALFORMED"), bad)
    result = run("diagnose", "--note", files[1])
    assert result.exit_code == 3
    first, *others = result.stderr.splitlines()
    assert first.startswith("medmesh: 2 problems with the input (request ")
    assert others == ["  case.note: is blank", "  case.images[0].sources: is missing"]


def test_no_mesh_says_how_to_start_one(run, files):
    result = run("diagnose", "--note", files[1], "--url", "127.0.0.1:1")
    assert result.exit_code == 4
    assert "nothing answers at 127.0.0.1:1" in result.stderr
    assert "medmesh up" in result.stderr


def test_replay_of_the_same_is_the_same(run, mesh, files, answer, tmp_path):
    image, note, _ = files
    run("diagnose", "--image", image, "--note", note, "--output", tmp_path / "out")
    salt = receipt.statement(answer.receipt).predicate.salt
    for stored_in in ("receipt.json", "answer.json"):
        result = run("replay", tmp_path / "out" / stored_in, "--image", image, "--note", note)
        assert result.exit_code == 0, result.output
        assert mesh.last.request.receipt_salt == salt
        assert "the same" in result.stdout
        assert "differs" not in result.stdout


def test_replay_says_what_differs_and_exits_1(run, files, answer, tmp_path):
    image, note, _ = files
    run("diagnose", "--image", image, "--note", note, "--output", tmp_path / "out")
    second = receipt.statement(answer.receipt)
    second.predicate.inputs[1].hmac_sha256 = "ff"
    second.predicate.models[1].weights_sha256 = "f" * 64
    second.subject[0].digest["hmac-sha256"] = "ee"
    answer.receipt.CopyFrom(receipt_of(second))
    result = run("replay", tmp_path / "out" / "receipt.json", "--image", image, "--note", note)
    assert result.exit_code == 1
    differing = {tuple(line.split()[:2]) for line in result.stdout.splitlines() if " differs" in line}
    assert differing == {("input", "note"), ("model", "chest_xray"), ("output", "images/0")}


def test_replay_of_what_is_no_receipt_is_one_sentence(run, tmp_path):
    (tmp_path / "x.json").write_text("[1, 2]")
    result = run("replay", tmp_path / "x.json", "--note", "-")
    assert result.exit_code == 3
    assert "holds no receipt" in result.stderr


def test_each_service_can_be_asked_by_itself(run, mesh, files, tmp_path):
    image, note, patient = files
    whole = stored_diagnosis()
    mesh.answers["AnalyzeImage"] = imaging_pb2.AnalyzeImageResponse(analysis=whole.images[0].analysis)
    mesh.answers["AnalyzeNote"] = language_pb2.AnalyzeNoteResponse(analysis=whole.note)
    mesh.answers["RankTreatments"] = recommendation_pb2.RankTreatmentsResponse(ranking=whole.treatments)
    mesh.answers["FindSimilarPatients"] = recommendation_pb2.FindSimilarPatientsResponse(
        similar_patients={"patients": [{"reference_id": "synthetic-7"}]}
    )
    assert "bacterial pneumonia" in run("image", image, "--output", tmp_path / "out").stdout
    assert (tmp_path / "out" / "heat-map-chest_xray.png").read_bytes() == b"\x89PNG overlay"
    assert "[asthma: family]" in run("note", note).stdout
    assert "CONTRAINDICATED" in run("treatments", patient, "--model", "ranker").stdout
    assert mesh.last.request.model == "ranker"
    assert not mesh.last.request.HasField("max_treatment_count")
    assert "synthetic-7" in run("similar", patient, "--count", 3).stdout
    assert mesh.last.request.max_patient_count == 3
    found = json.loads(run("note", note, "--json", "--model", "a", "--model", "b").stdout)
    assert found["results"][0]["entities"][1]["assertion"] == "ASSERTION_ABSENT"
    assert list(mesh.last.request.models) == ["a", "b"]


def test_several_files_or_a_folder_are_one_series_of_the_image_command(run, mesh, tmp_path):
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / name).write_bytes(name.encode())
    given = [*run_image(run, mesh, tmp_path / "1.dcm", tmp_path / "2.dcm"), *run_image(run, mesh, tmp_path)]
    assert given == [b"1.dcm", b"2.dcm"] * 2
    assert mesh.last.request.options.body_part == "KNEE"


def run_image(run, mesh, *paths) -> list[bytes]:
    assert run("image", *paths, "--body-part", "knee").exit_code == 0
    return [source.content for source in mesh.last.request.sources]


def test_an_address_is_sent_as_it_is(run, mesh, files):
    address = "https://pacs.example/studies/1"
    assert run("image", address).exit_code == 0
    assert mesh.last.request.sources[0].uri == address
    run("diagnose", "--image", address, "--image", files[0])
    first, second = mesh.last.request.case.images
    assert first.sources[0].uri == address
    assert second.sources[0].content == b"dicom"


def test_masks_are_saved_under_names_that_are_safe(run, mesh, files, tmp_path):
    analysis = imaging_pb2.ImageAnalysis()
    result = analysis.results.add(provenance={"model_name": "lungs"})
    result.masks.add(label="../left lung", mask_png=b"PNG mask")
    mesh.answers["AnalyzeImage"] = imaging_pb2.AnalyzeImageResponse(analysis=analysis)
    assert run("image", files[0], "--output", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "mask-lungs-_left_lung.png").read_bytes() == b"PNG mask"
    [shown] = json.loads(run("image", files[0], "--json").stdout)["results"][0]["masks"]
    assert not shown["mask_png"]


def test_outcome_sends_the_measurements_of_a_file_and_the_facts_of_its_options(run, mesh, tmp_path):
    measured = tmp_path / "stay.csv"
    measured.write_text("code,value,unit,hours\n2524-7,4.1,mmol/L,1.5\n8867-4,,/min,2\n")
    mesh.answers["PredictOutcome"] = recommendation_pb2.PredictOutcomeResponse(
        prediction={"outcome": "died", "probability": 0.25}
    )
    facts = ["--age", 67, "--gender", "female", "--height", 165, "--care-unit", "medical"]
    result = run("outcome", measured, *facts)
    assert result.exit_code == 0, result.output
    assert "25.0 %" in result.stdout
    assert "Left out: 1 row(s) without a code, a number or a time." in result.stdout
    stay = mesh.last.request.stay
    assert (stay.age.years, stay.gender, stay.height_cm, stay.care_unit) == (67, 2, 165, "medical")
    [one] = stay.measurements
    assert (one.code.code, one.value.value, one.since_start.seconds) == ("2524-7", 4.1, 5400)


def test_a_terminal_without_unicode_breaks_nothing(mesh, answer):
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "clients.cli.main", "diagnose", "--note", "-", "--url", mesh.target]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(
        command, input="Größe.".encode(), capture_output=True, cwd=root, env=environment, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert b"COMPLETE" in shown.stdout


def test_every_command_teaches_with_an_example():
    others = {"doctor"}
    commands = {one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands}
    for command in sorted(commands - others):
        assert f"  medmesh {command}" in CliRunner().invoke(app, [command, "--help"]).stdout, command
    assert "list of processes" in " ".join(CliRunner().invoke(app, ["diagnose", "--help"]).stdout.split())
    assert "6  the diagnosis is PARTIAL" in CliRunner().invoke(app, ["--help"]).stdout


def test_the_client_commands_need_nothing_of_the_services():
    """`diagnose`, `models`, `replay` run with medmesh-client, typer and rich alone."""
    code = (
        "import sys, clients.cli.main; "
        "heavy = {'services', 'numpy', 'pydicom', 'tritonclient', 'PIL'}; "
        "print(heavy & {module.split('.')[0] for module in sys.modules})"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["MEDMESH_IMAGING_PORT", "MEDMESH_TRITON_GRPC_PORT"])
def test_up_with_a_setting_that_cannot_be_read_is_one_sentence(monkeypatch, name):
    monkeypatch.setenv(name, "door")
    result = CliRunner().invoke(app, ["up"])
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [f"medmesh: {name}: is no whole number."]


def test_a_variable_that_nothing_reads_is_named(monkeypatch):
    monkeypatch.setenv("MEDMESH_TRITON_LGO", "-")
    result = CliRunner().invoke(app, ["models", "check", "/"])
    assert result.stderr.startswith(
        "medmesh: MEDMESH_TRITON_LGO is not a setting of the mesh and has no effect; "
        "MEDMESH_TRITON_LOG is, did you mean that?\n"
    )


def test_up_names_a_port_that_is_taken(mesh, monkeypatch, tmp_path):
    for name in ("IMAGING", "LANGUAGE", "RECOMMENDATION"):
        monkeypatch.setenv(f"MEDMESH_{name}_PORT", "0")
    monkeypatch.setenv("MEDMESH_ORCHESTRATOR_PORT", mesh.target.rsplit(":", 1)[1])
    monkeypatch.setenv("MEDMESH_RUN_FOLDER", str(tmp_path))
    result = CliRunner().invoke(app, ["up"])
    assert result.exit_code == 1
    assert "is taken" in result.stderr
    assert "MEDMESH_ORCHESTRATOR_PORT" in result.stderr
