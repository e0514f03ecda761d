"""Literature over a real server: added, found, listed, removed. Only what is below the inference seam is a
fake: the point of a text counts its word pieces, so that texts with common words are near.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from medmesh.language.v1 import language_pb2_grpc
from medmesh.language.v1 import literature_pb2 as pb
from services.chassis.errors import ModelUnavailable
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.settings import LanguageSettings
from tests.fakes import real_card, write_model_repository
from tests.language.conftest import EMBEDDER

CANARY = "Zyxwalter Qvortrup"
DENIES = pb.Publication(
    id="pmid:1",
    title="Metformin and the lungs.",
    text="Chest films showed no pneumothorax. The drug was well tolerated.",
    authors=["Doe J"],
    journal="J Made",
    year=2001,
    pmid="1",
    kinds=[pb.PUBLICATION_KIND_REVIEW],
)
AFFIRMS = pb.Publication(
    id="pmid:2", title="A case.", text="He had a pneumothorax after the puncture.", year=2010, pmid="2"
)
RETRACTED = pb.Publication(
    id="pmid:3", text="A pneumothorax was treated with aspirin.", kinds=[pb.PUBLICATION_KIND_RETRACTED]
)
ALL = (DENIES, AFFIRMS, RETRACTED)


@asynccontextmanager
async def served(repository, inference, folder):
    settings = LanguageSettings(
        listen="127.0.0.1:0", model_repository=(repository,), literature_folder=folder, drain_s=0
    )
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield language_pb2_grpc.LanguageServiceStub(channel)


@pytest.fixture
async def stub(repository, inference, tmp_path):
    async with served(repository, inference, tmp_path / "literature") as stub:
        yield stub


async def add(stub, *publications, **fields):
    answer = await stub.AddLiterature(pb.AddLiteratureRequest(publications=publications, **fields))
    return [one.outcome for one in answer.publications]


async def search(stub, query, **fields):
    request = pb.SearchLiteratureRequest(query=query, **fields)
    return (await stub.SearchLiterature(request)).findings


def ids(findings):
    return [passage.publication.id for passage in findings.passages]


def reasons(findings):
    return [notice.reason for notice in findings.notices]


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = rpc_status.from_call(caught.value).details
    info = error_details_pb2.ErrorInfo()
    details[0].Unpack(info)
    return caught.value.code(), info.reason


async def test_a_passage_comes_with_its_citation_its_place_and_its_scores(stub):
    assert await add(stub, *ALL) == [pb.PUBLICATION_OUTCOME_ADDED] * 3
    findings = await search(stub, "metformin tolerated by lungs", max_passage_count=1)
    [passage] = findings.passages
    cited = pb.Publication()
    cited.CopyFrom(DENIES)
    cited.ClearField("text")
    assert passage.publication == cited
    assert DENIES.text[passage.start_offset : passage.end_offset] == passage.text
    assert passage.words_score > 0
    assert 0 < passage.similarity <= 1
    assert findings.provenance.model_name == EMBEDDER


async def test_what_contradicts_and_what_was_retracted_stand_last(stub):
    await add(stub, *ALL)
    there = await search(stub, "There is a pneumothorax.")
    assert ids(there) == ["pmid:2", "pmid:1", "pmid:3"]
    assert [one.contradicts_query for one in there.passages] == [False, True, False]
    assert [one.retracted for one in there.passages] == [False, False, True]
    assert {"PASSAGES_CONTRADICT_QUERY", "LITERATURE_RETRACTED"} <= set(reasons(there))
    none = await search(stub, "no pneumothorax")
    assert ids(none) == ["pmid:1", "pmid:2", "pmid:3"]
    asked = await search(stub, "Is there a pneumothorax?")
    assert not asked.contradictions_sought
    assert "ASSERTIONS_NOT_COMPARED" in reasons(asked)


async def test_evidence_against_keeps_a_place(stub):
    found = [
        pb.Publication(id=f"with:{n}", text=f"The patient number {n} had a pneumothorax.") for n in range(12)
    ]
    await add(stub, *found, pb.Publication(id="without", text="No pneumothorax."))
    assert ids(await search(stub, "pneumothorax", max_passage_count=5))[-1] == "without"
    assert "without" not in ids(await search(stub, "pneumothorax", max_passage_count=4))


async def test_filters_and_the_number_of_one_publication(stub):
    long = pb.Publication(
        id="long", text="Fever one. Fever two. Fever three. Fever four. Fever five.", year=2001
    )
    await add(stub, *ALL, long)
    assert ids(await search(stub, "metformin", to_year=2005)) == ["pmid:1", "long", "long"]
    assert ids(await search(stub, "pneumothorax", kinds=[pb.PUBLICATION_KIND_REVIEW])) == ["pmid:1"]
    assert ids(await search(stub, "fever", max_passages_per_publication=1)).count("long") == 1
    words = await search(stub, "fever", matching=pb.LITERATURE_MATCHING_WORDS)
    assert ids(words) == ["long", "long"]
    assert not any(passage.HasField("similarity") for passage in words.passages)
    meaning = await search(stub, "fever", matching=pb.LITERATURE_MATCHING_MEANING)
    assert not any(passage.HasField("words_score") for passage in meaning.passages)


async def test_the_same_again_changes_nothing_and_another_text_replaces(stub):
    assert await add(stub, DENIES, words_only=True) == [pb.PUBLICATION_OUTCOME_ADDED]
    assert await add(stub, DENIES, words_only=True) == [pb.PUBLICATION_OUTCOME_UNCHANGED]
    assert await add(stub, DENIES) == [pb.PUBLICATION_OUTCOME_REPLACED]
    assert await add(stub, DENIES) == [pb.PUBLICATION_OUTCOME_UNCHANGED]
    assert await add(stub, DENIES, words_only=True) == [pb.PUBLICATION_OUTCOME_UNCHANGED]
    assert await add(stub, pb.Publication(id="pmid:1", text="Other.")) == [pb.PUBLICATION_OUTCOME_REPLACED]
    [corpus] = (await stub.ListLiterature(pb.ListLiteratureRequest())).corpora
    assert (corpus.name, corpus.publication_count, corpus.passage_count) == ("default", 1, 1)
    assert corpus.embedded_passage_count == 1
    assert corpus.embeddings_usable
    assert corpus.size_bytes > 0


async def test_one_that_cannot_be_indexed_costs_no_other(stub):
    blank = pb.Publication(id="x", text=" ")
    answer = await stub.AddLiterature(pb.AddLiteratureRequest(publications=[blank, DENIES]))
    assert [one.outcome for one in answer.publications] == [
        pb.PUBLICATION_OUTCOME_REFUSED,
        pb.PUBLICATION_OUTCOME_ADDED,
    ]
    assert "neither" in answer.publications[0].problem


async def test_an_answer_is_made_of_sentences_that_stand_in_the_passages(stub):
    await add(stub, *ALL)
    findings = await search(stub, "the drug was tolerated well", draft_answer=True)
    assert findings.answer.label.startswith("AI draft, to be reviewed")
    texts = {one.id: one.text for one in ALL}
    for sentence in findings.answer.sentences:
        passage = findings.passages[sentence.passage_index]
        text = texts[passage.publication.id]
        assert text[sentence.start_offset : sentence.end_offset] == sentence.text
        assert not passage.retracted
    assert "The drug was well tolerated." in [one.text for one in findings.answer.sentences]
    nothing = await search(stub, "quantum chromodynamics", draft_answer=True)
    assert not nothing.HasField("answer")
    assert "LITERATURE_NOT_ANSWERED" in reasons(nothing)


async def test_without_the_model_words_are_still_found(stub, inference):
    await add(stub, *ALL)
    inference.fail(EMBEDDER, ModelUnavailable())
    findings = await search(stub, "metformin")
    assert ids(findings) == ["pmid:1"]
    assert "LITERATURE_BY_WORDS_ALONE" in reasons(findings)
    assert await refused(add(stub, pb.Publication(id="9", text="New."))) == (
        grpc.StatusCode.UNAVAILABLE,
        "MODEL_UNAVAILABLE",
    )
    assert await add(stub, pb.Publication(id="9", text="New."), words_only=True)
    assert ids(await search(stub, "new")) == ["9"]


async def test_a_corpus_of_another_model_is_searched_by_words_and_takes_no_other_points(
    repository, inference, tmp_path
):
    async with served(repository, inference, tmp_path / "literature") as stub:
        await add(stub, *ALL)
    card = real_card(EMBEDDER)
    card.weights_sha256 = "f" * 64
    write_model_repository(repository, [card])
    async with served(repository, inference, tmp_path / "literature") as stub:
        findings = await search(stub, "metformin")
        assert ids(findings) == ["pmid:1"]
        assert "LITERATURE_BY_WORDS_ALONE" in reasons(findings)
        [corpus] = (await stub.ListLiterature(pb.ListLiteratureRequest())).corpora
        assert not corpus.embeddings_usable
        code, reason = await refused(add(stub, pb.Publication(id="9", text="New.")))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_INCONSISTENT")
        await stub.RemoveLiterature(pb.RemoveLiteratureRequest(corpus="default"))
        assert await add(stub, *ALL) == [pb.PUBLICATION_OUTCOME_ADDED] * 3


async def test_corpora_are_apart_and_go_as_they_came(stub):
    await add(stub, DENIES, corpus="one")
    await add(stub, AFFIRMS, RETRACTED, corpus="two")
    assert ids(await search(stub, "pneumothorax", corpus="one")) == ["pmid:1"]
    gone = await stub.RemoveLiterature(
        pb.RemoveLiteratureRequest(corpus="two", ids=["pmid:2", "pmid:2", "no"])
    )
    assert gone.removed_publication_count == 1
    assert ids(await search(stub, "pneumothorax", corpus="two")) == ["pmid:3"]
    gone = await stub.RemoveLiterature(pb.RemoveLiteratureRequest(corpus="two"))
    assert gone.removed_publication_count == 1
    assert [one.name for one in (await stub.ListLiterature(pb.ListLiteratureRequest())).corpora] == ["one"]
    for call in (
        search(stub, "x", corpus="two"),
        stub.RemoveLiterature(pb.RemoveLiteratureRequest(corpus="two")),
    ):
        assert await refused(call) == (grpc.StatusCode.NOT_FOUND, "CORPUS_UNKNOWN")


@pytest.mark.parametrize(
    "request_",
    [
        pb.SearchLiteratureRequest(query=" "),
        pb.SearchLiteratureRequest(query=f"{CANARY}\x00"),
        pb.SearchLiteratureRequest(query=CANARY * 200),
        pb.SearchLiteratureRequest(query=CANARY, corpus="../../etc"),
        pb.SearchLiteratureRequest(query=CANARY, from_year=20),
        pb.SearchLiteratureRequest(query=CANARY, max_passage_count=51),
        pb.AddLiteratureRequest(publications=[]),
        pb.AddLiteratureRequest(publications=[pb.Publication(id=CANARY * 40, text=CANARY)]),
        pb.AddLiteratureRequest(publications=[pb.Publication(text=CANARY)]),
        pb.AddLiteratureRequest(publications=[pb.Publication(id="1", text=CANARY * 12_000)]),
        pb.AddLiteratureRequest(publications=[pb.Publication(id="1", text=CANARY, pmid="12; rm")]),
        pb.AddLiteratureRequest(publications=[pb.Publication(id="1", text=CANARY)] * 2),
        pb.AddLiteratureRequest(corpus="UP", publications=[DENIES]),
        pb.RemoveLiteratureRequest(),
        pb.RemoveLiteratureRequest(corpus=".."),
    ],
)
async def test_bad_input_is_refused_and_quoted_nowhere(stub, request_, caplog):
    method = type(request_).__name__.removesuffix("Request")
    with caplog.at_level(logging.DEBUG), pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, method)(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    assert "Zyxwalter" not in f"{caught.value}{status}{caplog.records}"
    assert not any("Zyxwalter" in f"{vars(record)}" for record in caplog.records)


async def test_a_query_stands_in_no_log_line(stub, caplog):
    await add(stub, pb.Publication(id=CANARY, title=CANARY, text=f"{CANARY} has a fever."))
    with caplog.at_level(logging.DEBUG):
        findings = await search(stub, f"{CANARY} fever", draft_answer=True)
    assert findings.passages[0].publication.title == CANARY
    assert caplog.records
    assert not any("Zyxwalter" in f"{vars(record)}" for record in caplog.records)


async def test_nothing_that_a_query_may_hold_is_a_language_of_queries(stub):
    await add(stub, *ALL)
    for query in (
        'key:"pmid:1"',
        "body:fever OR *",
        '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /',
        "\U0001f642 \u03b1",
        "the",
    ):
        await search(stub, query)
