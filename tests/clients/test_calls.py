"""Every call of both clients sends what its contract says, and returns what the contract answers."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from medmesh import AsyncClient, Client, requests
from medmesh.common.v1.catalog_pb2 import GetModelCardResponse, ListModelsResponse, ModelSummary
from medmesh.common.v1.concept_pb2 import CodedConcept, Concept
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.patient_pb2 import PatientInput, PatientRecord, RecordReference
from medmesh.common.v1.quantity_pb2 import PatientAge
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.recommendation.v1 import recommendation_pb2
from tests.clients.fake_mesh import SERVICES

PNEUMONIA = Concept(system="http://snomed.info/sct", code="233604007", display="Pneumonia")
SIXTY = PatientRecord(age=PatientAge(years=60))
NOTE = language_pb2.NoteAnalysis(mentions=[language_pb2.Mention(type="DISEASE")])
POINTS = language_pb2.TextEmbeddings(embeddings=[language_pb2.Embedding(values=[1, 0])])
PASSAGES = language_pb2.PassageRanking(passages=[language_pb2.RankedPassage(index=1)])
RANKING = recommendation_pb2.TreatmentRanking(known_conditions=[RecordReference(concept=PNEUMONIA)])
ALIKE = recommendation_pb2.SimilarPatients(patients=[recommendation_pb2.SimilarPatient(similarity=0.5)])
RISK = recommendation_pb2.OutcomePrediction(probability=0.25)

# name of the call, its arguments, the rpc that serves it, what the rpc answers, what the call returns
CALLS = [
    (
        "diagnose",
        {"note": "Cough."},
        "Diagnose",
        orchestrator_pb2.DiagnoseResponse(diagnosis=orchestrator_pb2.Diagnosis(review_required=True)),
        orchestrator_pb2.Diagnosis(review_required=True),
    ),
    (
        "analyze_image",
        {"image": b"png"},
        "AnalyzeImage",
        imaging_pb2.AnalyzeImageResponse(analysis=imaging_pb2.ImageAnalysis(body_part="CHEST")),
        imaging_pb2.ImageAnalysis(body_part="CHEST"),
    ),
    (
        "analyze_note",
        {"note": "Cough."},
        "AnalyzeNote",
        language_pb2.AnalyzeNoteResponse(analysis=NOTE),
        NOTE,
    ),
    (
        "embed",
        {"texts": ["a", "b"]},
        "EmbedTexts",
        language_pb2.EmbedTextsResponse(embeddings=POINTS),
        POINTS,
    ),
    (
        "rank_passages",
        {"query": "cough", "passages": ["a", "b"]},
        "RankPassages",
        language_pb2.RankPassagesResponse(ranking=PASSAGES),
        PASSAGES,
    ),
    (
        "rank_treatments",
        {
            "patient": {"resourceType": "Bundle"},
            "further_conditions": [CodedConcept(codings=[PNEUMONIA])],
            "max_results": 3,
        },
        "RankTreatments",
        recommendation_pb2.RankTreatmentsResponse(ranking=RANKING),
        RANKING,
    ),
    (
        "read_record",
        {"patient": SIXTY},
        "ReadRecord",
        recommendation_pb2.ReadRecordResponse(reading=recommendation_pb2.RecordReading(record=SIXTY)),
        recommendation_pb2.RecordReading(record=SIXTY),
    ),
    (
        "similar_patients",
        {"patient": SIXTY, "max_results": 3},
        "FindSimilarPatients",
        recommendation_pb2.FindSimilarPatientsResponse(similar_patients=ALIKE),
        ALIKE,
    ),
    (
        "predict_outcome",
        {
            "stay": {
                "age": {"years": 60},
                "measurements": [
                    {"code": {"display": "pH"}, "value": {"value": 7.4}, "since_start": "3600s"}
                ],
            }
        },
        "PredictOutcome",
        recommendation_pb2.PredictOutcomeResponse(prediction=RISK),
        RISK,
    ),
    (
        "models",
        {},
        "ListModels",
        ListModelsResponse(models=[ModelSummary(name="chest_xray")]),
        ListModelsResponse(models=[ModelSummary(name="chest_xray")]),
    ),
    (
        "model_card",
        {"name": "chest_xray"},
        "GetModelCard",
        GetModelCardResponse(card=ModelCard(name="chest_xray")),
        ModelCard(name="chest_xray"),
    ),
]
each_call = pytest.mark.parametrize(
    ("call", "arguments", "rpc", "answer", "result"), CALLS, ids=[c[0] for c in CALLS]
)


@each_call
def test_call_reaches_its_rpc_and_returns_its_content(mesh, client, call, arguments, rpc, answer, result):
    mesh.answers[rpc] = answer
    assert getattr(client, call)(**arguments) == result
    assert mesh.last.method == rpc


@each_call
async def test_async_call_does_the_same(mesh, async_client, call, arguments, rpc, answer, result):
    mesh.answers[rpc] = answer
    assert await getattr(async_client, call)(**arguments) == result
    assert mesh.last.method == rpc


def public_calls(of: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(m)
        for name, m in vars(of).items()
        if inspect.isfunction(m) and not name.startswith("_")
    }


def test_every_rpc_of_the_mesh_has_a_call():
    rpcs = {method.name for service in SERVICES for method in service.methods}
    assert rpcs == {call[2] for call in CALLS} | {"DiagnoseStream", "AnalyzeImageStream", "ReloadModels"}


def test_both_clients_have_the_same_calls_with_the_same_parameters():
    blocking, asynchronous = public_calls(Client), public_calls(AsyncClient)
    assert {name: list(s.parameters.values()) for name, s in blocking.items()} == {
        name: list(s.parameters.values()) for name, s in asynchronous.items()
    }
    assert set(blocking) == {call[0] for call in CALLS} | {"diagnose_stream", "close"}


def diagnosis_with_branches() -> orchestrator_pb2.DiagnoseResponse:
    kinds = (orchestrator_pb2.Branch.KIND_IMAGE, orchestrator_pb2.Branch.KIND_NOTE)
    branches = [orchestrator_pb2.Branch(kind=kind) for kind in kinds]
    return orchestrator_pb2.DiagnoseResponse(diagnosis=orchestrator_pb2.Diagnosis(branches=branches))


def test_stream_gives_each_branch_and_then_the_diagnosis(mesh, client):
    mesh.answers["DiagnoseStream"] = diagnosis_with_branches()
    events = list(client.diagnose_stream(note="Cough."))
    assert [type(e).__name__ for e in events] == ["Branch", "Branch", "Diagnosis"]
    kinds = [orchestrator_pb2.Branch.KIND_IMAGE, orchestrator_pb2.Branch.KIND_NOTE]
    assert [e.kind for e in events[:2]] == kinds


async def test_async_stream_gives_each_branch_and_then_the_diagnosis(mesh, async_client):
    mesh.answers["DiagnoseStream"] = diagnosis_with_branches()
    events = [event async for event in async_client.diagnose_stream(note="Cough.")]
    assert [type(e).__name__ for e in events] == ["Branch", "Branch", "Diagnosis"]


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
    assert [one.sources[0].content for one in case.images] == [b"png bytes", b"png bytes", b"raw"]
    assert {one.options.body_part for one in case.images} == {"CHEST"}
    assert {tuple(one.options.models) for one in case.images} == {("chest_xray",)}
    assert case.images[0].options.include_overlay
    assert case.images[0].options.include_heat_map
    assert case.note == "Größe: 1 µm."
    assert json.loads(case.patient.fhir_bundle) == bundle
    assert case.max_treatment_count == 3


def test_what_is_known_beyond_the_record_goes_with_it(mesh, client):
    named, coded = CodedConcept(text="PCN"), CodedConcept(codings=[PNEUMONIA])
    client.rank_treatments(SIXTY, further_conditions=[coded], further_allergies=[named])
    assert list(mesh.last.request.further_conditions) == [coded]
    assert list(mesh.last.request.further_allergies) == [named]


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
    assert not mesh.last.request.HasField("request_id")


def test_a_key_and_a_salt_go_with_the_request(mesh, client):
    key, salt = "00000000-0000-0000-0000-000000000007", "5a" * 32
    client.diagnose(note="Cough.", idempotency_key=key, receipt_salt=salt)
    assert (mesh.last.request.request_id, mesh.last.request.receipt_salt) == (key, salt)
    list(client.diagnose_stream(note="Cough.", idempotency_key=key, receipt_salt=salt))
    assert (mesh.last.request.request_id, mesh.last.request.receipt_salt) == (key, salt)


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


def test_files_that_cannot_be_read_and_arguments_of_a_wrong_kind_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        requests.image_bytes(tmp_path / "missing.png")
    with pytest.raises(TypeError, match="an image is a path or bytes, not int"):
        requests.image_bytes(3)
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
        requests.predict_outcome({"age": "CANARY"})
    assert "CANARY" not in str(caught.value)


def joined(parts: list[imaging_pb2.AnalyzeImageStreamRequest]) -> bytes:
    assert parts[0].WhichOneof("part") == "options"
    assert {p.WhichOneof("part") for p in parts[1:]} == {"chunk"}
    assert max(len(p.chunk) for p in parts) <= 3 * 1024 * 1024
    return b"".join(p.chunk for p in parts)


LIMIT = requests.UNARY_IMAGE_LIMIT_BYTES


def test_image_above_the_message_limit_is_sent_in_chunks(mesh, client):
    mesh.answers["AnalyzeImageStream"] = imaging_pb2.AnalyzeImageStreamResponse(
        analysis=imaging_pb2.ImageAnalysis(body_part="CHEST")
    )
    image = bytes(range(256)) * (LIMIT // 256) + b"!"
    assert client.analyze_image(image, body_part="head").body_part == "CHEST"
    assert mesh.last.method == "AnalyzeImageStream"
    assert mesh.last.request[0].options.body_part == "HEAD"
    assert joined(mesh.last.request) == image


def test_image_at_the_limit_goes_in_one_message(mesh, client):
    client.analyze_image(bytes(LIMIT))
    assert mesh.last.method == "AnalyzeImage"
    assert len(mesh.last.request.sources[0].content) == LIMIT


async def test_async_client_chunks_too(mesh, async_client, tmp_path: Path):
    path = tmp_path / "large.dcm"
    path.write_bytes(b"x" * (LIMIT + 5))
    await async_client.analyze_image(path)
    assert joined(mesh.last.request) == b"x" * (LIMIT + 5)
