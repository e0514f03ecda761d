"""What the FHIR door answers is read without a remark by libraries that others wrote."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SAMPLES
from tests.end_to_end.test_other_languages import run, tool

READERS = Path(__file__).with_name("fhir_readers")
OF_ANOTHER_VALUE_SET = re.compile(r"^warning: .* not found in value set$")
"""So `fhir` warns of a code beside a value set that R4 prefers or gives as an example, as LOINC for
Observation.code; beside one that R4 requires it is an error."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif("TEST_CONSUMERS" not in os.environ, reason="`make test-consumers` runs these"),
]


@pytest.fixture(scope="module")
def remarks_on(tmp_path_factory) -> Callable[[bytes], dict[str, list[str]]]:
    """What each library remarks on a resource in JSON."""
    run(tool("npm"), "ci", cwd=READERS)
    file = tmp_path_factory.mktemp("fhir") / "read.json"
    command = [tool("node"), str(READERS / "read.mjs"), str(file)]

    def read(document: bytes) -> dict[str, list[str]]:
        file.write_bytes(document)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def fetch(mesh, path: str, document: object = None) -> bytes:
    request = urllib.request.Request(
        f"http://{mesh.addresses['gateway']}/fhir/{path}",
        json.dumps(document).encode() if document else None,
        {"content-type": "application/fhir+json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        return answer.read()


def attachment(name: str, content_type: str, file: Path) -> dict:
    data = base64.b64encode(file.read_bytes()).decode()
    return {"name": name, "valueAttachment": {"contentType": content_type, "data": data}}


def test_a_diagnosis_is_read_without_a_remark(mesh, case, remarks_on):
    record = json.loads(Path(case["patient"]).read_text())
    question = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "record", "resource": record},
            {"name": "note", "valueString": (SAMPLES / "note.txt").read_text()},
            attachment("image", "application/dicom", Path(case["image"])),
        ],
    }
    answer = fetch(mesh, "$diagnose", question)
    assert {entry["resource"]["resourceType"] for entry in json.loads(answer)["entry"]} >= {
        "DiagnosticReport",
        "Observation",
        "RiskAssessment",
        "Provenance",
        "Device",
    }
    remarks = remarks_on(answer)
    assert remarks["medplum"] == []
    assert [said for said in remarks["fhir"] if not OF_ANOTHER_VALUE_SET.match(said)] == []


@pytest.mark.parametrize("path", ["metadata", "OperationDefinition/diagnose"])
def test_what_the_door_says_of_itself_is_read_without_a_remark(mesh, remarks_on, path):
    assert remarks_on(fetch(mesh, path)) == {"medplum": [], "fhir": []}


def test_the_readers_find_what_is_wrong(remarks_on):
    remarks = remarks_on(b'{"resourceType": "Observation", "status": "done", "colour": "red"}')
    assert remarks["medplum"]
    assert remarks["fhir"]
