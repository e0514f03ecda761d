"""Token probabilities to entities: one distribution a word, then the most likely valid BIO sequence.

A word's distribution is the normalised geometric mean of its pieces' distributions, since the network was
trained to give every piece its word's label. The Viterbi path then obeys the one rule of BIO: `I-X` follows
only `B-X` or `I-X` (Ramshaw and Marcus 1995, the IOB2 form).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.language.windows import Window

FloatArray = npt.NDArray[np.float32]

_IMPOSSIBLE = np.float32(-1e9)
SMALLEST = np.float32(1e-9)
"""The least probability that is told from none."""


@dataclass(frozen=True, slots=True)
class WordSpan:
    """An entity as words `[first, last)`, its type ("DISEASE") and its probability (0..1).

    `from_terminology`: the terminology decided the span, not the tagger alone. `stands_for`: the term that
    the context gives an abbreviation, empty where it is ambiguous, None where words speak for themselves.
    """

    first: int
    last: int
    label: str
    probability: float
    from_terminology: bool = False
    stands_for: str | None = None


def word_log_probabilities(probabilities: FloatArray, bounds: Sequence[tuple[int, int]]) -> FloatArray:
    """FP32 [tokens, labels] and the tokens of each word -> log-probabilities FP32 [words, labels]."""
    logs = np.log(np.maximum(probabilities, SMALLEST))
    means = np.empty((len(bounds), logs.shape[1]), dtype=logs.dtype)
    firsts, lasts = np.array(bounds, dtype=np.int64).reshape(-1, 2).T
    counts = lasts - firsts
    for count in np.unique(counts).tolist():  # all words of so many pieces at once
        (at,) = np.nonzero(counts == count)
        means[at] = logs[firsts[at, None] + np.arange(count)].mean(axis=1)
    normalised: FloatArray = means - np.logaddexp.reduce(means, axis=1, keepdims=True)
    return normalised


def assemble(cuts: Sequence[Window], rows: Sequence[FloatArray], tokens: int, before: int = 1) -> FloatArray:
    """FP32 [tokens, labels] of a whole text from the answers for its windows.

    A row begins with the `before` tokens that frame the text, such as `[CLS]`; each token is taken from the
    window that owns it.
    """
    columns = rows[0].shape[1] if rows else 0
    whole = np.zeros((tokens, columns), dtype=np.float32)
    for cut, row in zip(cuts, rows, strict=True):
        first = before + cut.owned_start - cut.start
        whole[cut.owned_start : cut.owned_end] = row[first : first + cut.owned_end - cut.owned_start]
    return whole


def decode(
    log_probabilities: FloatArray, labels: Sequence[str], breaks: Sequence[int] = ()
) -> list[WordSpan]:
    """The entities of the most likely valid sequence.

    `labels` name the columns ("O", "B-DISEASE", …); no entity reaches over the start of a word in `breaks`.
    """
    if breaks:
        log_probabilities = log_probabilities.copy()
        inner = [column for column, label in enumerate(labels) if label.startswith("I-")]
        log_probabilities[np.ix_(list(breaks), inner)] = _IMPOSSIBLE
    path = viterbi(log_probabilities, labels)
    spans: list[WordSpan] = []
    at = 0
    while at < len(path):
        prefix, _, stem = labels[path[at]].partition("-")
        if prefix != "B":
            at += 1
            continue
        inside = labels.index(f"I-{stem}")
        last = at + 1
        while last < len(path) and path[last] == inside:
            last += 1
        spans.append(WordSpan(at, last, stem, _probability(log_probabilities, path, at, last, inside)))
        at = last
    return spans


def _probability(log_probabilities: FloatArray, path: list[int], first: int, last: int, inside: int) -> float:
    """Probability that the span is exactly this: its words are labelled so and the next word does not
    continue it.
    """
    log = float(sum(log_probabilities[word, path[word]] for word in range(first, last)))
    if last < len(path):
        log += float(np.log1p(-min(np.exp(log_probabilities[last, inside]), 1 - float(SMALLEST))))
    return float(np.exp(log))


def viterbi(log_probabilities: FloatArray, labels: Sequence[str]) -> list[int]:
    """The most likely label sequence in which every `I-X` follows `B-X` or `I-X`; one label index a word.

    Where each word's likeliest label keeps the rule, these labels are the sequence: nothing is likelier.
    Only around a word that breaks it a stretch is searched, wider until it keeps the rule at its ends too:
    each part is then the likeliest there is of it, and so is the whole.
    """
    path: list[int] = log_probabilities.argmax(axis=1).tolist()
    allowed = transitions(labels)
    start = np.array([_IMPOSSIBLE if label.startswith("I-") else 0.0 for label in labels], dtype=np.float32)
    keeps = [start == 0, *(allowed == 0)]  # by the label before + 1; 0: none
    searched: list[tuple[int, int]] = []
    at = 0
    while at < len(path):
        if keeps[path[at - 1] + 1 if at else 0][path[at]]:
            at += 1
            continue
        first, last = at, at
        keeps_left = keeps_right = False
        while not (keeps_left and keeps_right):
            wider = max(last - first, 1)
            first = first if keeps_left else max(first - wider, 0)
            last = last if keeps_right else min(last + wider, len(path))
            while searched and searched[-1][1] > first:
                first = min(first, searched.pop()[0])
            found = _likeliest(log_probabilities[first:last], allowed, start if first == 0 else 0 * start)
            keeps_left = first == 0 or bool(keeps[path[first - 1] + 1][found[0]])
            keeps_right = last == len(path) or bool(keeps[found[-1] + 1][path[last]])
        path[first:last] = found
        searched.append((first, last))
        at = last
    return path


def _likeliest(log_probabilities: FloatArray, allowed: FloatArray, start: FloatArray) -> list[int]:
    best = log_probabilities[0] + start
    back = np.zeros(log_probabilities.shape, dtype=np.int64)
    for word in range(1, len(log_probabilities)):
        scores = best[:, None] + allowed
        back[word] = scores.argmax(axis=0)
        best = scores.max(axis=0) + log_probabilities[word]
    path = [int(best.argmax())]
    for word in range(len(log_probabilities) - 1, 0, -1):
        path.append(int(back[word, path[-1]]))
    return path[::-1]


def transitions(labels: Sequence[str]) -> FloatArray:
    """0 where the column's label may follow the row's, a very negative number where not; FP32 [labels,
    labels].
    """
    table = np.zeros((len(labels), len(labels)), dtype=np.float32)
    for column, label in enumerate(labels):
        if label.startswith("I-"):
            stem = label[2:]
            for row, previous in enumerate(labels):
                if previous not in (f"B-{stem}", f"I-{stem}"):
                    table[row, column] = _IMPOSSIBLE
    return table
