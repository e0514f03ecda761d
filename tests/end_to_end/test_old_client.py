"""A client generated from the baseline of the contracts, however old, works against the server of today."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.end_to_end.conftest import SAMPLES, client_of

BASELINE = Path(__file__).resolve().parents[2] / "protos" / "baseline" / "medmesh.binpb"

# Written in the baseline's words, and run on its generated code alone. Prints JSON.
OLD_CLIENT = """
import json, sys
import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from medmesh.common.v1.patient_pb2 import PatientInput
from medmesh.imaging.v1.imaging_pb2 import ImageSource
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb, orchestrator_pb2_grpc

target, folder, image, note, bundle = sys.argv[1:]
assert pb.__file__.startswith(folder), pb.__file__

def case(image):
    patient = PatientInput(fhir_bundle=open(bundle, "rb").read())
    images = [pb.CaseImage(sources=[ImageSource(content=image)])]
    return pb.DiagnosticCase(images=images, note=open(note).read(), patient=patient)

said = {}
with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
    diagnose = orchestrator_pb2_grpc.DiagnosticServiceStub(channel).Diagnose
    answer = diagnose(pb.DiagnoseRequest(case=case(open(image, "rb").read())), timeout=60).diagnosis
    said["completeness"] = pb.Completeness.Name(answer.completeness)
    said["assessments"] = [[a.condition.display, a.probability] for a in answer.assessments]
    results = [result for image in answer.images for result in image.analysis.results]
    said["image_labels"] = sorted(finding.label for result in results for finding in result.findings)
    try:
        diagnose(pb.DiagnoseRequest(case=case(b"no image")), timeout=60)
    except grpc.RpcError as error:
        said["status"] = error.code().name
        status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        for detail in status.details:
            for kind in (ErrorInfo, BadRequest):
                if detail.Is(kind.DESCRIPTOR):
                    unpacked = kind()
                    detail.Unpack(unpacked)
                    if kind is ErrorInfo:
                        said["reason"] = unpacked.reason
                    else:
                        said["fields"] = [violation.field for violation in unpacked.field_violations]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def old_stubs(tmp_path_factory) -> Path:
    """A folder with the code generated from the baseline, which hides the installed client."""
    folder = tmp_path_factory.mktemp("old_stubs")
    generate = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={BASELINE}"]
    generate += [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    files = FileDescriptorSet.FromString(BASELINE.read_bytes()).file
    own = [file.name for file in files if file.name.startswith("medmesh/")]
    subprocess.run([*generate, *own], check=True, timeout=60)
    (folder / "medmesh" / "__init__.py").touch()  # a package without it would give way to the installed one
    return folder


@pytest.mark.live
def test_the_old_client_reads_the_answer_and_the_error(old_stubs, mesh, case):
    files = [case["image"], SAMPLES / "note.txt", case["patient"]]
    done = subprocess.run(
        [sys.executable, "-c", OLD_CLIENT, mesh.addresses["orchestrator"], old_stubs, *files],
        env=os.environ | {"PYTHONPATH": str(old_stubs)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with client_of(mesh) as client:
        today = client.diagnose(**case)
    assert json.loads(done.stdout) == {
        "completeness": "COMPLETENESS_COMPLETE",
        "assessments": [[a.condition.display, a.probability] for a in today.assessments],
        "image_labels": sorted(
            finding.label for image in today.images for r in image.analysis.results for finding in r.findings
        ),
        "status": "INVALID_ARGUMENT",
        "reason": "INPUT_UNSUPPORTED",
        "fields": ["case.images[0].sources"],
    }
    assert len(today.assessments) > 1
