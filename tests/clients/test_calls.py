"""Every call of both clients sends what its contract says, and returns what the contract answers."""

from __future__ import annotations

import inspect
import json

import pytest

from medmesh import AsyncClient, Client, requests
from medmesh.common.v1.catalog_pb2 import GetModelCardResponse, ListModelsResponse, ReloadModelsResponse
from medmesh.common.v1.concept_pb2 import CodedConcept, Concept
from medmesh.common.v1.patient_pb2 import PatientInput, PatientRecord
from medmesh.imaging.v1 import imaging_pb2
from medmesh.imaging.v1.deidentification_pb2 import DeidentifyImageResponse, ImageDeidentification
from medmesh.language.v1 import language_pb2
from medmesh.language.v1.bundle_deidentification_pb2 import BundleDeidentification, DeidentifyBundleResponse
from medmesh.language.v1.deidentification_pb2 import DeidentifyResponse
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.recommendation.v1 import medication_check_pb2, recommendation_pb2
from tests.clients.fake_mesh import SERVICES

PNEUMONIA = Concept(system="http://snomed.info/sct", code="233604007", display="Pneumonia")
SIXTY = PatientRecord(age={"years": 60})
LACTATE = {
    "code": {"system": "http://loinc.org", "code": "2524-7"},
    "value": {"value": 4.1, "unit": "mmol/L"},
    "sinceStart": "5400s",
}

# name of the call, its arguments, the rpc that serves it, what the rpc answers, what the call returns of it
CALLS = [
    (
        "diagnose",
        {"note": "Cough."},
        "Diagnose",
        orchestrator_pb2.DiagnoseResponse(diagnosis={"review_required": True}),
        "diagnosis",
    ),
    (
        "analyze_image",
        {"image": b"png"},
        "AnalyzeImage",
        imaging_pb2.AnalyzeImageResponse(analysis={"body_part": "CHEST"}),
        "analysis",
    ),
    (
        "analyze_note",
        {"note": "Cough.", "models": ["ner"]},
        "AnalyzeNote",
        language_pb2.AnalyzeNoteResponse(analysis={"mentions": [{"type": "DISEASE"}]}),
        "analysis",
    ),
    (
        "embed",
        {"texts": ["a", "b"]},
        "EmbedTexts",
        language_pb2.EmbedTextsResponse(embeddings={"embeddings": [{"values": [1, 0]}]}),
        "embeddings",
    ),
    (
        "rank_passages",
        {"query": "cough", "passages": ["a", "b"]},
        "RankPassages",
        language_pb2.RankPassagesResponse(ranking={"passages": [{"index": 1}]}),
        "ranking",
    ),
    (
        "deidentify",
        {"texts": ["Mr. Smith"], "key": bytes(16)},
        "Deidentify",
        DeidentifyResponse(deidentification={"texts": [{"text": "Mr. [NAME-1]"}]}),
        "deidentification",
    ),
    (
        "rank_treatments",
        {"patient": {"resourceType": "Bundle"}, "further_conditions": [PNEUMONIA], "max_results": 3},
        "RankTreatments",
        recommendation_pb2.RankTreatmentsResponse(ranking={"treatments": [{"score": 0.5}]}),
        "ranking",
    ),
    (
        "check_medications",
        {"patient": SIXTY, "orders": ["warfarin 5 mg", {"resourceType": "MedicationRequest"}]},
        "CheckMedications",
        medication_check_pb2.CheckMedicationsResponse(check={"knowledge_digest": "00"}),
        "check",
    ),
    (
        "read_record",
        {"patient": SIXTY},
        "ReadRecord",
        recommendation_pb2.ReadRecordResponse(reading={"record": SIXTY}),
        "reading",
    ),
    (
        "similar_patients",
        {"patient": SIXTY, "max_results": 3},
        "FindSimilarPatients",
        recommendation_pb2.FindSimilarPatientsResponse(similar_patients={"patients": [{"similarity": 0.5}]}),
        "similar_patients",
    ),
    (
        "predict_outcome",
        {"stay": {"age": {"years": 60}, "measurements": [LACTATE]}},
        "PredictOutcome",
        recommendation_pb2.PredictOutcomeResponse(prediction={"probability": 0.25}),
        "prediction",
    ),
    ("models", {}, "ListModels", ListModelsResponse(models=[{"name": "chest_xray"}]), None),
    (
        "model_card",
        {"name": "chest_xray"},
        "GetModelCard",
        GetModelCardResponse(card={"name": "chest_xray"}),
        "card",
    ),
    ("reload_models", {}, "ReloadModels", ReloadModelsResponse(models=[{"name": "chest_xray"}]), None),
]
each_call = pytest.mark.parametrize(
    ("call", "arguments", "rpc", "answer", "field"), CALLS, ids=[c[0] for c in CALLS]
)


@each_call
def test_call_reaches_its_rpc_and_returns_its_content(mesh, client, call, arguments, rpc, answer, field):
    mesh.answers[rpc] = answer
    expected = getattr(answer, field) if field else answer
    assert getattr(client, call)(**arguments) == expected
    assert mesh.last.method == rpc


@each_call
async def test_async_call_does_the_same(mesh, async_client, call, arguments, rpc, answer, field):
    mesh.answers[rpc] = answer
    expected = getattr(answer, field) if field else answer
    assert await getattr(async_client, call)(**arguments) == expected
    assert mesh.last.method == rpc


def public_calls(of: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(m)
        for name, m in vars(of).items()
        if inspect.isfunction(m) and not name.startswith("_")
    }


def test_every_rpc_of_the_mesh_has_a_call():
    rpcs = {method.name for service in SERVICES for method in service.methods}
    uploads = {"StartUpload", "WriteUpload", "QueryUpload", "CancelUpload"}
    drafts = {"GenerateReport", "Summarize"}  # streams: test_drafts.py
    streams = {"DiagnoseStream", "AnalyzeImageStream", "DeidentifyImage"}
    literature = {"SearchLiterature", "AddLiterature", "ListLiterature", "RemoveLiterature"}
    others = streams | {"DeidentifyBundle"} | drafts | literature | uploads  # test_literature_command.py
    assert rpcs == {call[2] for call in CALLS} | others


def test_both_clients_have_the_same_calls_with_the_same_parameters():
    blocking, asynchronous = public_calls(Client), public_calls(AsyncClient)
    assert {name: list(s.parameters.values()) for name, s in blocking.items()} == {
        name: list(s.parameters.values()) for name, s in asynchronous.items()
    }
    files = {"deidentify_image", "deidentify_bundle"}
    others = {
        "diagnose_stream",
        "generate_report",
        "summarize",
        "upload",
        "cancel_upload",
        "close",
        "trace",
    } | files
    assert set(blocking) == {call[0] for call in CALLS} | others


def test_a_file_without_what_identifies_comes_back_with_what_was_done(mesh, client):
    done = ImageDeidentification(format="PNG", frame_count=1)
    mesh.answers["DeidentifyImage"] = [
        DeidentifyImageResponse(deidentification=done),
        DeidentifyImageResponse(chunk=b"cle"),
        DeidentifyImageResponse(chunk=b"an"),
    ]
    assert client.deidentify_image(b"\x89PNG", key=bytes(16)) == (b"clean", done)
    options, chunk = mesh.last.request
    assert options.options.key == bytes(16)
    assert chunk.chunk == b"\x89PNG"

    bundle = BundleDeidentification(changes=[{"element": "Patient.name", "count": 1}])
    mesh.answers["DeidentifyBundle"] = DeidentifyBundleResponse(fhir_bundle=b"{}", deidentification=bundle)
    assert client.deidentify_bundle({"resourceType": "Patient"}, key=bytes(16)) == (b"{}", bundle)
    assert json.loads(mesh.last.request.fhir_bundle) == {"resourceType": "Patient"}


def diagnosis_with_branches() -> orchestrator_pb2.DiagnoseResponse:
    kinds = (orchestrator_pb2.Branch.KIND_IMAGE, orchestrator_pb2.Branch.KIND_NOTE)
    return orchestrator_pb2.DiagnoseResponse(diagnosis={"branches": [{"kind": kind} for kind in kinds]})


def test_stream_gives_each_branch_and_then_the_diagnosis(mesh, client):
    mesh.answers["DiagnoseStream"] = diagnosis_with_branches()
    events = list(client.diagnose_stream(note="Cough."))
    assert [type(e).__name__ for e in events] == ["Branch", "Branch", "Diagnosis"]
    assert [e.kind for e in events[:2]] == [1, 2]


async def test_async_stream_gives_each_branch_and_then_the_diagnosis(mesh, async_client):
    mesh.answers["DiagnoseStream"] = diagnosis_with_branches()
    events = [event async for event in async_client.diagnose_stream(note="Cough.")]
    assert [type(e).__name__ for e in events] == ["Branch", "Branch", "Diagnosis"]


def contents(sources) -> list[bytes]:
    return [source.content for source in sources]


def test_case_is_built_from_paths_text_and_dicts(mesh, client, tmp_path):
    image = tmp_path / "a.png"
    image.write_bytes(b"png bytes")
    bundle = {"resourceType": "Bundle", "type": "collection"}
    client.diagnose(
        image=[str(image), image, b"raw"],
        note="Größe: 1 µm.",
        patient=bundle,
        body_part="chest",
        models=["chest_xray"],
        overlay=True,
        max_treatments=3,
    )
    case = mesh.last.request.case
    assert [contents(one.sources) for one in case.images] == [[b"png bytes"], [b"png bytes"], [b"raw"]]
    assert {one.options.body_part for one in case.images} == {"CHEST"}
    assert list(case.images[0].options.models) == ["chest_xray"]
    assert case.images[0].options.include_overlay
    assert case.images[0].options.include_heat_map
    assert case.note == "Größe: 1 µm."
    assert json.loads(case.patient.fhir_bundle) == bundle
    assert case.max_treatment_count == 3


def test_what_is_known_beyond_the_record_goes_with_it(mesh, client):
    named = Concept(display="PCN")
    client.rank_treatments(
        SIXTY, further_conditions=[PNEUMONIA], further_allergies=[named, CodedConcept(text="Nuts")]
    )
    assert list(mesh.last.request.further_conditions) == [CodedConcept(codings=[PNEUMONIA])]
    assert [one.text for one in mesh.last.request.further_allergies] == ["PCN", "Nuts"]


def test_a_ready_made_case_is_sent_as_it_is(mesh, client):
    case = requests.diagnostic_case(note="Cough.", max_treatments=4)
    client.diagnose(case)
    assert mesh.last.request.case == case
    list(client.diagnose_stream(case))
    assert mesh.last.request.case == case


def test_absent_inputs_stay_absent(mesh, client):
    client.diagnose(image=b"raw")
    case = mesh.last.request.case
    assert len(case.images) == 1
    assert not case.note
    assert not case.HasField("patient")
    assert not case.HasField("max_treatment_count")
    client.rank_passages("cough", ["a"])
    assert not mesh.last.request.HasField("max_passage_count")


def test_models_are_asked_for_page_by_page(mesh, client):
    pages = [
        ListModelsResponse(models=[{"name": "a"}], unreachable_services=["language"], next_page_token="t"),
        ListModelsResponse(models=[{"name": "b"}], unreachable_services=["language"]),
    ]
    mesh.answers["ListModels"] = lambda request: pages[1 if request.page_token else 0]
    answer = client.models(page_size=1)
    assert [model.name for model in answer.models] == ["a", "b"]
    assert list(answer.unreachable_services) == ["language"]
    assert not answer.next_page_token
    assert [(s.request.page_size, s.request.page_token) for s in mesh.seen] == [(1, ""), (1, "t")]


@pytest.mark.parametrize("form", ["path", "text path", "bytes", "dict", "input"])
def test_patient_is_taken_in_each_form(tmp_path, form):
    bundle = {"resourceType": "Bundle", "id": "ü"}
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle), encoding="utf-8")
    given = {
        "path": path,
        "text path": str(path),
        "bytes": path.read_bytes(),
        "dict": bundle,
        "input": PatientInput(fhir_bundle=path.read_bytes()),
    }[form]
    assert json.loads(requests.patient_input(given).fhir_bundle) == bundle


def test_note_is_text_unless_it_is_a_path(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("Fieber seit zwei Tagen, keine Dyspnoe.\n", encoding="utf-8")
    assert requests.note_text(path) == "Fieber seit zwei Tagen, keine Dyspnoe.\n"
    assert requests.note_text(str(path)) == str(path)


def test_files_that_cannot_be_read_and_arguments_of_a_wrong_kind_are_told_apart(client, tmp_path):
    with pytest.raises(FileNotFoundError):
        client.analyze_image(tmp_path / "missing.png")
    with pytest.raises(TypeError, match="an image is a path, bytes or a list of them, not int"):
        client.analyze_image(3)
    with pytest.raises(TypeError, match="a patient is"):
        requests.patient_input(3)
    with pytest.raises(TypeError, match="a note is"):
        requests.note_text(b"bytes")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Größe".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        requests.note_text(latin)


def test_a_stay_of_another_form_is_refused_without_quoting_it():
    with pytest.raises(ValueError, match="HospitalStay") as caught:
        requests.hospital_stay({"age": "CANARY"})
    assert "CANARY" not in str(caught.value)
