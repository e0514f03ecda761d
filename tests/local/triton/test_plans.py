"""What trtexec is asked for; the plans themselves need a GPU."""

from __future__ import annotations

import pytest

from services.local.triton import plans
from services.local.triton.repository import onnxruntime_models
from services.local.triton.tensorrt import tensorrt_config
from tools.bootstrap import ROOT

REPOSITORY = ROOT / "triton_repo"

TEXT = """name: "x"
backend: "onnxruntime"
max_batch_size: 8
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output [ { name: "embedding" data_type: TYPE_FP32 dims: [ 384 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
"""


def test_the_shapes_are_those_that_the_configuration_allows():
    found = plans.shapes(TEXT)
    assert found.least == "input_ids:1x16,attention_mask:1x16"
    assert found.usual == "input_ids:8x128,attention_mask:8x128"
    assert found.greatest == "input_ids:8x256,attention_mask:8x256"


def test_a_configuration_without_inputs_is_reported():
    with pytest.raises(ValueError, match="no inputs"):
        plans.shapes('name: "x"\nmax_batch_size: 8\n')


@pytest.mark.parametrize("name", onnxruntime_models(REPOSITORY))
def test_every_model_has_a_command_with_all_its_inputs_and_fixed_sizes(name):
    text = (REPOSITORY / name / "config.pbtxt").read_text()
    inputs = text[text.index("\ninput [") : text.index("\noutput [")].count("name:")
    [greatest] = [w for w in plans.command(REPOSITORY / name, "26.07") if w.startswith("--maxShapes=")]
    assert greatest.count(":") == inputs
    assert "-1" not in greatest


def test_the_plans_configuration_names_the_backend_and_drops_the_accelerator():
    made = plans.plan_config(TEXT)
    assert 'backend: "tensorrt"' in made
    assert 'default_model_filename: "model.plan"' in made
    assert "KIND_GPU" in made
    assert "execution_accelerators" in tensorrt_config(TEXT)
    assert "execution_accelerators" not in made
    assert "services.local.triton.plans" in made
