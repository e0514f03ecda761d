"""The language service over a real server on a free port; only what is below the inference seam is a fake."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.models import CLINICAL_NER, NOTE_EMBEDDING, SPECS
from services.language.settings import LanguageSettings
from tests.fakes import model_card, write_model_repository
from tests.language.conftest import REPOSITORY


@pytest.fixture
def repository(tmp_path):
    """A model repository with the tokenizers, without weights."""
    made = write_model_repository(tmp_path, [model_card(spec) for spec in SPECS])
    for spec in SPECS:
        shutil.copy(REPOSITORY / spec.name / "tokenizer.json", made / spec.name)
    return made


@asynccontextmanager
async def served(repository, inference):
    settings = LanguageSettings(listen="127.0.0.1:0", model_repository=repository, drain_s=0)
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield running, channel


@pytest.fixture
async def stub(repository, inference):
    async with served(repository, inference) as (_, channel):
        yield language_pb2_grpc.LanguageServiceStub(channel)


@pytest.mark.parametrize("spoil", ["missing", "broken"])
async def test_a_missing_tokenizer_costs_its_own_model_only(repository, inference, spoil):
    tokenizer = repository / NOTE_EMBEDDING.name / "tokenizer.json"
    tokenizer.unlink() if spoil == "missing" else tokenizer.write_text("{}")
    async with served(repository, inference) as (running, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        note = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
        assert [entity.text for entity in note.entities] == ["fever"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever"]))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert running.parts.health.problems == {}
        catalogue = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
        models = (await catalogue.ListModels(catalog_pb2.ListModelsRequest())).models
        [embedding] = [model for model in models if model.name == NOTE_EMBEDDING.name]
        assert not embedding.ready
        assert "note_embedding" in embedding.reason


async def test_without_the_taggers_tokenizer_texts_are_still_embedded(repository, inference):
    (repository / CLINICAL_NER.name / "tokenizer.json").unlink()
    async with served(repository, inference) as (running, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        assert len((await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever"]))).embeddings) == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "tokenizer.json" in running.parts.health.problems["model clinical_ner"]


async def test_a_note_is_answered_with_entities_and_provenance(stub):
    note = "🙂 Denies fever. Takes Aspirin for years."
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=note))
    fever, aspirin = answer.entities
    assert (fever.text, fever.type, fever.assertion) == ("fever", pb.ENTITY_TYPE_DISEASE, pb.ASSERTION_ABSENT)
    assert (aspirin.text, aspirin.type, aspirin.assertion) == (
        "Aspirin",
        pb.ENTITY_TYPE_CHEMICAL,
        pb.ASSERTION_PRESENT,
    )
    for part in (fever, aspirin, *fever.triggers):
        assert note[part.start_offset : part.end_offset] == part.text
    assert fever.triggers[0].assertion == pb.ASSERTION_ABSENT
    assert answer.provenance.model_name == "clinical_ner"
    assert answer.provenance.intended_use
    assert answer.provenance.runtime.startswith("fake 1.0")


async def test_what_the_terminology_found_is_noticed(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever, no pneumothorax."))
    assert [entity.text for entity in answer.entities] == ["fever", "pneumothorax"]
    [notice] = answer.notices
    assert notice.reason == "ENTITIES_FROM_TERMINOLOGY"
    assert "index 1;" in notice.message
    of_the_model = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
    assert list(of_the_model.notices) == []


async def test_a_note_without_entities_is_answered(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Feels well."))
    assert list(answer.entities) == []
    assert answer.provenance.weights_sha256


async def test_texts_are_embedded_and_truncation_is_noticed(stub):
    answer = await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever", "word " * 300]))
    assert [len(embedding.values) for embedding in answer.embeddings] == [384, 384]
    assert [notice.reason for notice in answer.notices] == ["TEXT_TRUNCATED"]
    assert "1" in answer.notices[0].message
    assert answer.provenance.model_name == "note_embedding"


async def test_passages_are_ranked(stub):
    request = pb.RankPassagesRequest(query="fever", passages=["aspirin", "fever"], max_result_count=1)
    answer = await stub.RankPassages(request)
    assert [passage.index for passage in answer.passages] == [1]
    assert answer.passages[0].similarity == pytest.approx(1)


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("AnalyzeNote", pb.AnalyzeNoteRequest(), "note"),
        ("AnalyzeNote", pb.AnalyzeNoteRequest(note="Jane Doe\x00"), "note"),
        ("AnalyzeNote", pb.AnalyzeNoteRequest(note="Jane Doe has a fever. " * 50_000), "note"),
        ("EmbedTexts", pb.EmbedTextsRequest(), "texts"),
        ("EmbedTexts", pb.EmbedTextsRequest(texts=["Jane Doe", " "]), "texts[1]"),
        ("RankPassages", pb.RankPassagesRequest(passages=["Jane Doe"]), "query"),
        (
            "RankPassages",
            pb.RankPassagesRequest(query="Jane Doe", passages=["a"], max_result_count=-1),
            "max_result_count",
        ),
    ],
)
async def test_bad_input_names_its_field_and_leaves_the_server_serving(stub, method, request_message, field):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, method)(request_message)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    assert "Jane" not in str(status)
    [bad_request] = [
        unpacked for detail in status.details if detail.Unpack(unpacked := error_details_pb2.BadRequest())
    ]
    assert [violation.field for violation in bad_request.field_violations] == [field]
    assert (await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever."))).entities


async def test_a_stopped_model_is_unavailable_and_recovers(stub, inference):
    inference.stop("clinical_ner")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever."))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    inference.start("clinical_ner")
    assert (await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever."))).entities


async def test_nothing_is_asserted_of_another_language_and_that_is_said(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="The patient has fever.\nKeine pneumonia."))
    assert [entity.text for entity in answer.entities] == ["fever"]
    [notice] = answer.notices
    assert (notice.reason, notice.review_required) == ("LANGUAGE_NOT_SUPPORTED", True)
    assert list(notice.places) == ["line 2"]
