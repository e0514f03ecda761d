"""What holds of every model that is shipped, on the fake and on the real Triton alike."""

from __future__ import annotations

import numpy as np
import onnx

from medmesh.common.v1.serving_pb2 import ACTIVATION_NONE, ACTIVATION_UNSPECIFIED
from tests.models.conftest import MODELS, contract, each_answerer, each_model, example, exclusive


@each_answerer
async def test_it_is_ready(inference, model):
    assert await inference.is_ready(model.stable.runs)


@each_model
def test_int8_activations_are_summed_without_clipping_on_every_processor(model):
    folder = model.stable.folder
    graph = onnx.load(folder / "1" / "model.onnx", load_external_data=False).graph
    quantized = any(node.op_type == "QuantizeLinear" for node in graph.node)
    config = (folder / "config.pbtxt").read_text(encoding="utf-8")
    key = 'key: "session.x64quantprecision" value: { string_value: "1" }'
    assert (key in config) == quantized


@each_answerer
async def test_it_answers_finite_numbers_of_its_contract(inference, model):
    outputs = (await inference.infer(model.stable.runs, example(model, rows=2), timeout_s=60)).outputs
    assert set(outputs) == {tensor.name for tensor in model.stable.runs.outputs}
    for tensor in model.stable.runs.outputs:
        assert outputs[tensor.name].dtype == tensor.dtype
        assert outputs[tensor.name].ndim == 1 + len(tensor.shape)
        assert np.isfinite(outputs[tensor.name]).all()


@each_answerer
async def test_a_row_is_answered_alike_alone_and_in_company(inference, model):
    batch = example(model, rows=4)
    row = {name: array[1:2] for name, array in batch.items()}
    together = (await inference.infer(model.stable.runs, batch, timeout_s=60)).outputs
    alone = (await inference.infer(model.stable.runs, row, timeout_s=60)).outputs
    for name, answer in alone.items():
        np.testing.assert_allclose(answer[0], together[name][1], rtol=1e-3, atol=2e-3)


@each_answerer
async def test_scores_are_probabilities_where_the_card_says_so(inference, model):
    task = contract(model)
    activation = getattr(task, "activation", ACTIVATION_NONE)
    if not getattr(task, "scores_tensor", "") or activation not in {ACTIVATION_NONE, ACTIVATION_UNSPECIFIED}:
        return  # an embedding, or logits
    answer = await inference.infer(model.stable.runs, example(model, rows=3), timeout_s=60)
    scores = answer.outputs[task.scores_tensor]
    assert scores.min() >= 0
    assert scores.max() <= 1
    if exclusive(model):
        np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-3)


async def test_embeddings_have_unit_length(inference):
    embedders = [m for m in MODELS.values() if m.task in {"text_embedding", "record_embedding"}]
    assert embedders
    for model in embedders:
        answer = await inference.infer(model.stable.runs, example(model, rows=3), timeout_s=60)
        embedding = answer.outputs[contract(model).embedding_tensor]
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-3)
