"""The committed models on a real Triton: golden notes, the reference's likeness, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.settings import LanguageSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.language.conftest import EMBEDDER, TAGGER

pytestmark = [pytest.mark.live, pytest.mark.slow]
GOLDEN = json.loads((Path(__file__).parent / "data" / "golden_notes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def triton_url(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(models=(TAGGER, EMBEDDER), log=log)) as triton:
        yield triton.grpc_address


@pytest.fixture
async def stub(triton_url):
    settings = LanguageSettings(listen="127.0.0.1:0", triton_url=triton_url, drain_s=0)
    async with (
        running_server(SERVICE, settings) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield language_pb2_grpc.LanguageServiceStub(channel)


def entities(answer):
    [result] = answer.analysis.results
    return result.entities


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["note"][:24])
async def test_golden_notes(stub, case):
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=case["note"]), timeout=60)
    found = [[entity.text, entity.type, pb.Assertion.Name(entity.assertion)] for entity in entities(answer)]
    # A golden assertion of null leaves it to the tests of assertion.
    for item, expected in zip(found, case["entities"], strict=True):
        assert item[: 2 if expected[2] is None else 3] == expected[: 2 if expected[2] is None else 3]
    for entity in entities(answer):
        assert case["note"][entity.start_offset : entity.end_offset] == entity.text
        assert 0 < entity.confidence <= 1


async def test_names_are_found_however_they_are_typed(stub):
    for note in ("patient with asthma.", "PATIENT WITH ASTHMA.", "Patient with Asthma ."):
        answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=note), timeout=60)
        assert [entity.text.lower() for entity in entities(answer)] == ["asthma"]


async def test_what_a_long_note_says_at_its_end_is_found(stub):
    note = "The weather was fine and the patient slept well. " * 300 + "He takes warfarin."
    answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=note), timeout=120)
    assert [entity.text for entity in entities(answer)] == ["warfarin"]


async def test_a_passage_of_the_same_meaning_comes_first(stub):
    passages = ["The stock market fell.", "He suffers from high blood pressure.", "A broken leg."]
    request = pb.RankPassagesRequest(query="arterial hypertension", passages=passages)
    ranking = (await stub.RankPassages(request, timeout=60)).ranking
    assert ranking.passages[0].index == 1
    assert ranking.provenance.runtime.startswith("triton")


async def test_an_embedding_does_not_depend_on_what_it_is_batched_with(stub):
    texts = ["fever and cough", "a " * 200, "fever and cough"]
    rows = (await stub.EmbedTexts(pb.EmbedTextsRequest(texts=texts), timeout=60)).embeddings.embeddings
    alone = (await stub.EmbedTexts(pb.EmbedTextsRequest(texts=texts[:1]), timeout=60)).embeddings.embeddings
    assert list(rows[0].values) == pytest.approx(list(rows[2].values), abs=1e-5)
    assert list(rows[0].values) == pytest.approx(list(alone[0].values), abs=1e-5)
