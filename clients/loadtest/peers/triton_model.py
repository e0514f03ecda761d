"""The model of Triton's Python backend that decodes beside the networks: file in, probabilities out. Triton
imports this copy as `model.py`, in a process for each instance.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the sessions. The parameter `paths` says where this project and its packages lie."""
        parameters = json.loads(args["model_config"])["parameters"]
        sys.path[:0] = parameters["paths"]["string_value"].split(":")
        from clients.loadtest.peers.chest import ChestReader

        self._read = ChestReader()

    def execute(self, requests: list[Any]) -> list[Any]:
        """The whole work."""
        responses = []
        for request in requests:
            data = pb_utils.get_input_tensor_by_name(request, "image").as_numpy().reshape(-1)[0]
            values = np.array([list(self._read(data).values())], np.float32)
            tensor = pb_utils.Tensor("found", values)
            responses.append(pb_utils.InferenceResponse(output_tensors=[tensor]))
        return responses
