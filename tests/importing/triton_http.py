"""Asks a Triton over HTTP with the standard library alone: the training environment has no tritonclient."""

from __future__ import annotations

import json
import urllib.request

import numpy as np

DATATYPES = {"uint8": "UINT8", "int64": "INT64", "float32": "FP32"}


def infer(address, model, inputs):
    """Outputs by name, as float64 or int64 arrays."""
    body = {
        "inputs": [
            {
                "name": name,
                "shape": array.shape,
                "datatype": DATATYPES[str(array.dtype)],
                "data": array.ravel().tolist(),
            }
            for name, array in inputs.items()
        ]
    }
    request = urllib.request.Request(
        f"http://{address}/v2/models/{model}/infer",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = json.load(answer)["outputs"]
    return {o["name"]: np.array(o["data"]).reshape(o["shape"]) for o in outputs}
