"""F1 a class of the assertion rules on each half of the labelled sentences.

`python -m training.assertion.evaluate` prints the table.

Intervals: 95 % bootstrap over sentences (not entities: those of one sentence share their triggers), seed 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.language.assertion import assert_entities
from services.language.entities import Assertion
from training.assertion.sentences import LabelledSentence, read_sentences
from training.figures import bootstrap_interval

CLASSES = tuple(Assertion)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Index into CLASSES of each entity's label and answer, and the number of its sentence; all [N]."""

    label: NDArray[np.int64]
    answer: NDArray[np.int64]
    sentence: NDArray[np.int64]

    def f1(self, kind: Assertion, rows: NDArray[np.int64] | None = None) -> float:
        """F1 of one class; ValueError where neither label nor answer has it."""
        label, answer = (self.label, self.answer) if rows is None else (self.label[rows], self.answer[rows])
        index = CLASSES.index(kind)
        found = np.count_nonzero((label == index) & (answer == index))
        named = np.count_nonzero(label == index) + np.count_nonzero(answer == index)
        if not named:
            raise ValueError("no such entity")
        return 2 * found / named

    def precision(self, kind: Assertion) -> float:
        """Share of the answers of one class that are right; NaN without such an answer."""
        index = CLASSES.index(kind)
        answered = self.answer == index
        return float(np.mean(self.label[answered] == index)) if answered.any() else float("nan")

    def recall(self, kind: Assertion) -> float:
        """Share of the labels of one class that are found; NaN without such a label."""
        index = CLASSES.index(kind)
        labelled = self.label == index
        return float(np.mean(self.answer[labelled] == index)) if labelled.any() else float("nan")

    def accuracy(self, rows: NDArray[np.int64] | None = None) -> float:
        right = self.label == self.answer
        return float(np.mean(right if rows is None else right[rows]))


def predict(sentences: Sequence[LabelledSentence]) -> Predictions:
    """Runs the rules over the sentences."""
    rows = [
        (CLASSES.index(label), CLASSES.index(result.assertion), number)
        for number, sentence in enumerate(sentences)
        for label, result in zip(sentence.labels, assert_entities(sentence.text, sentence.spans), strict=True)
    ]
    label, answer, sentence_number = np.array(rows, dtype=np.int64).T
    return Predictions(label, answer, sentence_number)


def _row(predictions: Predictions, kind: Assertion) -> str | None:
    count = int(np.count_nonzero(predictions.label == CLASSES.index(kind)))
    if not count:
        return None

    def figure(rows: NDArray[np.int64]) -> float:
        return predictions.f1(kind, rows)

    low, high = bootstrap_interval(figure, predictions.sentence)
    return f"{kind.value:<11} {count:>4} {predictions.f1(kind):>6.3f}  {low:.3f}-{high:.3f}"


def main() -> None:
    everything = read_sentences()
    print(f"{'half':<12} {'style':<10} {'class':<11} {'n':>4} {'F1':>6}  95 % interval")
    for split in ("development", "held_out"):
        for style in ("all", "radiology", "clinical"):
            predictions = predict([s for s in everything if s.split == split and style in {"all", s.style}])
            low, high = bootstrap_interval(predictions.accuracy, predictions.sentence)
            count, accuracy = len(predictions.label), predictions.accuracy()
            rows = [_row(predictions, kind) for kind in CLASSES]
            rows.append(f"{'accuracy':<11} {count:>4} {accuracy:>6.3f}  {low:.3f}-{high:.3f}")
            for row in rows:
                if row:
                    print(f"{split:<12} {style:<10} {row}")


if __name__ == "__main__":
    main()
