"""What an ONNX file says of its graph's inputs and outputs, read without the onnx package.

The file is protobuf; only the fields named here are looked at, and the weights are skipped where they lie,
so that a file of gigabytes is read in milliseconds. Field numbers: onnx.proto3 of ONNX 1.16, which never
change.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Value = int | memoryview

_GRAPH = 7  # of ModelProto
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12  # of GraphProto
_SPARSE_INITIALIZER = 15
_NAME, _TYPE = 1, 2  # of ValueInfoProto
_TENSOR_TYPE = 1  # of TypeProto
_ELEMENT, _SHAPE = 1, 2  # of TypeProto.Tensor
_DIMENSION, _DIMENSION_VALUE = 1, 1  # of TensorShapeProto, of its Dimension
_INITIALIZER_NAME, _EXTERNAL_DATA = 8, 13  # of TensorProto
_KEY, _VALUE = 1, 2  # of StringStringEntryProto

_DATATYPES = {
    1: "FP32",
    2: "UINT8",
    3: "INT8",
    4: "UINT16",
    5: "INT16",
    6: "INT32",
    7: "INT64",
    8: "BYTES",
    9: "BOOL",
    10: "FP16",
    11: "FP64",
    12: "UINT32",
    13: "UINT64",
    16: "BF16",
}
"""TensorProto.DataType -> Triton's name."""


class NotAnOnnxFile(ValueError):  # noqa: N818 - says what is wrong
    """The file is not an ONNX model."""


@dataclass(frozen=True)
class GraphTensor:
    """One input or output of the graph."""

    name: str
    datatype: str
    """Triton's name of the element type; empty: one that Triton does not have."""
    shape: tuple[int, ...] | None
    """With the batch axis; -1 is a dimension without a fixed size. None: the file does not say."""


@dataclass(frozen=True)
class Graph:
    """The contract of an ONNX file."""

    inputs: tuple[GraphTensor, ...]
    """Without those that the file itself fills."""
    outputs: tuple[GraphTensor, ...]
    external_files: tuple[str, ...]
    """Files beside it that hold weights, by their path relative to its folder."""


def read_graph(path: Path) -> Graph:
    """Reads the file. Raises NotAnOnnxFile, and OSError where it cannot be opened."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with its last view
        except ValueError as error:  # an empty file
            raise NotAnOnnxFile("the file is empty") from error
    try:
        return _graph(memoryview(content))
    except (IndexError, UnicodeDecodeError, TypeError) as error:
        raise NotAnOnnxFile("the file is not an ONNX model") from error


def _graph(model: memoryview) -> Graph:
    graphs = _all(model, _GRAPH)
    if not graphs:
        raise NotAnOnnxFile("the file holds no graph")
    inputs, outputs, filled, external = [], [], set(), set()
    for field, value in _fields(graphs[0]):
        if field == _INPUT:
            inputs.append(_tensor(_part(value)))
        elif field == _OUTPUT:
            outputs.append(_tensor(_part(value)))
        elif field == _INITIALIZER:
            name, location = _initializer(_part(value))
            filled.add(name)
            external.add(location)
        elif field == _SPARSE_INITIALIZER:
            filled.add(_initializer(_all(_part(value), 1)[0])[0])
    return Graph(
        tuple(tensor for tensor in inputs if tensor.name not in filled),
        tuple(outputs),
        tuple(sorted(external - {""})),
    )


def _tensor(info: memoryview) -> GraphTensor:
    name, datatype, shape = _text(_all(info, _NAME)[0]), "", None
    for kind in _all(info, _TYPE):
        for tensor in _all(kind, _TENSOR_TYPE):
            for field, value in _fields(tensor):
                if field == _ELEMENT and isinstance(value, int):
                    datatype = _DATATYPES.get(value, "")
                elif field == _SHAPE:
                    shape = tuple(_dimension(axis) for axis in _all(_part(value), _DIMENSION))
    return GraphTensor(name, datatype, shape)


def _dimension(axis: memoryview) -> int:
    found = [value for field, value in _fields(axis) if field == _DIMENSION_VALUE and isinstance(value, int)]
    return found[-1] if found and found[-1] > 0 else -1


def _initializer(tensor: memoryview) -> tuple[str, str]:
    """Name, and the file that holds it; empty: this one."""
    name, location = "", ""
    for field, value in _fields(tensor):
        if field == _INITIALIZER_NAME:
            name = _text(_part(value))
        elif field == _EXTERNAL_DATA:
            entry = _part(value)
            if _text(_all(entry, _KEY)[0]) == "location":
                location = _text(_all(entry, _VALUE)[0])
    return name, location


def _all(message: memoryview, wanted: int) -> list[memoryview]:
    return [_part(value) for field, value in _fields(message) if field == wanted]


def _part(value: Value) -> memoryview:
    if isinstance(value, int):
        raise TypeError("a number where a message belongs")
    return value


def _text(part: memoryview) -> str:
    return bytes(part).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field: an int, or the bytes of a message, text or packed list."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield field, value
            continue
        if wire_type == 2:
            length, at = _varint(message, at)
        elif wire_type in {1, 5}:
            length = 8 if wire_type == 1 else 4
        else:
            raise NotAnOnnxFile("the file is not an ONNX model")
        if at + length > len(message):
            raise NotAnOnnxFile("the file is cut off")
        yield field, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise NotAnOnnxFile("the file is not an ONNX model")
