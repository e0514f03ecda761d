"""The configurations of the committed models hold under the embedded Triton and under NVIDIA's; the links
that it is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from services.local.triton.repository import Links, model_names, onnxruntime_models
from tools.bootstrap import ROOT

REPOSITORY = ROOT / "triton_repo"
MODELS = model_names(REPOSITORY)


def read(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def test_there_are_models():
    assert MODELS
    assert set(onnxruntime_models(REPOSITORY)) == {
        name for name in MODELS if read(REPOSITORY / name / "config.pbtxt").backend == "onnxruntime"
    }


@pytest.mark.parametrize("name", MODELS)
class TestConfiguration:
    def test_it_runs_under_either_triton(self, name: str):
        """What writes text is the exception: NVIDIA's has no such backend, and its vLLM takes the place."""
        config = read(REPOSITORY / name / "config.pbtxt")
        assert config.backend in {"onnxruntime", "causal_lm"}
        assert (config.max_batch_size > 0) == (config.backend == "onnxruntime")
        assert {group.kind for group in config.instance_group} == {
            model_config_pb2.ModelInstanceGroup.KIND_CPU
        }
        assert config.parameters["intra_op_thread_count"].string_value == "1"

    def test_no_answer_comes_from_a_cache(self, name: str):
        """The cache does not know about weights: it would answer with those of yesterday."""
        assert not read(REPOSITORY / name / "config.pbtxt").response_cache.enable


def test_of_two_folders_of_one_name_the_first_one_is_linked(tmp_path: Path):
    for place in ("own", "shipped"):
        (tmp_path / place / "reader").mkdir(parents=True)
        (tmp_path / place / "reader" / "config.pbtxt").write_text("")
    links = Links(tmp_path / "links", [tmp_path / "own", tmp_path / "shipped"])
    assert (tmp_path / "links" / "reader").resolve() == tmp_path / "own" / "reader"
    shutil.rmtree(tmp_path / "own" / "reader")
    links.refresh()
    assert (tmp_path / "links" / "reader").resolve() == tmp_path / "shipped" / "reader"
    (tmp_path / "shipped" / "leftover" / "configs").mkdir(parents=True)
    links.refresh()
    assert [link.name for link in (tmp_path / "links").iterdir()] == ["reader"]
