"""Int8 weights: which matrices are stored so, how near they stay, and that any ONNX runtime reads them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from training.compression import store_weights_as_int8

WIDTH, HIDDEN, STEPS, ROWS = 70, 64, 5, 3


@pytest.fixture
def weights():
    """Outputs of very different size, so that one scale for all of them would not do."""
    rng = np.random.default_rng(0)

    def matrix(*shape, axis):
        sizes = np.geomspace(0.01, 10, shape[axis]).reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
        return (rng.normal(size=shape) * sizes / WIDTH).astype(np.float32)

    return {
        "product": matrix(WIDTH, WIDTH, axis=1),
        "transposed": matrix(WIDTH, WIDTH, axis=0),
        "gates": matrix(1, 3 * HIDDEN, WIDTH, axis=1),
        "recurrence": matrix(1, 3 * HIDDEN, HIDDEN, axis=1),
        "kept": matrix(WIDTH, WIDTH, axis=1),
        "small": matrix(HIDDEN, 2, axis=1),
    }


def network(weights):
    """Every kind of matrix, one behind the other: [steps, rows, WIDTH] -> [rows, 2]."""
    nodes = [
        helper.make_node("MatMul", ["x", "product"], ["a"], "first"),
        helper.make_node("MatMul", ["a", "kept"], ["b"], "fragile/second"),
        helper.make_node("Reshape", ["b", "flat"], ["c"]),
        helper.make_node("Gemm", ["c", "transposed"], ["d"], "third", transB=1),
        helper.make_node("Reshape", ["d", "series"], ["e"]),
        helper.make_node("GRU", ["e", "gates", "recurrence"], ["", "f"], "fourth", hidden_size=HIDDEN),
        helper.make_node("Squeeze", ["f", "front"], ["g"]),
        helper.make_node("MatMul", ["g", "small"], ["y"], "fifth"),
    ]
    shapes = {
        "flat": np.array([-1, WIDTH]),
        "series": np.array([STEPS, -1, WIDTH]),
        "front": np.array([0]),
    }
    graph = helper.make_graph(
        nodes,
        "all_kinds",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, "rows", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(values, name) for name, values in {**weights, **shapes}.items()],
    )
    # The exports have opset 17; the reference evaluator knows DequantizeLinear, which is the same, from 19.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def initializers(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def dequantized(stored, name, axis):
    scales = stored[f"{name}.scale"].reshape(
        [-1 if a == axis else 1 for a in range(stored[f"{name}.int8"].ndim)]
    )
    return stored[f"{name}.int8"].astype(np.float32) * scales


AXES = {"product": 1, "transposed": 0, "gates": 1, "recurrence": 1}


def test_large_matrices_become_int8_and_the_others_stay(weights):
    model = network(weights)
    store_weights_as_int8(model, but=("fragile/",))
    onnx.checker.check_model(model)
    stored = initializers(model)
    assert {name for name in weights if name not in stored} == set(AXES)
    assert all(stored[f"{name}.int8"].dtype == np.int8 for name in AXES)
    assert model.ByteSize() < 0.5 * network(weights).ByteSize()


@pytest.mark.parametrize(("name", "axis"), AXES.items())
def test_each_output_is_rounded_by_its_own_scale(weights, name, axis):
    """No weight moves by more than half a step, a step being the largest of its output over 127."""
    model = network(weights)
    store_weights_as_int8(model)
    others = tuple(other for other in range(weights[name].ndim) if other != axis)
    step = np.abs(weights[name]).max(axis=others, keepdims=True) / 127
    moved = np.abs(dequantized(initializers(model), name, axis) - weights[name])
    assert (moved <= 0.501 * step).all()
    assert moved.max() > 0


def test_the_graph_computes_with_the_rounded_weights(weights):
    """The int8 graph answers as the fp32 graph of the rounded weights does."""
    model = network(weights)
    store_weights_as_int8(model, but=("fragile/",))
    rounded = {name: dequantized(initializers(model), name, axis) for name, axis in AXES.items()}
    x = np.random.default_rng(1).normal(size=(STEPS, ROWS, WIDTH)).astype(np.float32)

    def answer(of):
        return ReferenceEvaluator(of).run(None, {"x": x})[0]

    np.testing.assert_allclose(answer(model), answer(network(weights | rounded)), atol=1e-6)
    assert np.abs(answer(model) - answer(network(weights))).max() > 1e-6
