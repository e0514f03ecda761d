"""The models of `triton_repo/` on a real Triton, and fakes that keep the same contracts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from services.chassis.models.inference import ModelVersion
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import model_folders
from services.chassis.models.triton import TritonInference
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.fakes import FakeInference

REPOSITORY = Path(__file__).resolve().parents[2] / "triton_repo"
NOT_EXCLUSIVE = {"image_gate"}
"""Models whose labels do not exclude each other: their probabilities need not sum to 1."""
CHECKED = {name: inspect(folder, complete=True) for name, folder in model_folders([REPOSITORY]).items()}
MODELS = {name: checked.stable.runs for name, checked in CHECKED.items() if checked.stable is not None}
"""What is asked to run, by the models' names."""


def example(model: ModelVersion, rows: int, seed: int = 0, length: int = 32) -> dict[str, np.ndarray]:
    """Inputs within the contract; variable lengths are `length`."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for tensor in model.inputs:
        shape = (rows, *(length if axis == -1 else axis for axis in tensor.shape))
        if tensor.name == "attention_mask":
            inputs[tensor.name] = np.ones(shape, tensor.dtype)
        elif np.issubdtype(tensor.dtype, np.integer):
            high = 256 if tensor.dtype == np.uint8 else 20_000
            inputs[tensor.name] = rng.integers(0, high, shape).astype(tensor.dtype)
        else:
            inputs[tensor.name] = rng.random(shape, dtype=np.float32).astype(tensor.dtype)
    return inputs


def fake(model: ModelVersion):
    """A function that keeps the contract of `model`: each row depends on that row of the inputs alone."""

    def answer(inputs):
        sums = sum(
            np.nan_to_num(np.asarray(a, np.float64)).reshape(len(a), -1).sum(axis=1) for a in inputs.values()
        )
        length = next(iter(inputs.values())).shape[-1]
        outputs = {}
        for tensor in model.outputs:
            shape = tuple(length if axis == -1 else axis for axis in tensor.shape)
            cells = np.arange(1, math.prod(shape) + 1).reshape(1, *shape)
            values = 0.5 + 0.4 * np.sin(sums.reshape(-1, *(1 for _ in shape)) + cells)
            if tensor.name == "probabilities" and model.name not in NOT_EXCLUSIVE:
                values /= values.sum(axis=-1, keepdims=True)
            if tensor.name == "embedding":
                values /= np.linalg.norm(values, axis=-1, keepdims=True)
            outputs[tensor.name] = values.astype(tensor.dtype)
        return outputs

    return answer


@pytest.fixture(scope="session")
def triton(tmp_path_factory):
    """The embedded Triton with the models that the services use."""
    log = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedTriton.start(TritonSettings(repository=(REPOSITORY,), log=log)) as server:
        yield server


@pytest.fixture(params=["fake", pytest.param("triton", marks=pytest.mark.live)])
async def inference(request):
    """What runs the models: a fake, and the real thing."""
    if request.param == "fake":
        yield FakeInference({name: fake(model) for name, model in MODELS.items()})
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
