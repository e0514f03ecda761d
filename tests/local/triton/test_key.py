"""What Triton is asked without its key, with a wrong one and with the right one; and who can read the key."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from tritonclient.grpc import service_pb2

from services.chassis.errors import ModelUnavailable
from services.chassis.models.inference import ModelVersion, Tensor
from services.chassis.models.triton import TritonInference
from services.chassis.models.triton_key import HEADER, NAME, TritonKey
from services.chassis.settings import ServiceSettings, SettingsError
from services.local.triton import EmbeddedTriton, TritonSettings, key
from services.local.triton.processes import model_instances
from tools.bootstrap import Missing

SERVICE = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
HEALTH = {"ServerLive", "ServerReady", "ModelReady"}
ARITHMETIC = ModelVersion(
    "arithmetic",
    1,
    (Tensor("x", np.float32, (4,)),),
    (Tensor("total", np.float32, (1,)),),
    "",
)


@pytest.fixture(scope="module")
def guarded(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory):
    """A Triton that asks for a key, and the key's file."""
    folder = tmp_path_factory.mktemp("guarded")
    file = key.make(folder / "triton.key")
    said: list[str] = []
    settings = TritonSettings(
        repository=(tiny_repository,), models=("arithmetic",), key_file=file, log=folder / "log"
    )
    with EmbeddedTriton.start(settings, said.append) as triton:
        assert not any("key" in line for line in said)
        yield triton, file


def asked(address: str, method: str, metadata: dict[str, str]) -> str:
    """What Triton says to an empty request of one rpc; empty: nothing against it."""
    described = SERVICE.methods_by_name[method]
    with grpc.insecure_channel(address) as channel:
        streams = described.client_streaming
        make = channel.stream_stream if streams else channel.unary_unary
        call = make(
            f"/{SERVICE.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        request = GetMessageClass(described.input_type)()
        try:
            if streams:
                list(call(iter([request]), metadata=tuple(metadata.items()), timeout=10))
            else:
                call(request, metadata=tuple(metadata.items()), timeout=10)
        except grpc.RpcError as error:
            return error.details()
    return ""


@pytest.mark.live
@pytest.mark.parametrize("method", sorted(set(SERVICE.methods_by_name)))
def test_no_rpc_but_health_is_answered_without_the_key(guarded, method):
    triton, file = guarded
    right = {HEADER: file.read_text()}
    for wrong in ({}, {HEADER: "x" * 64}, {HEADER: ""}, {NAME: file.read_text()}):
        refused = "This protocol is restricted" in asked(triton.grpc_address, method, wrong)
        assert refused is (method not in HEALTH), wrong
    assert "restricted" not in asked(triton.grpc_address, method, right)


@pytest.mark.live
def test_nor_over_http(guarded):
    triton, file = guarded

    def status(path: str, headers: dict[str, str], body: bytes | None = None) -> int:
        request = urllib.request.Request(f"http://{triton.http_address}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    asks = {
        "/v2": None,
        "/v2/models/arithmetic": None,
        "/v2/models/arithmetic/config": None,
        "/v2/models/arithmetic/stats": None,
        "/v2/models/arithmetic/infer": json.dumps({"inputs": []}).encode(),
        "/v2/repository/index": b"",
        "/v2/repository/models/arithmetic/load": b"{}",
        "/v2/repository/models/arithmetic/unload": b"{}",
        "/v2/systemsharedmemory/status": None,
        "/v2/logging": None,
        "/v2/trace/setting": None,
    }
    for path, body in asks.items():
        assert status(path, {}, body) == 403, path
    assert status("/v2/health/ready", {}) == 200
    assert status("/v2", {NAME: file.read_text()}) == 200


@pytest.mark.live
def test_the_key_stands_in_no_list_of_processes_log_or_readable_file(guarded):
    triton, file = guarded
    secret = file.read_bytes().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    for pid in (triton.pid, *model_instances(triton.pid)):
        for entry in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{pid}/{entry}").read_bytes()
    assert b"--grpc-restricted-protocol" in Path(f"/proc/{triton.pid}/cmdline").read_bytes()
    assert secret not in triton.child.log.read_bytes()


@pytest.mark.live
async def test_the_seam_shows_the_key_and_says_what_is_missing_without(guarded):
    triton, file = guarded
    inputs = {"x": np.ones((1, 4), np.float32)}
    answers = TritonInference(triton.grpc_address, key=TritonKey(file))
    assert (await answers.infer(ARITHMETIC, inputs, timeout_s=20)).runtime == "triton 2.51.0"
    assert await answers.is_ready(ARITHMETIC)
    await answers.close()
    refused = TritonInference(triton.grpc_address)
    with pytest.raises(ModelUnavailable, match="set MEDMESH_TRITON_KEY_FILE"):
        await refused.infer(ARITHMETIC, inputs, timeout_s=20)
    assert not await refused.is_ready(ARITHMETIC)
    await refused.close()


def test_a_key_that_changes_is_read_again_and_one_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("services.chassis.models.triton_key._READ_AGAIN_S", 0.0)
    file = key.make(tmp_path / "key")
    shown = TritonKey(file)
    first = shown.headers()
    assert key.make(file).read_text() != first[HEADER]
    assert shown.headers() == {HEADER: file.read_text()}
    file.unlink()
    assert shown.headers() != first
    with pytest.raises(SettingsError, match="MEDMESH_TRITON_KEY_FILE: the file cannot be read"):
        TritonKey(file)
    file.write_text("\n")  # of an empty one everybody has the key
    assert shown.headers()[HEADER]
    with pytest.raises(SettingsError, match="MEDMESH_TRITON_KEY_FILE: the file cannot be read, or is empty"):
        TritonKey(file)
    with pytest.raises(Missing, match="MEDMESH_TRITON_KEY_FILE: the file cannot be read, or is empty"):
        EmbeddedTriton.start(TritonSettings(key_file=file, log=tmp_path / "log"), lambda _: None)


def test_a_part_that_asks_triton_has_the_key_in_its_folder(tmp_path):
    folder = tmp_path / "imaging"
    folder.mkdir()
    assert ServiceSettings(identity_folder=folder).triton_key_file is None
    assert ServiceSettings(identity_folder=folder, triton_key_file=tmp_path).triton_key_file == tmp_path
    key.make(folder / "triton.key")
    assert ServiceSettings(identity_folder=folder).triton_key_file == folder / "triton.key"
