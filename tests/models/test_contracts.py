"""What holds of every model that is served, on the fake and on the real Triton alike."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.models.conftest import MODELS, NOT_EXCLUSIVE, REPOSITORY, example

each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@each_model
async def test_it_is_ready(inference, model):
    assert await inference.is_ready(model)


@each_model
def test_int8_activations_are_summed_without_clipping_on_every_processor(model):
    folder = REPOSITORY / model.name
    graph = onnx.load(folder / "1" / "model.onnx", load_external_data=False).graph
    quantized = any(node.op_type == "QuantizeLinear" for node in graph.node)
    config = (folder / "config.pbtxt").read_text(encoding="utf-8")
    key = 'key: "session.x64quantprecision" value: { string_value: "1" }'
    assert (key in config) == quantized


@each_model
async def test_it_answers_finite_numbers_of_its_contract(inference, model):
    outputs = (await inference.infer(model, example(model, rows=2), timeout_s=60)).outputs
    assert set(outputs) == {tensor.name for tensor in model.outputs}
    for tensor in model.outputs:
        assert outputs[tensor.name].dtype == tensor.dtype
        assert outputs[tensor.name].ndim == 1 + len(tensor.shape)
        assert np.isfinite(outputs[tensor.name]).all()


@each_model
async def test_a_row_is_answered_alike_alone_and_in_company(inference, model):
    batch = example(model, rows=4)
    together = (await inference.infer(model, batch, timeout_s=60)).outputs
    alone = (await inference.infer(model, {name: a[1:2] for name, a in batch.items()}, timeout_s=60)).outputs
    for name, answer in alone.items():
        np.testing.assert_allclose(answer[0], together[name][1], rtol=1e-3, atol=2e-3)


@each_model
async def test_probabilities_are_probabilities(inference, model):
    outputs = (await inference.infer(model, example(model, rows=3), timeout_s=60)).outputs
    for name in ("probabilities", "probability", "scores"):
        if name in outputs:
            assert outputs[name].min() >= 0
            assert outputs[name].max() <= 1
    if "probabilities" in outputs and model.name not in NOT_EXCLUSIVE:
        np.testing.assert_allclose(outputs["probabilities"].sum(axis=-1), 1, atol=1e-3)


async def test_embeddings_have_unit_length(inference):
    model = MODELS["note_embedding"]
    embedding = ((await inference.infer(model, example(model, rows=3), timeout_s=60)).outputs)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-3)
