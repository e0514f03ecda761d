"""ONNX files as Triton runs them on a CPU, and two precisions of a network side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

PRECISIONS = ("fp32", "int8")


def session(model: Path | bytes, entries: Mapping[str, str] | None = None) -> onnxruntime.InferenceSession:
    """A session on one thread, as an instance under Triton runs it; of a file or of its content.

    `entries` are the `session.…` parameters of its config.pbtxt.
    """
    options = onnxruntime.SessionOptions()
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def milliseconds(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median processor milliseconds of each call, the calls taking turns to meet the same machine."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, spent in zip(calls, times, strict=True):
            began = time.process_time()
            call()
            spent.append((time.process_time() - began) * 1e3)
    return [float(np.median(spent)) for spent in times]
