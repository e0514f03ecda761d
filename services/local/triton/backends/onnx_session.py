"""What the backends that run ONNX files have in common: the digest of the weights, and ONNX Runtime's options
from a model's configuration. It is copied beside each of them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import int8_sums
import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

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
_NICENESS = 5
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def give_way() -> None:
    """Lets others go first on the processor: models fill every core under load, and what waits for its turn
    then, tritonserver or a service, cannot even refuse a request.
    """
    os.nice(_NICENESS)


def weights_of(args: dict[str, str], config: dict[str, Any]) -> Path:
    """The file of the version that is being loaded, held against the digest that the configuration states.
    Raises TritonModelException where this environment or this model cannot be served.
    """
    if int(np.__version__.split(".")[0]) >= 2:
        # Triton 24.10's stub reads numpy 1 arrays: with numpy 2 every output would come back empty,
        # without an error.
        raise pb_utils.TritonModelException(
            f"numpy {np.__version__} is installed beside the embedded Triton, which needs numpy < 2"
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
    _check_digest(path, config, args["model_version"])
    return path


def parameters_of(config: dict[str, Any]) -> dict[str, str]:
    """The configuration's parameters by their keys."""
    return {key: value["string_value"] for key, value in config.get("parameters", {}).items()}


def _check_digest(path: Path, config: dict[str, Any], version: str) -> None:
    """Raises where the configuration states a digest of this version's weights that is not the file's."""
    stated = parameters_of(config).get(f"{_DIGEST}{version}")
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
    parameters = parameters_of(config)
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
        if key.startswith("session.") and not (key == int8_sums.EXACT_SUMS and int8_sums.are_exact()):
            options.add_session_config_entry(key, value)
    return options


def open_session(path: Path, config: dict[str, Any], args: dict[str, str]) -> onnxruntime.InferenceSession:
    """The session of one instance, on the processor that `instance_group` gives it: for KIND_GPU a GPU, with
    a thread of the CPU for what its provider lacks. Raises TritonModelException where it has no GPU.
    """
    options = session_options(config)
    kind = args["model_instance_kind"]
    if kind == "CPU":
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=[_CPU])
    if kind == "GPU" and _CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()  # CUDA's libraries, where they are packages of this environment
        options.intra_op_num_threads = options.intra_op_num_threads or 1
        gpu = (_CUDA, {"device_id": args["model_instance_device_id"]})
        session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=[gpu, _CPU])
        if session.get_providers()[0] == _CUDA:  # else it fell back to the CPU, without an error
            return session
    raise pb_utils.TritonModelException(
        f"instance_group says KIND_{kind}, and ONNX Runtime {onnxruntime.__version__} has no CUDA here: say "
        "KIND_CPU, or put onnxruntime-gpu with CUDA's libraries into this Triton's environment (docs/gpu.md)"
    )


def _is_true(value: str) -> bool:
    return value.strip().lower() in {"1", "true"}
