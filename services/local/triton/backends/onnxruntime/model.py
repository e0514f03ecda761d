"""The backend named `onnxruntime` of the embedded Triton, written in Python on the onnxruntime package.

A model whose config.pbtxt says `backend: "onnxruntime"` and whose version folder holds `model.onnx` loads
unchanged here and under NVIDIA's own backend; the configuration keys mean the same in both. Triton runs this
file in one process for each instance of a model. Errors name tensors, types and ranks from the configuration,
never a value of a request.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

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

# config.pbtxt: optimization { graph { level: ... } }, as NVIDIA's backend reads it.
_GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

_DIGEST = "medmesh.weights_sha256."
"""Key of the parameter, before a version's number, that states the digest of its weights."""
_FATAL = 4
"""ONNX Runtime's log level. It logs errors with values of the request in them (an index out of bounds), which
may be a patient's."""
onnxruntime.set_default_logger_severity(_FATAL)


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
        if int(np.__version__.split(".")[0]) >= 2:
            # Triton 24.10's stub reads numpy 1 arrays: with numpy 2 every output would come back empty,
            # without an error.
            raise pb_utils.TritonModelException(
                f"numpy {np.__version__} is installed beside the embedded Triton, which needs numpy < 2"
            )
        config = json.loads(args["model_config"])
        self._batches = int(config["max_batch_size"]) > 0
        self._inputs = [TensorSpec.from_config(spec, batches=self._batches) for spec in config["input"]]
        self._outputs = {
            spec["name"]: TensorSpec.from_config(spec, batches=self._batches) for spec in config["output"]
        }
        if args["model_instance_kind"] != "CPU":
            raise pb_utils.TritonModelException(
                "the embedded Triton computes on CPUs: say KIND_CPU in instance_group, or use NVIDIA's server"
            )
        path = Path(
            args["model_repository"],
            args["model_version"],
            config.get("default_model_filename") or "model.onnx",
        )
        if not path.is_file():
            raise pb_utils.TritonModelException(
                f"model weights are missing: {args['model_name']}/{path.parent.name}/{path.name}"
            )
        check_digest(path, config, args["model_version"])
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=session_options(config), providers=["CPUExecutionProvider"]
        )
        check_graph(self._inputs, self._session.get_inputs(), "input")
        check_graph(list(self._outputs.values()), self._session.get_outputs(), "output")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request, in order. Requests of equal shape are computed as one batch."""
        responses: list[Any] = [None] * len(requests)
        batches: dict[tuple[Any, ...], list[tuple[int, Arrays]]] = defaultdict(list)
        for index, request in enumerate(requests):
            if request.is_cancelled():
                responses[index] = _failure("the caller has gone", pb_utils.TritonError.CANCELLED)
                continue
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            problem = self._problem_with(arrays)
            if problem:
                responses[index] = _failure(problem, pb_utils.TritonError.INVALID_ARG)
                continue
            # Without a batch axis nothing can be joined, so the index keeps each request apart.
            key = tuple(arrays[spec.name].shape[1:] for spec in self._inputs) if self._batches else (index,)
            batches[key].append((index, arrays))
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


def check_digest(path: Path, config: dict[str, Any], version: str) -> None:
    """Raises where the configuration states a digest of this version's weights that is not the file's."""
    stated = config.get("parameters", {}).get(f"{_DIGEST}{version}", {}).get("string_value")
    if stated is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != stated:
        raise pb_utils.TritonModelException(
            f"the weights of version {version} are not those whose digest the configuration states"
        )


def session_options(config: dict[str, Any]) -> onnxruntime.SessionOptions:
    """ONNX Runtime's options from a model's configuration, by the keys of NVIDIA's backend.

    Beyond those, any `session.…` parameter is handed to ONNX Runtime as it is (NVIDIA's backend passes over
    the ones it does not know), for example `session.intra_op.allow_spinning`.
    """
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    if int(parameters.get("intra_op_thread_count", 0)) > 0:
        options.intra_op_num_threads = int(parameters["intra_op_thread_count"])
    if int(parameters.get("inter_op_thread_count", 0)) > 0:
        options.inter_op_num_threads = int(parameters["inter_op_thread_count"])
    mode = parameters.get("execution_mode", "0")
    if mode not in {"0", "1"}:
        raise pb_utils.TritonModelException("parameter execution_mode must be 0 (sequential) or 1 (parallel)")
    options.execution_mode = (
        onnxruntime.ExecutionMode.ORT_PARALLEL if mode == "1" else onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    )
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options.graph_optimization_level = _GRAPH_LEVELS.get(level, _GRAPH_LEVELS[0])
    if "enable_mem_arena" in parameters:
        options.enable_cpu_mem_arena = _is_true(parameters["enable_mem_arena"])
    if "enable_mem_pattern" in parameters:
        options.enable_mem_pattern = _is_true(parameters["enable_mem_pattern"])
    for key, value in parameters.items():
        if key.startswith("session."):
            options.add_session_config_entry(key, value)
    return options


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


def _is_true(value: str) -> bool:
    return value.strip().lower() in {"1", "true"}


def _failure(message: str, code: Any = None) -> Any:
    error = pb_utils.TritonError(message) if code is None else pb_utils.TritonError(message, code)
    return pb_utils.InferenceResponse(error=error)
