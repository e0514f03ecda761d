"""Precision, recall and F1 a class of the assertion rules on the labelled mentions of real notes.

`python -m training.assertion.evaluate_real` prints the table of the development half; `--split test` that of
the other. `--errors` lists the development half's errors by kind, with their text (patients' words: for the
terminal only). The rules get each whole note with the labelled mentions as its entities.

Intervals: 95 % bootstrap over notes, seed 0. Doubtful mentions count in a row of their own only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from services.language.assertion import assert_entities
from services.language.entities import Assertion, EntityType
from training.assertion.evaluate import CLASSES, Predictions
from training.assertion.real_notes import LabelledMention, LabelledNote, read_notes
from training.data_folder import data_folder
from training.figures import bootstrap_interval

_CONTEXT = 70  # code points shown on each side of an error


def answers(note: LabelledNote) -> list[Assertion]:
    """What the rules say of each mention of the note, in its order."""
    return [result.assertion for result in assert_entities(note.text, [m.span for m in note.mentions])]


def predict_notes(
    notes: Sequence[LabelledNote], doubtful: bool = False, types: Collection[EntityType] = tuple(EntityType)
) -> Predictions:
    """Runs the rules over whole notes; of the mentions of these types the doubtful or the clear ones."""
    rows = [
        (CLASSES.index(mention.label), CLASSES.index(answer), number)
        for number, note in enumerate(notes)
        for mention, answer in zip(note.mentions, answers(note), strict=True)
        if mention.doubtful == doubtful and mention.span.type in types
    ]
    label, answer, note_number = np.array(rows, dtype=np.int64).T
    return Predictions(label, answer, note_number)


def table(predictions: Predictions) -> list[str]:
    """One line a class that has labels, and the accuracy."""
    lines = [
        f"{'class':<13} {'n':>4} {'given':>6} {'precision':>9} {'recall':>7} {'F1':>6}  95 % interval of F1"
    ]
    for kind in CLASSES:
        count = int(np.count_nonzero(predictions.label == CLASSES.index(kind)))
        if not count:
            continue

        def f1(rows: NDArray[np.int64], kind: Assertion = kind) -> float:
            return predictions.f1(kind, rows)

        low, high = bootstrap_interval(f1, predictions.sentence)
        given = int(np.count_nonzero(predictions.answer == CLASSES.index(kind)))
        precision, recall = predictions.precision(kind), predictions.recall(kind)
        lines.append(
            f"{kind.value:<13} {count:>4} {given:>6} {precision:>9.3f} {recall:>7.3f} "
            f"{predictions.f1(kind):>6.3f}  {low:.3f}-{high:.3f}"
        )
    low, high = bootstrap_interval(predictions.accuracy, predictions.sentence)
    accuracy = predictions.accuracy()
    lines.append(f"{'accuracy':<13} {len(predictions.label):>4} {accuracy:>31.3f}  {low:.3f}-{high:.3f}")
    return lines


def errors(notes: Sequence[LabelledNote]) -> list[str]:
    """One line a wrong answer, by kind."""
    wrong = [
        (mention.kind, _error(note, mention, answer))
        for note in notes
        for mention, answer in zip(note.mentions, answers(note), strict=True)
        if answer is not mention.label
    ]
    counts = Counter(kind for kind, _ in wrong)
    lines = [f"{kind}: {count}" for kind, count in counts.most_common()]
    return lines + [f"{kind}  {line}" for kind, line in sorted(wrong)]


def _error(note: LabelledNote, mention: LabelledMention, answer: Assertion) -> str:
    start, end = mention.span.start, mention.span.end
    before = note.text[max(0, start - _CONTEXT) : start]
    after = note.text[end : end + _CONTEXT]
    doubt = " (doubtful)" if mention.doubtful else ""
    shown = f"{before}[{note.text[start:end]}]{after}".replace("\n", " ⏎ ")
    return f"{mention.label.value}, not {answer.value}{doubt}  {note.name}:{start}  …{shown}…"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--type", choices=("disease", "chemical"), help="mentions of this type alone")
    parser.add_argument("--errors", action="store_true", help="list the errors of the development half")
    options = parser.parse_args()
    notes = [note for note in read_notes(data_folder()) if note.split == options.split]
    if options.errors:
        if options.split != "dev":
            parser.error("the errors of the test half are not looked at")
        print("\n".join(errors(notes)))
        return
    types = [EntityType[options.type.upper()]] if options.type else list(EntityType)
    print("\n".join(table(predict_notes(notes, types=types))))
    doubtful = predict_notes(notes, doubtful=True, types=types)
    print(f"{'doubtful':<13} {len(doubtful.label):>4} {doubtful.accuracy():>31.3f}  accuracy")


if __name__ == "__main__":
    main()
