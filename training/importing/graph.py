"""What an ONNX file is: its tensors, precision and whether it can be served; and running it.

The graph runs on onnxruntime where that is installed (the training environment), else on the reference
implementation in the package `onnx`, which computes the same, slowly.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from training.importing import Refused

OPSETS = range(11, 21)
"""Of the standard operators: what the embedded Triton and NVIDIA's releases both load."""
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
"""Operator sets that ONNX Runtime itself implements."""
LENGTHS = (12, 20)
"""What variable axes are filled with when the graph is tried."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DATATYPES: dict[int, str] = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.INT64: "INT64",
    TensorProto.INT32: "INT32",
    TensorProto.INT8: "INT8",
    TensorProto.UINT8: "UINT8",
    TensorProto.BOOL: "BOOL",
}

Arrays = dict[str, npt.NDArray[Any]]
Run = Callable[[Mapping[str, npt.NDArray[Any]]], Arrays]


@dataclass(frozen=True)
class GraphTensor:
    """One input or output. `shape` leaves out the batch axis; -1 is a variable length."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """What a card has to say of an ONNX file."""

    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]
    precision: str
    """`fp32`, `fp16` or `int8`: that of the smallest weights in it."""


def load(path: Path) -> onnx.ModelProto:
    """The model in a single file. Raises Refused where it is none, or keeps its weights beside it."""
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # the parser, the checker and the file system each raise their own
        raise Refused(f"{path} is no ONNX model that can be read ({type(error).__name__})") from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise Refused(
            f"{path} keeps its weights in other files; save it as one: "
            "onnx.save(onnx.load(IN), OUT, save_as_external_data=False)"
        )
    return model


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Gives inputs and outputs of `model` new names, by one Identity each, so that nothing inside changes.

    Raises Refused for a name that the model has not.
    """
    graph = model.graph
    unknown = sorted(set(names) - {value.name for value in (*graph.input, *graph.output)})
    if unknown:
        raise Refused(f"the model has no input or output named {', '.join(unknown)}")
    for value in graph.input:
        if value.name in names:
            graph.node.insert(0, helper.make_node("Identity", [names[value.name]], [value.name]))
            value.name = names[value.name]
    for value in graph.output:
        if value.name in names:
            graph.node.append(helper.make_node("Identity", [value.name], [names[value.name]]))
            value.name = names[value.name]


def runner(path: Path) -> tuple[Run, str]:
    """What runs the file, and its name."""
    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return (
            lambda inputs: dict(zip(names, session.run(None, dict(inputs)), strict=True)),
            f"onnxruntime {onnxruntime.__version__}",
        )
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    return (
        lambda inputs: dict(zip(evaluator.output_names, evaluator.run(None, dict(inputs)), strict=True)),
        f"the reference implementation of onnx {onnx.__version__}",
    )


def inspect(path: Path) -> Graph:
    """Reads the file, tries it on random inputs of several sizes, and says what it is.

    Raises Refused where names, operators or axes do not fit the model repository, where it does not run, or
    where a row's answer depends on the rows beside it.
    """
    model = load(path)
    _check_operators(model)
    inputs, outputs = tensors_of(model)
    run, runtime = runner(path)
    tried = {}
    for length in LENGTHS if any(-1 in tensor.shape for tensor in inputs) else LENGTHS[:1]:
        batch = random_inputs(inputs, rows=3, length=length)
        try:
            together, alone = run(batch), run({name: array[1:2] for name, array in batch.items()})
        except Exception as error:  # a runtime's own exceptions; their text may be long
            first = (str(error).splitlines() or [""])[0]
            raise Refused(f"{path} does not run on {runtime}: {type(error).__name__}: {first}") from error
        _check_rows(together, alone)
        tried[length] = {name: array.shape[1:] for name, array in together.items()}
    return Graph(
        inputs=tuple(inputs),
        outputs=tuple(
            _observed(output, [shapes[output.name] for shapes in tried.values()]) for output in outputs
        ),
        precision=_precision(model),
    )


def tensors_of(model: onnx.ModelProto) -> tuple[list[GraphTensor], list[GraphTensor]]:
    """Inputs and outputs as the file declares them. Raises Refused where one does not fit."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [_tensor(value) for value in model.graph.input if value.name not in weights]
    return inputs, [_tensor(value) for value in model.graph.output]


def random_inputs(inputs: Sequence[GraphTensor], rows: int, length: int, seed: int = 0) -> Arrays:
    """A batch that the tensors allow: bytes 0..255, standard normal floats, other integers 0 or 1."""
    rng = np.random.default_rng(seed)
    batch: Arrays = {}
    for tensor in inputs:
        shape = (rows, *(length if axis == -1 else axis for axis in tensor.shape))
        if tensor.datatype.startswith("FP"):
            values = rng.standard_normal(shape).astype(
                np.float16 if tensor.datatype == "FP16" else np.float32
            )
        elif tensor.datatype == "UINT8":
            values = rng.integers(0, 256, shape, dtype=np.uint8)
        else:
            values = rng.integers(0, 2, shape).astype(tensor.datatype.lower())
            values[..., :1] = 1  # a mask that hides everything has no answer
        batch[tensor.name] = values
    return batch


def _tensor(value: onnx.ValueInfoProto) -> GraphTensor:
    kind = value.type.tensor_type
    if not _NAME.fullmatch(value.name):
        raise Refused(
            f"the tensor {value.name!r} has no proper name; give it one of small letters, digits and _: "
            f"--rename {value.name}=NEW_NAME"
        )
    if kind.elem_type not in _DATATYPES:
        raise Refused(f"the tensor {value.name} has a type that is not served here")
    axes = [axis.dim_value if axis.HasField("dim_value") else -1 for axis in kind.shape.dim]
    if not axes or axes[0] != -1:
        raise Refused(
            f"the first axis of {value.name} is {axes[0] if axes else 'missing'}; export the model with a "
            "free batch axis (torch.onnx.export: dynamic_axes={name: {0: 'batch'}})"
        )
    return GraphTensor(value.name, _DATATYPES[kind.elem_type], tuple(axes[1:]))


def _observed(output: GraphTensor, shapes: Sequence[tuple[int, ...]]) -> GraphTensor:
    """An exporter may leave an axis open that is fixed: what does not change with the input is fixed."""
    axes = tuple(seen[0] if len(set(seen)) == 1 else -1 for seen in zip(*shapes, strict=True))
    return GraphTensor(output.name, output.datatype, axes)


def _check_operators(model: onnx.ModelProto) -> None:
    foreign = sorted({entry.domain for entry in model.opset_import} - DOMAINS)
    if foreign:
        raise Refused(f"the model needs operators of {', '.join(foreign)}, which ONNX Runtime does not bring")
    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    if opset not in OPSETS:
        raise Refused(
            f"the model is of opset {opset}; {OPSETS[0]} to {OPSETS[-1]} are served: export it again, or "
            "convert it with onnx.version_converter"
        )


def _check_rows(together: Arrays, alone: Arrays) -> None:
    for name, answer in alone.items():
        if together[name].shape[:1] != (3,) or answer.shape[:1] != (1,):
            raise Refused(f"the first axis of the output {name} is not that of the inputs")
        if not np.isfinite(answer).all():
            raise Refused(f"the output {name} holds numbers that are not finite for random inputs")
        row = together[name][1]
        scale = max(1.0, float(np.abs(np.asarray(row, np.float64)).max(initial=0)))
        if not np.allclose(np.asarray(answer[0], np.float64), np.asarray(row, np.float64), atol=1e-3 * scale):
            raise Refused(f"the output {name} of a row depends on the rows beside it; Triton batches callers")


def _precision(model: onnx.ModelProto) -> str:
    kinds = {tensor.data_type for tensor in model.graph.initializer if np.prod(tensor.dims) > 1}
    if {TensorProto.INT8, TensorProto.UINT8} & kinds:
        return "int8"
    return "fp16" if TensorProto.FLOAT16 in kinds else "fp32"
