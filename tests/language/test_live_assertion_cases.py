"""The cases of notes end to end: what the committed tagger finds and the rules assert of it."""

from __future__ import annotations

from functools import partial

import grpc
import pytest

from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.entities import Assertion
from services.language.settings import LanguageSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.language.assertion_cases import read_cases, retyped, wrapped
from tests.language.conftest import EMBEDDER, TAGGER

pytestmark = [pytest.mark.live, pytest.mark.slow]

CUT_OTHERWISE = {"N810"}
"""Cases in which the tagger takes two of the labelled words for one ("cough -fever")."""
LEAST_SHARE_FOUND = 0.93
"""Of the labelled mentions, most of them common; abbreviations and rare names are the tagger's to miss."""


@pytest.fixture(scope="module")
def triton_url(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(models=(TAGGER, EMBEDDER), log=log)) as triton:
        yield triton.grpc_address


TYPED = {
    "as it is": str,
    "wrapped": partial(wrapped, width=40),
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "non-breaking": lambda text: text.replace("-", "\u2011").replace(" ", "\u00a0"),
}


@pytest.mark.parametrize("change", TYPED.values(), ids=TYPED)
async def test_what_is_found_is_asserted_as_the_note_says(triton_url, change):
    settings = LanguageSettings(listen="127.0.0.1:0", triton_url=triton_url, drain_s=0)
    wrong, found, labelled = [], 0, 0
    async with (
        running_server(SERVICE, settings) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = language_pb2_grpc.LanguageServiceStub(channel)
        cases = [retyped(case, change) for case in read_cases() if case.name not in CUT_OTHERWISE]
        for case in cases:
            answer = await stub.AnalyzeNote(pb.AnalyzeNoteRequest(note=case.text), timeout=60)
            result = answer.analysis.results[0]  # the tagger's; Chinese passages have one of their own
            for span, right in zip(case.spans, case.right, strict=True):
                labelled += 1
                hits = [e for e in result.entities if e.start_offset < span.end and e.end_offset > span.start]
                if hits:
                    found += 1
                    said = Assertion(pb.Assertion.Name(hits[0].assertion).removeprefix("ASSERTION_").lower())
                    wrong += [(case.name, hits[0].text, said.value)] if said not in right else []
    assert not wrong
    assert found / labelled >= LEAST_SHARE_FOUND, (found, labelled)
