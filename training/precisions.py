"""The record networks as ONNX in both precisions, side by side: what they answer, their size and speed.

`fp32` must answer as torch does. `int8` stores the large matrices in int8, one scale an output, and computes
in fp32 (`compression.store_weights_as_int8`); what that costs is measured, on the patients of the other
figures.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medmesh.common.v1.model_card_pb2 import Metric
from training.compression import store_weights_as_int8
from training.onnx_runtime import PRECISIONS, milliseconds, session

LARGEST_DIFFERENCE = 1e-5
"""Between an output of the fp32 graph and torch's."""
LARGEST_CHANGE = 0.005
"""How far int8 may move a figure; it is not exported where it moves one further."""

Inputs = Mapping[str, NDArray[np.float32]]
"""Tensors by name, batch axis first."""


class Graph:
    """A network in one precision, as ONNX Runtime runs it under Triton: on one thread."""

    def __init__(
        self, network: nn.Module, sample: Inputs, outputs: Sequence[str], precision: str = "fp32"
    ) -> None:
        """Export the network; `sample` shapes the graph, and shows whether it answers as torch does.

        Exits where the fp32 graph differs by more than `LARGEST_DIFFERENCE`.
        """
        self.precision, self.outputs = precision, outputs
        self.content = _exported(network, {name: rows[:8] for name, rows in sample.items()}, outputs)
        if precision == "int8":
            model = onnx.load_from_string(self.content)
            store_weights_as_int8(model)
            onnx.checker.check_model(model)
            self.content = model.SerializeToString()
        self._session = session(self.content)
        if precision == "fp32":
            self._check(network, sample)

    def run(self, inputs: Inputs) -> list[NDArray[np.float32]]:
        """The outputs, in the order in which they were named."""
        answers: list[NDArray[np.float32]] = self._session.run(list(self.outputs), dict(inputs))
        return answers

    def save(self, path: Path) -> None:
        """Write the ONNX file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)

    def _check(self, network: nn.Module, sample: Inputs) -> None:
        with torch.no_grad():
            expected = network(*(torch.from_numpy(rows) for rows in sample.values()))
        expected = [expected] if isinstance(expected, Tensor) else expected
        for name, ours, theirs in zip(self.outputs, self.run(sample), expected, strict=True):
            difference = float(np.abs(ours - theirs.numpy()).max())
            if difference > LARGEST_DIFFERENCE:
                raise SystemExit(f"{name} of the exported graph differs from the network by {difference:g}")


def both(network: nn.Module, sample: Inputs, outputs: Sequence[str]) -> dict[str, Graph]:
    """The forms of a network by precision."""
    return {precision: Graph(network, sample, outputs, precision) for precision in PRECISIONS}


def card_precision(chosen: str, graphs: Mapping[str, Graph], sample: Inputs, rounds: int = 200) -> str:
    """What the card says of its precision: what int8 does to the file and to the time of one patient.

    The time is the median of processor times on one core, the two forms taking turns so that both meet the
    same machine.
    """
    one = {name: rows[:1] for name, rows in sample.items()}
    calls = [partial(graphs[precision].run, one) for precision in PRECISIONS]
    exact, rough = milliseconds(calls, rounds)
    large, small = (len(graphs[precision].content) / 1e6 for precision in PRECISIONS)
    text = (
        f"{chosen}; int8 weights (QDQ, computed in fp32) need {small:.2f} MB instead of {large:.2f}, and "
        f"{rough:.2g} ms a patient on one core instead of {exact:.2g} ({rough / exact:.1f} times as long). "
        "The other precision: train again, then export with --precision."
    )
    print(text)
    return text


def card_metrics(
    chosen: str, measured: Mapping[str, list[Metric]], compared: Collection[str]
) -> list[Metric]:
    """The card's figures: all of the chosen precision, then those named `compared` of the other.

    Prints the two beside each other. Exits where int8 is chosen and moves one of these by more than
    `LARGEST_CHANGE`.
    """
    found = {
        precision: {m.name: m for m in metrics if m.name in compared and not m.subgroup}
        for precision, metrics in measured.items()
    }
    for name in compared:
        exact, rough = found["fp32"][name].value, found["int8"][name].value
        print(f"{name}: {exact:.4f} in fp32, {rough:.4f} in int8")
        if chosen == "int8" and abs(exact - rough) > LARGEST_CHANGE:
            raise SystemExit(f"int8 moves {name} by more than {LARGEST_CHANGE}")
    (other,) = found.keys() - {chosen}
    return [*measured[chosen], *found[other].values()]


def _exported(network: nn.Module, sample: Inputs, outputs: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is called for its GRU operator, and is enough for the others; it warns that it
        # is the older one, and of a batch size that the free axis takes care of.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(torch.from_numpy(rows) for rows in sample.values()),
            buffer,
            input_names=list(sample),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*sample, *outputs)},
            opset_version=17,
            dynamo=False,
        )
    return buffer.getvalue()
