"""One embedded Triton with tiny models for the live tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tritonclient.grpc

from services.local.triton import EmbeddedTriton, TritonSettings
from tests.local.triton import tiny_models, tiny_writer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("triton_repo")
    arithmetic, lookup, work = tiny_models.arithmetic(), tiny_models.lookup(), tiny_models.work()
    tiny_models.write(repository, "arithmetic", *arithmetic, instances=2, more=tiny_models.batching())
    # Waits up to half a second for four requests, so that those sent together are surely computed together.
    patient = tiny_models.batching(delay_us=500_000, preferred="preferred_batch_size: [4]")
    tiny_models.write(repository, "together", *arithmetic, batch=4, more=patient)
    exact = 'parameters { key: "session.x64quantprecision" value: { string_value: "1" } }\n'
    tiny_models.write(repository, "quantized", *tiny_models.quantized(), more=exact + tiny_models.batching())
    tiny_models.write(repository, "lookup", *lookup, batch=4, more=patient)
    tiny_models.write(
        repository, "work", *work, batch=1, more=tiny_models.batching(queue=2, timeout_us=60_000_000)
    )
    tiny_models.write(repository, "prompt", *work, batch=1, more="dynamic_batching { }\n")
    tiny_models.write(repository, "hurried", *work, batch=1, more=tiny_models.batching(timeout_us=1000))
    tiny_writer.write(repository, "writer", max_batch_count=3)
    tiny_writer.write(repository, "busy_writer", max_active_count=1, max_waiting_count=1, max_seconds=0.5)
    return repository


@pytest.fixture(scope="session")
def triton(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(tiny_repository,), log=log)) as server:
        yield server


@pytest.fixture
def client(triton: EmbeddedTriton) -> Iterator[tritonclient.grpc.InferenceServerClient]:
    with tritonclient.grpc.InferenceServerClient(triton.grpc_address) as open_client:
        yield open_client
