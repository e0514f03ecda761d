"""The models that are committed: each configuration is bounded, and all of them load and answer together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype

from services.bootstrap import ROOT
from services.triton import EmbeddedTriton, TritonSettings
from services.triton.repository import model_names

REPOSITORY = ROOT / "triton_repo"
MODELS = model_names(REPOSITORY)


def read(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def test_there_are_models():
    assert MODELS


@pytest.mark.parametrize("name", MODELS)
class TestConfiguration:
    def test_its_queue_has_a_bound_and_a_timeout(self, name: str):
        """Triton's own defaults are an endless queue without a timeout."""
        policy = read(REPOSITORY / name / "config.pbtxt").dynamic_batching.default_queue_policy
        assert policy.max_queue_size > 0
        assert policy.default_timeout_microseconds > 0
        assert policy.allow_timeout_override
        assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT

    def test_it_runs_under_either_triton(self, name: str):
        config = read(REPOSITORY / name / "config.pbtxt")
        assert config.backend == "onnxruntime"
        assert config.max_batch_size > 0
        assert {group.kind for group in config.instance_group} == {
            model_config_pb2.ModelInstanceGroup.KIND_CPU
        }
        assert config.parameters["intra_op_thread_count"].string_value == "1"

    def test_no_answer_comes_from_a_cache(self, name: str):
        """The cache does not know about weights: it would answer with those of yesterday."""
        assert not read(REPOSITORY / name / "config.pbtxt").response_cache.enable


@pytest.mark.live
def test_all_of_them_load_and_answer_at_the_same_time(tmp_path: Path):
    settings = TritonSettings(repository=REPOSITORY, log=tmp_path / "log")
    with (
        EmbeddedTriton.start(settings, [].append) as triton,
        tritonclient.grpc.InferenceServerClient(triton.grpc_address) as client,
    ):
        for name in MODELS:
            config = read(REPOSITORY / name / "config.pbtxt")
            answer = client.infer(name, [_ones(tensor) for tensor in config.input])
            for tensor in config.output:
                array = answer.as_numpy(tensor.name)
                assert array.shape[0] == 2
                assert array.size
                assert np.isfinite(array).all()
        triton.check()


def _ones(tensor: model_config_pb2.ModelInput) -> tritonclient.grpc.InferInput:
    kind = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
    shape = [2, *(8 if dim == -1 else dim for dim in tensor.dims)]
    made = tritonclient.grpc.InferInput(tensor.name, shape, kind)
    made.set_data_from_numpy(np.ones(shape, dtype=triton_to_np_dtype(kind)))
    return made
