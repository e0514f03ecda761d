"""A service's writers on a real tritonserver: the embedded backend, and the example for vLLM on a stand-in
that speaks its protocol.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from medmesh.common.v1.answer_pb2 import WeightsVerification
from services.chassis.errors import ModelFailed
from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import ask_once, example_inputs
from services.chassis.models.triton import TritonInference
from services.chassis.observability.telemetry import Telemetry
from services.language.chat import USER, Message
from services.language.tasks import TASKS, TEXT_GENERATION
from services.language.tasks.text_generation import Ending
from services.local import models
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.language import writer_made
from tests.local.triton import tiny_writer

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "vllm_writer"
STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
LETTERS = "letters"
ASKED = [Message(USER, "no effusion")]


def test_the_example_for_vllm_is_a_model_folder_that_holds():
    catalog = Catalog("language", [EXAMPLE.parent], TASKS, None, Telemetry("language"))
    assert [str(problem) for problem in catalog.entry("vllm_writer").problems] == []
    assert json.loads((EXAMPLE / "1" / "model.json").read_text())["max_model_len"] == 4096


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    digest = tiny_writer.write(folder, LETTERS)
    card = writer_made.card(max_token_count=4096, stop_texts=[])
    card.name, card.weights_sha256 = LETTERS, digest
    card.serving.default_answer = False
    writer_made.write(
        folder, card, template="{{ messages[-1]['content'] }}", tokenizer=tiny_writer.tokenizer()
    )
    # The example as it is, but for what runs it.
    stand_in = shutil.copytree(EXAMPLE, folder / EXAMPLE.name)
    (stand_in / "1" / "model.json").unlink()
    shutil.copy(STAND_IN, stand_in / "1" / "model.py")
    config = (stand_in / "config.pbtxt").read_text()
    config = config.replace('backend: "vllm"', 'backend: "python"').replace("KIND_MODEL", "KIND_CPU")
    (stand_in / "config.pbtxt").write_text(config)
    metadata = json.loads((stand_in / "metadata.json").read_text())
    metadata["weights_sha256"] = hashlib.sha256(STAND_IN.read_bytes()).hexdigest()
    (stand_in / "metadata.json").write_text(json.dumps(metadata))
    return folder


@pytest.fixture(scope="module")
def triton(repository, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=log)) as server:
        yield server


@pytest.fixture
async def catalog(repository, triton):
    inference = TritonInference(triton.grpc_address)
    yield Catalog("language", [repository], TASKS, inference, Telemetry("language"))
    await inference.close()


async def text_of(writing):
    async with writing:
        return "".join([piece async for piece in writing])


@pytest.mark.live
async def test_the_embedded_backend_writes_and_its_weights_are_known_by_their_digest(catalog):
    writer = catalog.named(TEXT_GENERATION, LETTERS)
    writing = await writer.write(ASKED, field="note", max_token_count=30)
    assert await text_of(writing) == tiny_writer.written("no effusion", 30)
    assert writing.ending is Ending.CUT_OFF
    assert WeightsVerification.Name(writing.provenance.weights_verification).endswith("_DIGESTED")
    assert writing.provenance.runtime.startswith("triton ")


@pytest.mark.live
async def test_whoever_stops_reading_ends_the_text_in_triton(catalog):
    writer = catalog.named(TEXT_GENERATION, LETTERS)
    for _ in range(12):  # more than are written at a time
        async with await writer.write(ASKED, field="note", max_token_count=4000) as writing:
            assert await anext(aiter(writing)) == tiny_writer.written("no effusion", 1)
    writing = await writer.write(ASKED, field="note", max_token_count=5, timeout_s=10)
    assert await text_of(writing) == tiny_writer.written("no effusion", 5)


@pytest.mark.live
async def test_both_are_healthy_while_they_answer(catalog):
    for entry in catalog.entries():
        await ask_once(catalog.inference, entry.served.version.runs, 30)
        assert await entry.served.is_ready()


@pytest.mark.live
async def test_what_speaks_as_vllm_does_is_served_by_the_examples_card(catalog):
    writer = catalog.only(TEXT_GENERATION)
    writing = await writer.write(ASKED, field="note", seed=3)
    # The stand-in ends its text with a control token: the card's stop text keeps it out.
    assert await text_of(writing) == "no effusion [temperature 0.0, seed 3]"
    assert writing.ending is Ending.COMPLETE
    writing = await writer.write(ASKED, field="note", max_token_count=2)
    assert await text_of(writing) == "no effusion"
    assert writing.ending is Ending.CUT_OFF
    assert writing.provenance.model_name == "vllm_writer"


@pytest.mark.live
def test_the_check_of_a_folder_asks_a_writer_too(repository):
    (one,) = models.check([repository / LETTERS], run=True)
    assert (one.task, one.service, one.problems) == ("text_generation", "language", ())


@pytest.mark.live
async def test_what_vllm_refuses_is_a_failure_of_the_model_that_quotes_nothing(triton, catalog):
    runs = catalog.entry("vllm_writer").served.version.runs
    inputs = example_inputs(runs) | {"sampling_parameters": np.array([b'{"patient_Doe": 1}'], object)}
    with pytest.raises(ModelFailed) as caught:
        async for _ in catalog.inference.stream(runs, inputs, timeout_s=30):
            pass
    assert "Doe" not in str(caught.value)
