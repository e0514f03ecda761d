"""How fast a GPU runs the models of a repository, beside one core of the same machine: `make bench-gpu`.

For each model that ONNX Runtime loads: rows a second at several batch sizes with the CUDA provider (or
TensorRT's), the same weights on one core, and how far the two answers lie apart. Inputs are random, of the
shapes that the graph asks for; texts have 128 tokens. Stands alone (numpy and onnxruntime-gpu), so that a
machine with a GPU needs no checkout of the rest.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

TOKENS = 128
BATCHES = (1, 8, 32, 128)
ROUNDS, SECONDS = 3, 0.4
_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


def inputs(session: onnxruntime.InferenceSession, batch: int) -> dict[str, np.ndarray]:
    """Random rows of what the graph takes; every mask of ones."""
    rng = np.random.default_rng(batch)
    result = {}
    for wanted in session.get_inputs():
        shape = [batch, *(size if isinstance(size, int) else TOKENS for size in wanted.shape[1:])]
        dtype = _DTYPES[wanted.type]
        if "mask" in wanted.name or wanted.name == "observed":
            values: np.ndarray = np.ones(shape)
        elif dtype is np.float32:
            values = rng.normal(size=shape)
        else:
            values = rng.integers(0, 256 if dtype is np.uint8 else 2000, size=shape)
        result[wanted.name] = values.astype(dtype)
    return result


def rate(session: onnxruntime.InferenceSession, batch: int, on_gpu: bool) -> float:
    """Rows a second, the median of three rounds after a warm-up; inputs and outputs cross the bus."""
    feed = inputs(session, batch)
    for _ in range(5 if on_gpu else 1):
        session.run(None, feed)
    rounds = []
    for _ in range(ROUNDS):
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            session.run(None, feed)
            count += 1
        rounds.append(count * batch / (time.perf_counter() - began))
    return statistics.median(rounds)


def session(path: Path, provider: str) -> onnxruntime.InferenceSession:
    """The model with that provider, what it lacks on one thread of the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=[provider, "CPUExecutionProvider"])


def measured(path: Path, provider: str) -> dict[str, Any]:
    """The row of one model."""
    gpu, core = session(path, provider), session(path, "CPUExecutionProvider")
    if gpu.get_providers()[0] != provider:
        raise SystemExit(f"ONNX Runtime did not load {provider}: see what it printed above")
    feed = inputs(gpu, 8)
    apart = max(
        float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64))))
        for a, b in zip(gpu.run(None, feed), core.run(None, feed), strict=True)
    )
    return {
        "model": path.parent.parent.name,
        "one_core_rows_per_second": rate(core, 8, on_gpu=False),
        "gpu_rows_per_second": {batch: rate(gpu, batch, on_gpu=True) for batch in BATCHES},
        "largest_difference": apart,
    }


def gpu_name() -> str:
    """Name, driver and memory, as the driver says them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Prints the table and writes it as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, default=Path("triton_repo"), help="default %(default)s")
    parser.add_argument("--provider", default="CUDAExecutionProvider", help="or TensorrtExecutionProvider")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    if arguments.provider not in onnxruntime.get_available_providers():
        raise SystemExit(
            f"this ONNX Runtime has no {arguments.provider}: "
            "pip install onnxruntime-gpu, on a machine with an NVIDIA GPU"
        )
    machine = (
        f"{gpu_name()}; {platform.processor() or platform.machine()}; ONNX Runtime {onnxruntime.__version__}"
    )
    print(machine, arguments.provider, sep="\n")
    print(f"{'model':18}{'one core':>10}" + "".join(f"{f'batch {b}':>12}" for b in BATCHES) + "   apart")
    rows = []
    for path in sorted(arguments.repository.glob("*/1/model.onnx")):
        if (path.parent.parent / "chat_template.jinja").exists():
            continue  # It writes token by token with a cache of its own: its rate is not one of rows.
        row = measured(path, arguments.provider)
        rows.append(row)
        gpu = "".join(f"{row['gpu_rows_per_second'][b]:12,.0f}" for b in BATCHES)
        apart = f"   {row['largest_difference']:.1e}"
        print(f"{row['model']:18}{row['one_core_rows_per_second']:10,.1f}{gpu}{apart}", flush=True)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": machine, "provider": arguments.provider, "models": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
