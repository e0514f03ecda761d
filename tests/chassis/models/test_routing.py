"""Two servers behind one seam."""

from __future__ import annotations

import numpy as np

from services.chassis.models.inference import Tensor, ask_once
from services.chassis.models.routing import RoutedInference
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.settings import LanguageSettings
from tests.fakes import FakeInference, model_version

X = [Tensor("x", np.object_, ())]
SORTS = model_version("sorter", X, X)
WRITES = model_version("writer", X, X, streams=True)


async def test_what_streams_goes_to_its_own_server_and_everything_else_to_the_other():
    answers = FakeInference({"sorter": lambda i: i})
    streams = FakeInference({"writer": lambda i: [i, i]})
    inference = RoutedInference(answers, streams)
    for model in (SORTS, WRITES):
        await ask_once(inference, model, 1)
        assert await inference.is_ready(model)
        await inference.load([model])
        await inference.unload(model, [])
    for server, name in ((answers, "sorter"), (streams, "writer")):
        assert [called for called, _ in server.calls] == [name]
        assert server.loaded == [(name, 1)]
        assert server.unloaded == [(name, 1)]


async def test_a_service_with_a_second_address_uses_both():
    settings = LanguageSettings(
        listen="127.0.0.1:0", triton_url="127.0.0.1:1", writer_triton_url="127.0.0.1:2", model_repository=()
    )
    async with running_server(SERVICE, settings) as running:
        assert isinstance(running.parts.catalog.inference, RoutedInference)
