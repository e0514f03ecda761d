"""The backend named `onnxruntime` of the embedded Triton, written in Python on the onnxruntime package.

A model whose config.pbtxt says `backend: "onnxruntime"` and whose version folder holds `model.onnx` loads
unchanged here and under NVIDIA's own backend; the configuration keys mean the same in both. Triton runs this
file in one process for each instance of a model. Errors name tensors, types and ranks from the configuration,
never a value of a request.
"""

from __future__ import annotations

import ctypes
import json
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from onnx_session import give_way, open_session, weights_of
from own_core import OwnCore
from progress import Progress

Arrays = dict[str, np.ndarray[Any, Any]]

# Triton's name for an element type, ONNX Runtime's, and numpy's.
_TYPES: dict[str, tuple[str, type]] = {
    "TYPE_BOOL": ("tensor(bool)", np.bool_),
    "TYPE_UINT8": ("tensor(uint8)", np.uint8),
    "TYPE_INT8": ("tensor(int8)", np.int8),
    "TYPE_INT32": ("tensor(int32)", np.int32),
    "TYPE_INT64": ("tensor(int64)", np.int64),
    "TYPE_FP16": ("tensor(float16)", np.float16),
    "TYPE_FP32": ("tensor(float)", np.float32),
    "TYPE_FP64": ("tensor(double)", np.float64),
}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output, as config.pbtxt declares it; `shape` includes the batch axis where the model
    batches.
    """

    name: str
    triton_type: str
    shape: tuple[int, ...]
    """-1 is a dimension that varies."""

    @classmethod
    def from_config(cls, config: dict[str, Any], *, batches: bool) -> TensorSpec:
        dims = tuple(int(dim) for dim in config["dims"])
        return cls(config["name"], config["data_type"], (-1, *dims) if batches else dims)

    def accepts(self, array: np.ndarray[Any, Any]) -> bool:
        """Whether an array has the declared type, rank and fixed dimensions."""
        return (
            array.dtype == _TYPES[self.triton_type][1]
            and array.ndim == len(self.shape)
            and all(want in {-1, have} for want, have in zip(self.shape, array.shape, strict=True))
        )


class TritonPythonModel:
    """One instance of one model: an ONNX Runtime session and the tensors it is declared to have."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the session and checks it against config.pbtxt; what does not agree stops the model from
        loading.
        """
        config = json.loads(args["model_config"])
        self._batches = int(config["max_batch_size"]) > 0
        self._inputs = [TensorSpec.from_config(spec, batches=self._batches) for spec in config["input"]]
        self._outputs = {
            spec["name"]: TensorSpec.from_config(spec, batches=self._batches) for spec in config["output"]
        }
        on_cpu = args["model_instance_kind"] == "CPU"
        if on_cpu:  # one that feeds a GPU is not kept waiting
            give_way()
        self._session = open_session(weights_of(args, config), config, args)
        one_thread = self._session.get_session_options().intra_op_num_threads == 1
        self._core = OwnCore() if on_cpu and one_thread else None
        self._progress = Progress()
        check_graph(self._inputs, self._session.get_inputs(), "input")
        check_graph(list(self._outputs.values()), self._session.get_outputs(), "output")
        ctypes.CDLL(None).malloc_trim(0)  # what reading and optimising the graph took

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request, in order. Requests of equal shape are computed as one batch."""
        responses: list[Any] = [None] * len(requests)
        batches: dict[tuple[Any, ...], list[tuple[int, Arrays]]] = defaultdict(list)
        for index, request in enumerate(requests):
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            problem = self._problem_with(arrays)
            if problem:
                responses[index] = _failure(problem, pb_utils.TritonError.INVALID_ARG)
                continue
            # Without a batch axis nothing can be joined, so the index keeps each request apart.
            key = tuple(arrays[spec.name].shape[1:] for spec in self._inputs) if self._batches else (index,)
            batches[key].append((index, arrays))
        with self._progress.running():
            for batch in batches.values():
                for index, answer in self._compute(batch, requests):
                    responses[index] = answer
        return responses

    def _problem_with(self, arrays: Arrays) -> str | None:
        for spec in self._inputs:
            if spec.name not in arrays:
                return f"input '{spec.name}' is missing"
            if not spec.accepts(arrays[spec.name]):
                return f"input '{spec.name}' must be {spec.triton_type} of shape {list(spec.shape)}"
        if self._batches and len({arrays[spec.name].shape[0] for spec in self._inputs}) > 1:
            return "the inputs differ in batch size"
        return None

    def _compute(self, batch: list[tuple[int, Arrays]], requests: list[Any]) -> list[tuple[int, Any]]:
        """Runs requests of equal shape together; where that fails, each alone: only the bad one fails."""
        wanted = {name for index, _ in batch for name in requests[index].requested_output_names()}
        names = [name for name in self._outputs if name in wanted]
        if len(batch) == 1:
            feed = batch[0][1]
        else:
            feed = {
                spec.name: np.concatenate([arrays[spec.name] for _, arrays in batch]) for spec in self._inputs
            }
        try:
            with self._core.held() if self._core else nullcontext():
                results = dict(zip(names, self._session.run(names, feed), strict=True))
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class
            if len(batch) > 1:
                return [answer for one in batch for answer in self._compute([one], requests)]
            # Its text may hold values of the request.
            failure = _failure(f"onnxruntime could not compute this request ({type(error).__name__})")
            return [(batch[0][0], failure)]
        return self._split(batch, results, requests)

    def _split(
        self, batch: list[tuple[int, Arrays]], results: Arrays, requests: list[Any]
    ) -> list[tuple[int, Any]]:
        """Cuts the results along the batch axis and gives each request the outputs it asked for."""
        first = self._inputs[0].name
        total = sum(arrays[first].shape[0] for _, arrays in batch) if self._batches else 1
        for name, result in results.items():
            if not self._outputs[name].accepts(result) or (self._batches and result.shape[0] != total):
                failure = f"output '{name}' of the model does not have the shape that config.pbtxt declares"
                return [(index, _failure(failure)) for index, _ in batch]
        answers = []
        start = 0
        for index, arrays in batch:
            stop = start + (arrays[first].shape[0] if self._batches else 1)
            tensors = [
                pb_utils.Tensor(name, results[name][start:stop] if self._batches else results[name])
                for name in requests[index].requested_output_names()
            ]
            answers.append((index, pb_utils.InferenceResponse(output_tensors=tensors)))
            start = stop
        return answers


def check_graph(declared: list[TensorSpec], found: list[Any], kind: str) -> None:
    """Raises where the graph lacks a declared tensor, types it otherwise, or its fixed dimensions contradict
    the config.
    """
    nodes = {node.name: node for node in found}
    missing_inputs = set(nodes) - {spec.name for spec in declared} if kind == "input" else set()
    if missing_inputs:
        raise pb_utils.TritonModelException(
            f"config.pbtxt does not declare the graph's input {min(missing_inputs)!r}"
        )
    for spec in declared:
        if spec.triton_type not in _TYPES:
            raise pb_utils.TritonModelException(
                f"{kind} '{spec.name}': this backend does not serve {spec.triton_type}"
            )
        node = nodes.get(spec.name)
        if node is None:
            raise pb_utils.TritonModelException(
                f"the graph has no {kind} '{spec.name}', which config.pbtxt declares"
            )
        if node.type != _TYPES[spec.triton_type][0]:
            raise pb_utils.TritonModelException(
                f"{kind} '{spec.name}' is {node.type} in the graph and {spec.triton_type} in config.pbtxt"
            )
        # A dimension that the graph names instead of numbering varies.
        shape = [dim if isinstance(dim, int) else -1 for dim in node.shape]
        agrees = len(shape) == len(spec.shape) and all(
            -1 in {have, want} or have == want for have, want in zip(shape, spec.shape, strict=True)
        )
        if not agrees:
            raise pb_utils.TritonModelException(
                f"{kind} '{spec.name}' has shape {shape} in the graph and {list(spec.shape)} in config.pbtxt"
            )


def _failure(message: str, code: Any = None) -> Any:
    error = pb_utils.TritonError(message) if code is None else pb_utils.TritonError(message, code)
    return pb_utils.InferenceResponse(error=error)
