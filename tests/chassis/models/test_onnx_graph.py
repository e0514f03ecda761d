"""The reader of ONNX files says what the onnx package says, and of anything else that it is none."""

from __future__ import annotations

from contextlib import suppress

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from services.chassis.models.onnx_graph import NotAnOnnxFile, read_graph
from tests.chassis.models.folders import write_weights
from tests.fakes import REAL_MODELS

REAL = sorted(path.parent.parent.name for path in REAL_MODELS.glob("*/1/model.onnx"))


def by_onnx(values):
    return [
        (
            value.name,
            value.type.tensor_type.elem_type,
            tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim),
        )
        for value in values
    ]


@pytest.mark.parametrize("name", REAL)
def test_it_agrees_with_onnx_on_the_shipped_models(name):
    path = REAL_MODELS / name / "1" / "model.onnx"
    graph, expected = read_graph(path), onnx.load(path).graph
    numbers = {"FP32": 1, "UINT8": 2, "INT64": 7}
    for found, values in ((graph.inputs, expected.input), (graph.outputs, expected.output)):
        assert [(t.name, numbers[t.datatype], t.shape) for t in found] == by_onnx(values)
    assert graph.external_files == ()


def test_inputs_that_the_file_fills_itself_are_none(tmp_path):
    x, w, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in "xwy")
    filled = helper.make_tensor("w", TensorProto.FLOAT, [1, 2], [1.0, 2.0])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x, w], [y], [filled])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert [t.name for t in read_graph(tmp_path / "m.onnx").inputs] == ["x"]


def test_files_that_hold_weights_beside_it_are_named(tmp_path):
    write_weights(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.initializer[0].raw_data = b"\0\0\0\0"
    model.graph.initializer[0].ClearField("float_data")
    onnx.save_model(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    assert read_graph(tmp_path / "m.onnx").external_files == ("m.data",)


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", b"\x00" * 40, b"\x08\x07"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(NotAnOnnxFile):
        read_graph(tmp_path / "m.onnx")


@given(place=st.integers(0, 200), value=st.integers(0, 255), end=st.integers(0, 250))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, place, value, end):
    folder = tmp_path_factory.mktemp("damaged")
    write_weights(folder / "m.onnx")
    content = bytearray((folder / "m.onnx").read_bytes())
    content[place % len(content)] = value
    (folder / "m.onnx").write_bytes(content[: max(end, 1)])
    with suppress(NotAnOnnxFile):
        read_graph(folder / "m.onnx")
