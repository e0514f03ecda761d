"""The models of `triton_repo/` on a real Triton, and fakes that keep the same contracts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.chassis.models.inspection import CheckedModel, inspect
from services.chassis.models.repository import model_folders
from services.chassis.models.triton import TritonInference
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.fakes import FakeInference

REPOSITORY = Path(__file__).resolve().parents[2] / "triton_repo"
MODELS = {name: inspect(folder, complete=True) for name, folder in model_folders([REPOSITORY]).items()}
WRITERS = {name: model for name, model in MODELS.items() if model.task == "text_generation"}
"""They stream text and take requests one by one; the others answer a batch of tensors with tensors."""
ANSWERERS = {name: model for name, model in MODELS.items() if name not in WRITERS}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
each_answerer = pytest.mark.parametrize("model", ANSWERERS.values(), ids=list(ANSWERERS))


def contract(model: CheckedModel) -> Any:
    """The task's own part of the card."""
    return getattr(model.card.serving, model.task)


def exclusive(model: CheckedModel) -> bool:
    """Whether the model's probabilities sum to 1 over its labels."""
    return getattr(contract(model), "exclusive", model.task == "token_classification")


def example(model: CheckedModel, rows: int, seed: int = 0, length: int = 32) -> dict[str, np.ndarray]:
    """Inputs within the contract; variable lengths are `length`."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for tensor in model.stable.runs.inputs:
        shape = (rows, *(length if axis == -1 else axis for axis in tensor.shape))
        if tensor.name == "attention_mask":
            inputs[tensor.name] = np.ones(shape, tensor.dtype)
        elif np.issubdtype(tensor.dtype, np.integer):
            high = 256 if tensor.dtype == np.uint8 else 20_000
            inputs[tensor.name] = rng.integers(0, high, shape).astype(tensor.dtype)
        else:
            inputs[tensor.name] = rng.random(shape, dtype=np.float32).astype(tensor.dtype)
    return inputs


def fake(model: CheckedModel):
    """A function that keeps the card's contract: each row depends on that row of the inputs alone."""

    def answer(inputs):
        sums = sum(
            np.nan_to_num(np.asarray(a, np.float64)).reshape(len(a), -1).sum(axis=1) for a in inputs.values()
        )
        length = next(iter(inputs.values())).shape[-1]
        outputs = {}
        for tensor in model.stable.runs.outputs:
            shape = tuple(length if axis == -1 else axis for axis in tensor.shape)
            cells = np.arange(1, math.prod(shape) + 1).reshape(1, *shape)
            values = 0.5 + 0.4 * np.sin(sums.reshape(-1, *(1 for _ in shape)) + cells)
            if tensor.name == getattr(contract(model), "scores_tensor", "") and exclusive(model):
                values /= values.sum(axis=-1, keepdims=True)
            if tensor.name == getattr(contract(model), "embedding_tensor", ""):
                values /= np.linalg.norm(values, axis=-1, keepdims=True)
            outputs[tensor.name] = values.astype(tensor.dtype)
        return outputs

    return answer


@pytest.fixture(scope="session")
def triton(tmp_path_factory):
    """The embedded Triton with the models that the project ships."""
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(REPOSITORY,), log=log)) as server:
        yield server


@pytest.fixture(params=["fake", pytest.param("triton", marks=pytest.mark.live)])
async def inference(request):
    """What runs the models: a fake, and the real thing."""
    if request.param == "fake":
        yield FakeInference({name: fake(model) for name, model in ANSWERERS.items()})
        return
    real = TritonInference(request.getfixturevalue("triton").grpc_address)
    yield real
    await real.close()


@pytest.fixture
async def live(triton):
    """The real models alone."""
    real = TritonInference(triton.grpc_address)
    yield real
    await real.close()
