"""A candidate on the inputs of the version that answers: run beside it, compared, counted, and never waited
for.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.chassis.errors import MedmeshError
from services.chassis.models import tasks
from services.chassis.models.inference import Answer, Arrays, Inference
from services.chassis.models.inspection import CheckedVersion
from services.chassis.observability.attributes import Name
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc import request

logger = logging.getLogger("medmesh.models")

_TIMEOUT_S = 30.0
_MAX_UNDER_WAY = 2
"""Further inputs are missed rather than kept waiting: the candidate shares the machine with the version
that answers."""


@dataclass
class Comparison:
    """How a candidate compares so far."""

    compared_count: int = 0
    """Rows that both versions have run on."""
    agreed_count: int = 0
    """Of those, the ones whose highest score is at the same place."""
    missed_count: int = 0
    """Calls that the candidate failed on or did not get to."""
    max_abs_difference: float = 0.0


class Shadow:
    """Runs one candidate. Its outcome is in `comparison`, in metrics, and in a log line where the two
    disagree.
    """

    def __init__(self, candidate: CheckedVersion, inference: Inference, telemetry: Telemetry) -> None:
        self._candidate = candidate
        self._inference = inference
        self._under_way: set[asyncio.Task[None]] = set()
        self._instruments = telemetry.instruments
        self.comparison = Comparison()

    def observe(self, inputs: Arrays, answer: Answer) -> None:
        """Runs the candidate on the inputs too, in the background."""
        if len(self._under_way) >= _MAX_UNDER_WAY:
            self._miss()
            return
        task = asyncio.create_task(self._compare(inputs, answer))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Ends what is under way."""
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _compare(self, inputs: Arrays, answer: Answer) -> None:
        request.current.set(None)  # neither its deadline nor its log line
        name = _scores_tensor(self._candidate)
        try:
            other = await self._inference.infer(self._candidate.runs, inputs, timeout_s=_TIMEOUT_S)
            agreed, difference = compare(answer.outputs[name], other.outputs[name])
        except (MedmeshError, KeyError, ValueError):
            self._miss()
            return
        self.comparison.compared_count += len(agreed)
        self.comparison.agreed_count += int(agreed.sum())
        self.comparison.max_abs_difference = max(self.comparison.max_abs_difference, difference)
        model = self._candidate.card.name
        for value in (True, False):
            if count := int((agreed == value).sum()):
                self._instruments.compared.add(count, {Name.MODEL: model, Name.AGREED: value})
        if not agreed.all():
            facts = {
                "model": model,
                "candidate": self._candidate.runs.number,
                "disagreeing_count": int((~agreed).sum()),
                "max_abs_difference": round(difference, 6),
            }
            logger.info("a candidate disagrees", extra={"facts": facts})

    def _miss(self) -> None:
        self.comparison.missed_count += 1
        self._instruments.missed.add(1, {Name.MODEL: self._candidate.card.name})


def compare(one: NDArray[np.floating], other: NDArray[np.floating]) -> tuple[NDArray[np.bool_], float]:
    """Whether each row's highest scores are at the same places, and the largest difference of all.

    Both are [batch, …, labels]. Raises ValueError where the shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError("the outputs differ in shape")
    top = one.argmax(axis=-1) == other.argmax(axis=-1)
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return top.reshape(len(one), -1).all(axis=1), float(difference.max(initial=0.0))


def _scores_tensor(version: CheckedVersion) -> str:
    _, outputs = tasks.tensors_of(version.card.serving)
    return outputs[0].value
