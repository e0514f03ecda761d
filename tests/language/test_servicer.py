"""The language service over a real server on a free port; only what is below the inference seam is a fake."""

from __future__ import annotations

from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.chassis.rpc.server import running_server
from services.chassis.rpc.status import from_rpc_error
from services.language.__main__ import SERVICE
from services.language.settings import LanguageSettings
from tests.language.conftest import EMBEDDER, TAGGER
from tests.language.models_made import PREPROCESSING, add_model, tags_words
from tests.language.tokenizers_made import byte_level_bpe

DRUGS = f"""token_classification {{ {PREPROCESSING} scores_tensor: "scores" activation: ACTIVATION_SOFTMAX
  labels: ["O", "B-Drug", "I-Drug", "B-Organ"] piece_aggregation: PIECE_AGGREGATION_FIRST
  entity_types {{ label: "Drug" type: "CHEMICAL" }} entity_types {{ label: "Organ" type: "ANATOMY" }}
}}"""


@asynccontextmanager
async def served(repository, inference):
    settings = LanguageSettings(listen="127.0.0.1:0", model_repository=(repository,), drain_s=0)
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield running, channel


@pytest.fixture
async def stub(repository, inference):
    async with served(repository, inference) as (_, channel):
        yield language_pb2_grpc.LanguageServiceStub(channel)


def entities(answer):
    """Those of the one model that answered."""
    [result] = answer.analysis.results
    return result.entities


@pytest.mark.parametrize("spoil", ["missing", "broken"])
async def test_a_missing_tokenizer_costs_its_own_model_only(repository, inference, spoil):
    tokenizer = repository / EMBEDDER / "tokenizer.json"
    tokenizer.unlink() if spoil == "missing" else tokenizer.write_text("{}")
    async with served(repository, inference) as (running, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        note = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
        assert [entity.text for entity in entities(note)] == ["fever"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever"]))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert running.parts.health.problems == {}
        catalog = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
        models = (await catalog.ListModels(catalog_pb2.ListModelsRequest())).models
        [embedding] = [model for model in models if model.name == EMBEDDER]
        assert not embedding.ready
        assert "tokenizer.json" in embedding.reason


async def test_without_the_taggers_tokenizer_texts_are_still_embedded(repository, inference):
    (repository / TAGGER / "tokenizer.json").unlink()
    async with served(repository, inference) as (running, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        embedded = (await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever"]))).embeddings
        assert len(embedded.embeddings) == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert TAGGER in running.parts.health.problems["models"]


async def test_a_note_is_answered_with_entities_and_provenance(stub):
    note = "🙂 Denies fever. Takes Aspirin for years."
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=note))
    fever, aspirin = entities(answer)
    assert (fever.text, fever.type, fever.assertion) == ("fever", "DISEASE", pb.ASSERTION_ABSENT)
    assert (aspirin.text, aspirin.type, aspirin.assertion) == ("Aspirin", "CHEMICAL", pb.ASSERTION_PRESENT)
    assert {fever.origin, aspirin.origin} == {pb.ENTITY_ORIGIN_MODEL}
    for part in (fever, aspirin, *fever.triggers):
        assert note[part.start_offset : part.end_offset] == part.text
    assert fever.triggers[0].assertion == pb.ASSERTION_ABSENT
    places = [(m.type, m.start_offset, m.end_offset) for m in answer.analysis.mentions]
    assert places == [(e.type, e.start_offset, e.end_offset) for e in (fever, aspirin)]
    provenance = answer.analysis.results[0].provenance
    assert provenance.model_name == TAGGER
    assert provenance.intended_use
    assert provenance.runtime.startswith("fake 1.0")


async def test_what_the_terminology_found_is_noticed(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever, no pneumothorax."))
    assert [(entity.text, entity.origin) for entity in entities(answer)] == [
        ("fever", pb.ENTITY_ORIGIN_MODEL),
        ("pneumothorax", pb.ENTITY_ORIGIN_TERMINOLOGY),
    ]
    [notice] = answer.analysis.results[0].notices
    assert (notice.reason, notice.model_name) == ("ENTITIES_FROM_TERMINOLOGY", TAGGER)
    of_the_model = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
    assert list(of_the_model.analysis.results[0].notices) == []
    assert list(of_the_model.analysis.notices) == []


async def test_a_note_without_entities_is_answered(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Feels well."))
    assert list(entities(answer)) == []
    assert answer.analysis.results[0].provenance.weights_sha256


async def test_texts_are_embedded_and_truncation_is_noticed(stub):
    answer = (await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever", "word " * 300]))).embeddings
    assert [len(embedding.values) for embedding in answer.embeddings] == [384, 384]
    assert [notice.reason for notice in answer.notices] == ["TEXT_TRUNCATED"]
    assert list(answer.notices[0].places) == ["texts[1]"]
    assert list(answer.truncated_indices) == [1]
    assert answer.provenance.model_name == EMBEDDER


async def test_passages_are_ranked(stub):
    request = pb.RankPassagesRequest(query="fever", passages=["aspirin", "fever"], max_passage_count=1)
    ranking = (await stub.RankPassages(request)).ranking
    assert [passage.index for passage in ranking.passages] == [1]
    assert ranking.passages[0].similarity == pytest.approx(1)


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
            pb.RankPassagesRequest(query="Jane Doe", passages=["a"], max_passage_count=0),
            "max_passage_count",
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
    assert entities(await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever.")))


async def test_a_stopped_model_is_unavailable_and_recovers(stub, inference):
    inference.stop(TAGGER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever."))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    inference.start(TAGGER)
    assert entities(await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Fever.")))


async def test_nothing_is_asserted_of_another_language_and_that_is_said(stub):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="The patient has fever.\nKeine pneumonia."))
    assert [entity.text for entity in entities(answer)] == ["fever"]
    [notice] = answer.analysis.notices
    assert (notice.reason, notice.review_required) == ("LANGUAGE_NOT_SUPPORTED", True)
    assert list(notice.places) == ["line 2"]


@pytest.fixture
async def with_two(repository, inference):
    """The service with a second tagger, made for drugs and organs, on another kind of tokenizer."""
    add_model(repository, "drugs", byte_level_bpe(), DRUGS, (-1, 4))
    inference.functions["drugs"] = tags_words(byte_level_bpe(), 4, {"aspirin": 1, "chest": 3})
    async with served(repository, inference) as (_, channel):
        yield language_pb2_grpc.LanguageServiceStub(channel)


async def test_two_taggers_answer_side_by_side_and_one_mention_counts_once(with_two):
    note = "No fever in the chest, takes aspirin."
    analysis = (await with_two.AnalyzeNote(pb.AnalyzeNoteRequest(note=note))).analysis
    found = {r.provenance.model_name: [(e.text, e.type) for e in r.entities] for r in analysis.results}
    assert found == {
        TAGGER: [("fever", "DISEASE"), ("aspirin", "CHEMICAL")],
        "drugs": [("chest", "ANATOMY"), ("aspirin", "CHEMICAL")],
    }
    assert [(m.type, len(m.entities)) for m in analysis.mentions] == [
        ("DISEASE", 1),
        ("ANATOMY", 1),
        ("CHEMICAL", 2),
    ]
    chest = analysis.results[1].entities[0]
    assert (chest.assertion, chest.HasField("concept")) == (pb.ASSERTION_ABSENT, False)
    speaks = analysis.mentions[2].entities[0]
    assert analysis.results[speaks.result_index].entities[speaks.entity_index].text == "aspirin"


async def test_a_request_may_name_its_models(with_two):
    note = "No fever in the chest, takes aspirin."
    for names in (["drugs"], ["drugs", TAGGER], [TAGGER, "drugs", TAGGER]):
        answer = await with_two.AnalyzeNote(pb.AnalyzeNoteRequest(note=note, models=names))
        answered = [result.provenance.model_name for result in answer.analysis.results]
        assert answered == list(dict.fromkeys(names))


@pytest.mark.parametrize("name", ["nobody", EMBEDDER])
async def test_a_name_that_reads_no_notes_is_unknown(with_two, name):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await with_two.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever.", models=[TAGGER, name]))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert from_rpc_error(caught.value, "language").metadata["field"] == "models[1]"


async def test_one_that_does_not_answer_beside_others_is_told_of(with_two, inference):
    inference.stop("drugs")
    analysis = (await with_two.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))).analysis
    assert [result.provenance.model_name for result in analysis.results] == [TAGGER]
    [notice] = analysis.notices
    assert (notice.reason, notice.model_name, notice.review_required) == (
        "MODEL_DID_NOT_ANSWER",
        "drugs",
        True,
    )
    inference.stop(TAGGER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await with_two.AnalyzeNote(pb.AnalyzeNoteRequest(note="No fever."))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_refused_tagger_is_missed_not_forgotten(repository, inference):
    """Another that is served must not make its absence pass unseen."""
    add_model(repository, "drugs", byte_level_bpe(), DRUGS, (-1, 4))
    inference.functions["drugs"] = tags_words(byte_level_bpe(), 4, {"aspirin": 1})
    (repository / TAGGER / "tokenizer.json").write_text("{}")
    async with served(repository, inference) as (_, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        analysis = (await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Takes aspirin."))).analysis
        assert [result.provenance.model_name for result in analysis.results] == ["drugs"]
        [notice] = analysis.notices
        assert (notice.reason, notice.model_name) == ("MODEL_DID_NOT_ANSWER", TAGGER)


async def test_a_text_classifier_answers_beside_the_tagger(repository, inference):
    task = f"""text_classification {{ {PREPROCESSING} scores_tensor: "scores" activation: ACTIVATION_SOFTMAX
      exclusive: true
      labels {{ name: "calm" }} labels {{ name: "urgent" concepts {{ system: "s" code: "c" }} }}
      conformal {{ coverage: 0.9 thresholds {{ max_improbability: 0.8 }} }}
    }}"""
    add_model(repository, "urgency", byte_level_bpe(), task, (2,))
    inference.functions["urgency"] = _float32(
        lambda inputs: {"scores": [[0.0, 2.0]] * len(inputs["input_ids"])}
    )
    async with served(repository, inference) as (_, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        analysis = (await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note="Severe fever."))).analysis
    tagged, classified = analysis.results
    assert [entity.text for entity in tagged.entities] == ["fever"]
    assert [(label.name, label.found) for label in classified.labels] == [("calm", False), ("urgent", True)]
    assert classified.labels[1].concepts[0].code == "c"
    assert list(classified.prediction_set.labels) == ["urgent"]
    assert not tagged.HasField("prediction_set")
    # The tagger's card has a calibration, the classifier's has none.
    assert (tagged.calibrated, classified.calibrated) == (True, False)
    assert [mention.type for mention in analysis.mentions] == ["DISEASE"]


async def test_a_query_and_a_passage_may_be_embedded_in_their_own_ways(repository, inference):
    task = f"""text_embedding {{ {PREPROCESSING} embedding_tensor: "scores" }}""".replace(
        "preprocessing {", 'preprocessing { query_prefix: "query: "'
    )
    add_model(repository, "asymmetric", byte_level_bpe(), f"default_answer: false {task}", (2,))
    inference.functions["asymmetric"] = _float32(
        lambda inputs: {"scores": [[np.cos(row.sum()), np.sin(row.sum())] for row in inputs["input_ids"]]}
    )
    async with served(repository, inference) as (_, channel):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        points = []
        for use in (pb.TEXT_USE_UNSPECIFIED, pb.TEXT_USE_PASSAGE, pb.TEXT_USE_QUERY):
            request = pb.EmbedTextsRequest(texts=["fever"], model="asymmetric", use=use)
            embedded = (await stub.EmbedTexts(request)).embeddings
            assert embedded.provenance.model_name == "asymmetric"
            points.append(list(embedded.embeddings[0].values))
        assert points[0] == points[1] != points[2]
        default = (await stub.EmbedTexts(pb.EmbedTextsRequest(texts=["fever"]))).embeddings
        assert default.provenance.model_name == EMBEDDER


def _float32(function):
    return lambda inputs: {name: np.array(rows, dtype=np.float32) for name, rows in function(inputs).items()}
