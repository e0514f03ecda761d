"""Text classification: a text to the probabilities of labels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.serving_pb2 import Label, TextClassification
from services.chassis.models.activation import activated
from services.chassis.models.served import ServedModel
from services.clinical.conformal import not_ruled_out
from services.language.confidence import Curve
from services.language.languages import Languages, without_foreign
from services.language.tasks.model import TextModel
from services.language.windows import Window, windows

_THRESHOLD = 0.5
"""From which a label counts that excludes no other, where the card names none."""

_Aggregation = TextClassification.WindowAggregation

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """A label of the card, its probability (0..1) and whether it counts as true of the text."""

    label: Label
    probability: float
    found: bool


@dataclass(frozen=True)
class Classified:
    """What a classifier says of a text, and where that comes from.

    `labels` in the order of the card, empty where the text holds nothing in a language that it reads.
    `not_ruled_out` are the labels of the prediction set at `coverage`; None without conformal thresholds.
    `token_room`: of how many tokens it read no more; None: all.
    """

    labels: tuple[LabelAnswer, ...]
    not_ruled_out: tuple[str, ...] | None
    coverage: float
    token_room: int | None
    provenance: Provenance


class TextClassifier:
    """One classifier, built from its card. Raises ValueError, which names the field, where the card does
    not hold.
    """

    def __init__(self, model: ServedModel) -> None:
        task = model.serving.text_classification
        self.name = model.name
        self.reads = Languages.from_tags(task.languages)
        self._text = TextModel(model, task.preprocessing)
        self.is_calibrated = task.HasField("calibration")
        self._scores, self._activation = task.scores_tensor, task.activation
        self._labels = tuple(task.labels)
        self._is_exclusive = task.exclusive
        self._takes_maximum = task.window_aggregation == _Aggregation.WINDOW_AGGREGATION_MAXIMUM
        if self._takes_maximum and self._is_exclusive:
            raise ValueError("window_aggregation: the maximum is of labels that do not exclude each other")
        self._curves = _curves(task)
        self._limits = _limits(task)
        self._coverage = task.conformal.coverage

    async def classify(self, text: str) -> Classified:
        """What it says of `text` without the passages that it does not read; raises what `TextModel.run`
        raises.
        """
        read = await asyncio.to_thread(without_foreign, text, self.reads)
        encoding = await asyncio.to_thread(self._text.tokenizer.encode, read)
        room = self._text.room
        if self._text.stride_tokens:
            cuts = list(windows(encoding.word_of, room, self._text.stride_tokens))
        else:
            cuts = [Window(0, end, 0, end)] if (end := min(len(encoding), room)) else []
        # Of a text without words the model is asked all the same: the answer says which version it was.
        parts = [encoding.ids[cut.start : cut.end] for cut in cuts] or [encoding.ids]
        rows = await self._text.run(parts, self._scores)
        if not any(map(str.isalnum, read)):
            return Classified((), None, self._coverage, None, rows.provenance)
        given = np.stack([self._calibrated(activated(row, self._activation)) for row in rows.values])
        whole = self._together(given, [cut.owned_end - cut.owned_start for cut in cuts])
        is_cut = not self._text.stride_tokens and len(encoding) > room
        return Classified(
            labels=self._answers(whole),
            not_ruled_out=self._not_ruled_out(whole),
            coverage=self._coverage,
            token_room=room if is_cut else None,
            provenance=rows.provenance,
        )

    def _calibrated(self, given: npt.NDArray[np.float32]) -> Probabilities:
        """Probabilities FP32 [labels] in line with how often they are right; of exclusive labels they sum
        to 1.
        """
        calibrated = np.array(
            [curve.of(float(p)) if curve else float(p) for curve, p in zip(self._curves, given, strict=True)]
        )
        if self._is_exclusive and any(self._curves):
            calibrated /= calibrated.sum()
        return calibrated

    def _together(self, given: Probabilities, tokens: Sequence[int]) -> Probabilities:
        """The windows' probabilities [windows, labels] as those of the text, a window counting by its
        tokens.
        """
        if self._takes_maximum:
            highest: Probabilities = given.max(axis=0)
            return highest
        mean: Probabilities = np.average(given, axis=0, weights=np.asarray(tokens, dtype=np.float64))
        return mean

    def _answers(self, whole: Probabilities) -> tuple[LabelAnswer, ...]:
        best = int(whole.argmax())
        return tuple(
            LabelAnswer(label, float(p), place == best if self._is_exclusive else p >= _threshold(label))
            for place, (label, p) in enumerate(zip(self._labels, whole.tolist(), strict=True))
        )

    def _not_ruled_out(self, whole: Probabilities) -> tuple[str, ...] | None:
        if not self._limits:
            return None
        improbable = {label.name: 1 - p for label, p in zip(self._labels, whole.tolist(), strict=True)}
        return not_ruled_out(improbable, self._limits)


def _threshold(label: Label) -> float:
    return label.threshold if label.HasField("threshold") else _THRESHOLD


def _curves(task: TextClassification) -> tuple[Curve | None, ...]:
    given = {curve.label: Curve(curve.rise, curve.fall, curve.offset) for curve in task.calibration.curves}
    return tuple(given.get(label.name, given.get("")) for label in task.labels)


def _limits(task: TextClassification) -> dict[str, float]:
    """The largest improbability with which each label stays in the set; empty without thresholds."""
    if any(threshold.group for threshold in task.conformal.thresholds):
        raise ValueError("conformal.thresholds: a text has no groups")
    given = {threshold.label: threshold.max_improbability for threshold in task.conformal.thresholds}
    if not given:
        return {}
    limits = {label.name: given.get(label.name, given.get("")) for label in task.labels}
    missing = [name for name, limit in limits.items() if limit is None]
    if missing:
        raise ValueError(f"conformal.thresholds: none for {', '.join(missing)}")
    return {name: limit for name, limit in limits.items() if limit is not None}
