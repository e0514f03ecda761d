"""The server around a service: health, catalog, drain, start and stop as a process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from services.chassis.rpc import probe
from services.chassis.rpc.server import run, running_server
from services.chassis.rpc.transport import BindError
from services.chassis.settings import ServiceSettings
from tests.chassis.conftest import PREFIX, Handlers, Text, doubler_card, refusal_of
from tests.chassis.models.folders import edit
from tests.fakes import write_model_repository

Reload = catalog_pb2.ModelReload
ROOT = Path(__file__).resolve().parents[3]
SERVICE = "medmesh.language.v1.LanguageService"
CATALOG = "medmesh.common.v1.ModelCatalogService"
SERVING, NOT_SERVING, UNKNOWN = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
)


async def echo(parts, message, context):
    return message


async def check(sample, name=""):
    answer = await health_pb2_grpc.HealthStub(sample.channel).Check(
        health_pb2.HealthCheckRequest(service=name), timeout=10
    )
    return answer.status


class Watcher:
    """The states that a Watch stream tells, one after the other."""

    def __init__(self, sample, name):
        self._call = health_pb2_grpc.HealthStub(sample.channel).Watch(
            health_pb2.HealthCheckRequest(service=name), timeout=30
        )

    async def next(self):
        answer = await self._call.read()
        return None if answer is grpc.aio.EOF else answer.status


async def test_health_follows_the_model_in_check_and_in_every_watch(serve):
    async with serve(Handlers(unary=echo)) as sample:
        watchers = [Watcher(sample, name) for name in ("", SERVICE, SERVICE)]
        assert [await w.next() for w in watchers] == [SERVING] * 3
        sample.inference.stop("doubler")
        assert [await w.next() for w in watchers] == [NOT_SERVING] * 3
        assert (await check(sample), await check(sample, SERVICE)) == (NOT_SERVING, NOT_SERVING)
        assert await check(sample, CATALOG) == SERVING
        sample.inference.start("doubler")
        assert [await w.next() for w in watchers] == [SERVING] * 3
        assert await check(sample, SERVICE) == SERVING


async def test_an_unknown_name_is_not_found_and_can_be_watched(serve):
    async with serve(Handlers(unary=echo)) as sample:
        watcher = Watcher(sample, "nobody.v1.Nothing")
        assert await watcher.next() == UNKNOWN
        answer = await refusal_of(
            health_pb2_grpc.HealthStub(sample.channel).Check(health_pb2.HealthCheckRequest(service="nobody"))
        )
        assert answer.code is grpc.StatusCode.NOT_FOUND


async def test_health_follows_other_dependencies_too_and_a_broken_check_counts_as_missing(serve, log_lines):
    class Handled(Handlers):
        async def register(self, parts, server):
            async def broken():
                raise RuntimeError("Mrs Example")

            parts.health.require("a queue", broken)
            await super().register(parts, server)

    async with serve(Handled(unary=echo)) as sample:
        assert await check(sample) == NOT_SERVING
        assert sample.parts.health.problems == {"a queue": "the check failed with RuntimeError"}
    assert "Mrs Example" not in log_lines.text()


async def test_who_sends_much_is_read_at_a_rate_beside_work_and_not_beside_a_look_at_the_models(serve):
    """The orchestrator asks each service for its models every minute."""
    own = [("grpc.use_local_subchannel_pool", 1)]

    async def spent_s(sample):
        began = time.monotonic()
        for _ in range(4):
            await sample.call("Unary")(Text(note="n" * 1000))
        return time.monotonic() - began

    async with (
        serve(Handlers(unary=echo), bytes_per_second_beside_others=2000) as sample,
        grpc.aio.insecure_channel(sample.running.address, options=own) as another,
    ):
        await spent_s(sample)
        await catalog_pb2_grpc.ModelCatalogServiceStub(another).ListModels(catalog_pb2.ListModelsRequest())
        beside_a_look_s = await spent_s(sample)
        await another.unary_unary(PREFIX + "Unary")(Text(note="short").SerializeToString())
        beside_work_s = await spent_s(sample)
    assert beside_a_look_s < 0.5
    assert beside_work_s > 1.0


async def test_the_catalog_lists_models_whether_they_serve_or_not(serve):
    async with serve(Handlers(unary=echo)) as sample:
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(sample.channel)
        (model,) = (await stub.ListModels(catalog_pb2.ListModelsRequest())).models
        assert (model.name, model.service, model.ready, model.reason) == ("doubler", "sample", True, "")
        sample.inference.stop("doubler")
        (model,) = (await stub.ListModels(catalog_pb2.ListModelsRequest())).models
        assert not model.ready
        assert "Triton" in model.reason
        card = (await stub.GetModelCard(catalog_pb2.GetModelCardRequest(name="doubler"))).card
        assert card.serving.preprocessing_version == "record/1"
        answer = await refusal_of(stub.GetModelCard(catalog_pb2.GetModelCardRequest(name="no such")))
    assert (answer.code, answer.info.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_UNKNOWN")


async def test_the_drain_lets_a_running_request_finish_and_tells_the_watchers(serve):
    gate, entered, cleaned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(parts, message, context):
        entered.set()
        try:
            await gate.wait()
            return message
        finally:
            cleaned.set()

    async with asyncio.timeout(30), serve(Handlers(unary=wait)) as sample:
        watcher = Watcher(sample, "")
        assert await watcher.next() == SERVING
        running = asyncio.ensure_future(_awaited(sample.call("Unary")(Text(note="x"), timeout=20)))
        await entered.wait()
        draining = asyncio.ensure_future(sample.running.drain())
        assert await watcher.next() == NOT_SERVING
        assert await watcher.next() is None
        async with grpc.aio.insecure_channel(sample.running.address) as late:
            refused = await refusal_of(late.unary_unary(PREFIX + "Unary")(b"", timeout=5))
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        gate.set()
        assert (await running).note == "x"
        await draining
        assert cleaned.is_set()


async def test_a_request_that_outlives_the_drain_is_cancelled_and_cleans_up(serve, log_lines):
    entered, cleaned = asyncio.Event(), asyncio.Event()

    async def hang(parts, message, context):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with asyncio.timeout(30), serve(Handlers(unary=hang), drain_s=0.05) as sample:
        running = asyncio.ensure_future(refusal_of(sample.call("Unary")(Text(note="short"), timeout=20)))
        await entered.wait()
        await sample.running.drain()
        assert cleaned.is_set()
        assert (await running).code in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    assert log_lines("request")[0]["status"] == "CANCELLED"
    assert log_lines()[-1]["message"] == "stopped"


async def test_a_taken_port_says_so(serve, tmp_path):
    handlers = Handlers(unary=echo)
    async with serve(handlers) as sample:
        settings = ServiceSettings(listen=sample.running.address, model_repository=(tmp_path,))
        with pytest.raises(BindError, match="is the port taken"):
            async with running_server(handlers.service(), settings, inference=sample.inference):
                pass


async def test_a_message_beyond_the_limit_is_refused(serve):
    async with serve(Handlers(unary=echo), maximum_request_bytes=2048) as sample:
        await sample.call("Unary")(Text(note="x" * 1000))
        answer = await refusal_of(sample.call("Unary")(Text(note="x" * 4000)))
    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.slow
async def test_g04_a_caller_that_pings_between_its_calls_keeps_its_connection(serve):
    """gRPC's own default ends such a connection at the third ping, with too_many_pings."""

    async def echo(parts, message, context):
        return message

    async with serve(Handlers(unary=echo)) as sample:
        options = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1)]
        async with grpc.aio.insecure_channel(sample.running.address, options=options) as channel:
            await channel.channel_ready()
            await asyncio.sleep(34)
            assert channel.get_state() is grpc.ChannelConnectivity.READY


async def test_the_probe_tells_serving_not_serving_and_no_answer(serve):
    settings = ServiceSettings()
    async with serve(Handlers(unary=echo)) as sample:
        address = sample.running.address
        assert await probe.probe(address, "", settings) == (0, "SERVING")
        assert (await probe.probe(address, "no.such.Service", settings))[0] == 2
        sample.inference.stop("doubler")
        await sample.parts.health.refresh()
        assert await probe.probe(address, SERVICE, settings) == (1, "NOT_SERVING")
    assert await probe.probe(address, "", settings) == (2, "UNAVAILABLE")


PROGRAM = """
from services.chassis.rpc.server import run
from tests.chassis.conftest import Handlers
async def echo(parts, message, context): return message
run(Handlers(unary=echo, tasks=()).service())
"""


def _program(program=PROGRAM, **variables):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | variables
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_until_it_is_told_to_end_and_then_ends_with_zero(number):
    with _program(MEDMESH_LISTEN="127.0.0.1:0") as process:
        lines = [process.stderr.readline()]
        assert '"message": "serving"' in lines[0]
        process.send_signal(number)
        rest = process.communicate(timeout=30)[1]
    assert process.returncode == 0, rest
    assert '"message": "stopped"' in rest


def test_the_text_of_libraries_warnings_and_lost_exceptions_stays_out_of_the_log():
    careless = """
import asyncio, logging, warnings
async def fail(): raise ValueError("Mrs Example")
async def register(parts, server):
    warnings.warn("Mrs Example has an invalid value")
    logging.getLogger("pydicom").warning("value %s", "Mrs Example")
    asyncio.get_running_loop().create_task(fail())
Handlers.register = lambda self, parts, server: register(parts, server)
"""
    program = PROGRAM.replace("async def echo", careless + "async def echo")
    with _program(program, MEDMESH_LISTEN="127.0.0.1:0") as process:
        started = [process.stderr.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        text = "".join(started) + process.communicate(timeout=30)[1]
    assert process.returncode == 0, text
    lines = {line["logger"]: line for line in map(json.loads, text.splitlines())}
    assert {"py.warnings", "pydicom", "medmesh.loop"} <= set(lines)
    assert lines["pydicom"]["place"].startswith("<string>:")
    assert lines["medmesh.loop"]["exception"][0]["type"] == "ValueError"
    assert "Mrs Example" not in text


def test_the_process_ends_with_one_sentence_when_a_setting_is_bad():
    with _program(MEDMESH_LISTEN="0.0.0.0:1") as process:
        text = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert text.startswith("sample does not start: MEDMESH_LISTEN: ")
    assert "Traceback" not in text


async def _awaited(call):
    return await call


async def test_the_catalog_comes_in_pages_and_a_page_token_is_one_that_an_answer_gave(serve, tmp_path):
    async with serve(Handlers(unary=echo)) as sample:
        write_model_repository(tmp_path / "models", [doubler_card(name) for name in ("a", "b", "c")])
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(sample.channel)
        sample.inference.functions |= dict.fromkeys("abc", sample.inference.functions["doubler"])
        await stub.ReloadModels(catalog_pb2.ReloadModelsRequest())
        names, token = [], ""
        while True:
            request = catalog_pb2.ListModelsRequest(page_size=3, page_token=token)
            answer = await stub.ListModels(request)
            names.append([model.name for model in answer.models])
            token = answer.next_page_token
            if not token:
                break
        assert names == [["a", "b", "c"], ["doubler"]]
        wrong = await refusal_of(stub.ListModels(catalog_pb2.ListModelsRequest(page_token="x")))
        assert (wrong.code, wrong.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_MALFORMED")


async def test_a_reload_says_what_became_of_each_model_with_its_problems_by_field(serve, tmp_path):
    async with serve(Handlers(unary=echo)) as sample:
        card = doubler_card("broken")
        card.serving.record_embedding.embedding_tensor = "z"
        write_model_repository(tmp_path / "models", [card])
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(sample.channel)
        broken, doubler = (await stub.ReloadModels(catalog_pb2.ReloadModelsRequest())).models
        assert (broken.result, doubler.result) == (Reload.RESULT_REFUSED, Reload.RESULT_UNCHANGED)
        assert [problem.field for problem in broken.problems] == ["serving.record_embedding.embedding_tensor"]
        assert (doubler.card_version, doubler.model_version, broken.model_version) == ("1.0.0", "1", "")
        broken, doubler = (await stub.ListModels(catalog_pb2.ListModelsRequest())).models
        assert (broken.ready, broken.task, doubler.ready) == (False, "record_embedding", True)
        assert "names z, which is not among the card's outputs" in broken.reason


async def test_a_service_without_tasks_has_no_models_and_no_connection_to_triton(tmp_path):
    seen = []

    async def register(parts, server):
        seen.append(parts.models)
        with pytest.raises(LookupError):
            _ = parts.catalog

    service = replace(Handlers(tasks=()).service(), register=register)
    async with running_server(service, ServiceSettings(triton_url="not an address")):
        assert seen == [None]


def test_a_service_says_what_it_would_refuse_without_serving(tmp_path, capsys, monkeypatch):
    write_model_repository(tmp_path, [doubler_card("good"), doubler_card("bad", version="")])
    edit(tmp_path / "bad" / "metadata.json", lambda card: card.pop("version"))
    monkeypatch.setattr(sys, "argv", ["services.sample", "check", str(tmp_path)])
    run(Handlers().service())
    logging.disable(logging.NOTSET)
    bad, good = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert good == {"model": "good", "problems": []}
    assert (bad["model"], bad["problems"][0]["field"]) == ("bad", "version")
