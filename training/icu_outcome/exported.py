"""What each network inside the served graph says: the card can be measured again without the checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from training.icu_outcome.train import FOLD_COUNT, MEMBER_COUNT
from training.onnx_runtime import session
from training.precisions import Inputs

BATCH = 64


def member_logits(path: Path, inputs: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of each network, `[networks, n]` in the order of folds, and the log-odds that the graph answers
    with, `[n]`.
    """
    model = onnx.load(path)
    makers = {node.output[0]: node for node in model.graph.node}
    stacked = [node for node in model.graph.node if node.op_type == "Concat"][-1]
    names = [makers[name].input[0] for name in stacked.input]
    if len(names) != FOLD_COUNT * MEMBER_COUNT:
        raise ValueError(f"{path} does not hold {FOLD_COUNT * MEMBER_COUNT} networks")
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    running = session(model.SerializeToString())
    count = len(next(iter(inputs.values())))
    rows = []
    for start in range(0, count, BATCH):
        feed = {name: tensor[start : start + BATCH] for name, tensor in inputs.items()}
        *members, probability = running.run([*names, "probability"], feed)
        rows.append(np.stack([*(m.reshape(-1) for m in members), probability.reshape(-1)]))
    *logits, p = np.concatenate(rows, axis=1).astype(np.float64)
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.stack(logits), np.log(clipped / (1 - clipped))


def by_group(path: Path, inputs: Inputs) -> NDArray[np.float64]:
    """The log-odds of each fold's networks as the graph would answer them, `[folds, n]`: their mean logit on
    the graph's own scale, which it shows on the mean of all.
    """
    logits, answered = member_logits(path, inputs)
    slope, offset = np.polyfit(logits.mean(axis=0), answered, 1)
    return slope * logits.reshape(FOLD_COUNT, MEMBER_COUNT, -1).mean(axis=1) + offset
