"""One combined request through the whole mesh: COMPLETE with everything there, PARTIAL with a service
gone.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pydicom
import pytest

from medmesh import InvalidInput, Unavailable, receipt
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import InputDigest
from tests.end_to_end.conftest import client_of

pytestmark = pytest.mark.live

NOTE = (
    "Fever and productive cough for three days, and pneumonia is suspected. "
    "There is no pleural effusion. "
    "He had a myocardial infarction in 2010. "
    "His father died of lung cancer. "
    "Amoxicillin was started."
)


def states(diagnosis: pb.Diagnosis) -> dict[str, str]:
    return {kind(branch): pb.Branch.State.Name(branch.state) for branch in diagnosis.branches}


def kind(branch: pb.Branch) -> str:
    return pb.Branch.Kind.Name(branch.kind).removeprefix("KIND_").lower()


def entities(diagnosis: pb.Diagnosis) -> list[language_pb2.Entity]:
    return [entity for result in diagnosis.note.results for entity in result.entities]


def test_samples_give_a_complete_diagnosis(client, case):
    answer = client.diagnose(**case, overlay=True)
    assert answer.completeness == pb.COMPLETENESS_COMPLETE
    assert set(states(answer).values()) == {"STATE_ANSWERED"}
    [image] = answer.images
    [result] = image.analysis.results
    assert result.exclusive
    assert sum(finding.probability for finding in result.findings) == pytest.approx(1, abs=0.01)
    assert result.overlay_png.startswith(b"\x89PNG")
    assertions = {entity.text.lower(): entity.assertion for entity in entities(answer)}
    assert assertions["pleural effusion"] == language_pb2.ASSERTION_ABSENT
    assert assertions["asthma"] == language_pb2.ASSERTION_FAMILY
    assert answer.treatments.treatments
    assert answer.assessments
    assert all(0 <= a.probability_low <= a.probability <= a.probability_high <= 1 for a in answer.assessments)
    models = receipt.statement(answer.receipt).predicate.models
    assert {model.model_name for model in models} >= {"chest_xray", "clinical_ner", "treatment_ranker"}
    assert all(len(model.weights_sha256) == 64 for model in models)
    assert answer.intended_use
    assert answer.elapsed.ToNanoseconds() > 0


def test_offsets_of_entities_point_into_the_note(client, case):
    answer = client.diagnose(note="Größe 🙂: " + case["note"])
    text = "Größe 🙂: " + case["note"]
    assert entities(answer)
    for entity in entities(answer):
        assert text[entity.start_offset : entity.end_offset] == entity.text


def test_stream_ends_with_the_same_diagnosis(client, case):
    *branches, diagnosis = client.diagnose_stream(**case)
    assert sorted(map(kind, branches)) == ["image", "note", "record", "treatments"]
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE


def test_each_input_alone_is_enough(client, case):
    asked = {"image": {"image"}, "note": {"note"}, "patient": {"record", "treatments"}}
    for name, branches in asked.items():
        answer = client.diagnose(**{name: case[name]})
        assert answer.completeness == pb.COMPLETENESS_COMPLETE
        assert {branch for branch, state in states(answer).items() if state == "STATE_ANSWERED"} == branches


def test_another_copy_of_the_image_replays_alike(client, case, tmp_path):
    """As an archive keeps it: another file header, another transfer syntax, the same pixels."""
    copy = tmp_path / "from-the-archive.dcm"
    dataset = pydicom.dcmread(case["image"])
    dataset.file_meta.ImplementationVersionName = "SOME_ARCHIVE"
    dataset.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.save_as(copy, implicit_vr=True, little_endian=True)
    assert copy.read_bytes() != Path(case["image"]).read_bytes()
    first = client.diagnose(image=case["image"])
    salt = receipt.statement(first.receipt).predicate.salt
    again = client.diagnose(image=copy, receipt_salt=salt)
    assert receipt.compare(first.receipt, again.receipt) == []
    files = [
        [one.hmac_sha256 for one in stated.predicate.inputs if one.kind == InputDigest.KIND_IMAGE_FILE]
        for stated in map(receipt.statement, (first.receipt, again.receipt))
    ]
    assert files[0] != files[1]


def test_the_same_request_again_is_one_receipt(client, case):
    request_id = str(uuid.uuid4())
    first = client.diagnose(**case, request_id=request_id)
    assert client.diagnose(**case, request_id=request_id) == first
    with pytest.raises(InvalidInput):
        client.diagnose(note="Something else.", request_id=request_id)


def test_a_stopped_service_makes_it_partial_within_the_deadline(spare_mesh, case):
    with client_of(spare_mesh) as client:
        assert client.diagnose(**case).completeness == pb.COMPLETENESS_COMPLETE
        spare_mesh.stop_service("language")
        began = time.monotonic()
        answer = client.diagnose(**case, timeout_s=15.0)
        assert time.monotonic() - began < 15.0
        assert answer.completeness == pb.COMPLETENESS_PARTIAL
        failed = [branch for branch in answer.branches if branch.state == pb.Branch.STATE_FAILED]
        assert [kind(branch) for branch in failed] == ["note"]
        assert failed[0].reason == "UPSTREAM_UNAVAILABLE"
        assert failed[0].message
        assert failed[0].effect
        assert answer.review_required
        assert not answer.HasField("note")
        assert answer.images
        assert answer.treatments.treatments
        assert list(client.models().unreachable_services) == ["language"]
        with pytest.raises(Unavailable):  # nothing that was asked for could be answered
            client.diagnose(note="Fever and cough.")


def test_real_study_with_note_and_record_is_complete(client, shared_data):
    answer = client.diagnose(
        image=shared_data / "dicom" / "chest_xray_rsna.dcm",
        note=NOTE,
        patient=shared_data / "fhir" / "synthea_00.json",
    )
    assert answer.completeness == pb.COMPLETENESS_COMPLETE
    absent = {e.text.lower() for e in entities(answer) if e.assertion == language_pb2.ASSERTION_ABSENT}
    assert any("effusion" in text for text in absent)
    assert answer.treatments.treatments
    pneumonia = next(one for one in answer.assessments if one.condition.code == "233604007")
    found = {c.evidence.WhichOneof("reference") for c in pneumonia.contributions}
    assert {"image_finding", "note_entity"} <= found, "what the image's model says stands in its card"
