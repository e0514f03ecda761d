"""The HTTP door before the whole mesh: what it gives is what the mesh says."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from google.protobuf.json_format import ParseDict

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.end_to_end.conftest import SAMPLES

pytestmark = [pytest.mark.live, pytest.mark.slow]


def curl(*arguments: str) -> str:
    """What curl prints; the lines of docs/http.md are run as they stand there."""
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl is not installed")
    command = [found, "--silent", "--show-error", "--fail-with-body", "--noproxy", "*", *arguments]
    return subprocess.run(
        command, cwd=SAMPLES.parent, check=True, capture_output=True, text=True, timeout=60
    ).stdout


FILES = [
    "-F",
    "image=@samples/chest_xray.dcm",
    "-F",
    "note=@samples/note.txt",
    "-F",
    "patient=@samples/patient.json",
]


def test_curl_gets_the_same_diagnosis_as_the_client(mesh, client):
    url = f"http://{mesh.addresses['gateway']}/diagnose"
    found = ParseDict(json.loads(curl(*FILES, url)), pb.DiagnoseResponse()).diagnosis
    expected = client.diagnose(
        image=SAMPLES / "chest_xray.dcm", note=SAMPLES / "note.txt", patient=SAMPLES / "patient.json"
    )
    for parts in (
        lambda d: d.assessments,
        lambda d: d.treatments,
        lambda d: d.note,
        lambda d: d.completeness,
    ):
        assert parts(found) == parts(expected)
    assert found.assessments
    events = curl("-N", "-H", "Accept: text/event-stream", *FILES, url).split("\n\n")
    names = [event.partition("\n")[0] for event in events if event]
    assert names[-2:] == ["event: diagnosis", "event: end"]
    assert names.count("event: branch") == len(found.branches) - sum(
        branch.state == pb.Branch.STATE_NOT_REQUESTED for branch in found.branches
    )
