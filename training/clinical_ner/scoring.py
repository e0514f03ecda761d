"""Strict entity scores: an entity counts only when both its ends and its type are right (the CoNLL measure).

Intervals are percentile bootstraps over runs of consecutive sentences (about one abstract each), since
entities of one abstract are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.language.consistency import LEAST_PROBABILITY, decode_note
from services.language.decoding import FloatArray, WordSpan, assemble, word_log_probabilities
from services.language.recovery import Terms, recover
from services.language.tokenization import Int64Array, word_bounds
from services.language.windows import windows
from training.clinical_ner.corpus import LABELS, Pieces, Sentence
from training.model_card import decided_serving

STEMS = ("Disease", "Chemical")
_COLUMNS = tuple(label.upper() for label in LABELS)
"""As `services.language.tagging` names them: by the type that is answered, the stem in capitals."""

SENTENCES_PER_NOTE = 9
"""As many as an abstract of BC5CDR has on average."""

Predict = Callable[[Sequence[Int64Array]], list[FloatArray]]
"""Windows of token ids, INT64 [tokens] each -> the network's answers FP32 [1 + tokens + padding, 5], [CLS]
first.
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One predicted entity of one sentence: its type, its probability, whether gold has exactly it, and
    whether the terminology decided it.
    """

    label: str
    probability: float
    right: bool
    from_terminology: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one sentence: the predictions, and how many gold entities of each type there are."""

    judged: tuple[Judged, ...]
    gold: dict[str, int]


def outcomes(
    sentences: Sequence[Sentence],
    pieces: Pieces,
    predict: Predict,
    sentences_per_note: int,
    terms: Terms | None = None,
    least_probability: float = LEAST_PROBABILITY,
) -> list[Outcome]:
    """Read every `sentences_per_note` sentences as one note, exactly as the service does, and judge each
    sentence; without `terms` the tagger alone, without what the terminology adds.
    """
    starts = range(0, len(sentences), sentences_per_note)
    notes = [sentences[start : start + sentences_per_note] for start in starts]
    tokens = [pieces.sequence(note) for note in notes]
    served = decided_serving("clinical_ner").token_classification.preprocessing
    room, stride = served.max_token_count - 2, served.stride_token_count
    cuts = [list(windows(sequence.words, room, stride)) for sequence in tokens]
    pairs = zip(tokens, cuts, strict=True)
    rows = iter(predict([sequence.ids[cut.start : cut.end] for sequence, own in pairs for cut in own]))
    results: list[Outcome] = []
    for note, sequence, own in zip(notes, tokens, cuts, strict=True):
        probabilities = assemble(own, [next(rows) for _ in own], len(sequence.ids))
        words = [word for sentence in note for word in sentence.words]
        logs = word_log_probabilities(probabilities, word_bounds(sequence.words))
        found = decode_note(logs, words, _COLUMNS, least_probability=least_probability)
        found = found if terms is None else recover(logs, words, found, terms)
        results += _judged(note, found)
    return results


def _judged(note: Sequence[Sentence], found: Sequence[WordSpan]) -> Iterator[Outcome]:
    start = 0
    for sentence in note:
        end = start + len(sentence.words)
        yield _judge(sentence, [span for span in found if start <= span.first < end], start)
        start = end


def _judge(sentence: Sentence, found: Sequence[WordSpan], start: int) -> Outcome:
    gold = set(sentence.mentions)
    judged = tuple(
        Judged(
            span.label.capitalize(),
            span.probability,
            (span.first - start, span.last - start, span.label.capitalize()) in gold,
            span.from_terminology,
        )
        for span in found
    )
    return Outcome(judged, {stem: sum(mention[2] == stem for mention in gold) for stem in STEMS})


def counts(results: Sequence[Outcome], stem: str | None = None) -> npt.NDArray[np.int64]:
    """INT64 [sentences, 3]: right, predicted, gold; of one type or of both."""
    rows = []
    for outcome in results:
        judged = [item for item in outcome.judged if stem is None or item.label == stem]
        gold = sum(outcome.gold.values()) if stem is None else outcome.gold[stem]
        rows.append((sum(item.right for item in judged), len(judged), gold))
    return np.array(rows, dtype=np.int64)


def f1(table: npt.NDArray[np.int64]) -> float:
    """Micro F1 of rows (right, predicted, gold)."""
    right, predicted, gold = table.sum(axis=0)
    return float(2 * right / max(predicted + gold, 1))


def bootstrap(
    table: npt.NDArray[np.int64], seed: int, draws: int = 2000, block: int = 9
) -> tuple[float, float]:
    """The 95 % interval of `f1`, resampling blocks of `block` consecutive sentences (an abstract has nine on
    average).
    """
    starts = np.arange(0, len(table), block)
    sums = np.stack([table[start : start + block].sum(axis=0) for start in starts])
    rng = np.random.default_rng(seed)
    drawn = sums[rng.integers(len(sums), size=(draws, len(sums)))].sum(axis=1)
    scores = 2 * drawn[:, 0] / np.maximum(drawn[:, 1] + drawn[:, 2], 1)
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(results: Sequence[Outcome], bins: int = 10) -> float:
    """Expected calibration error of the entities' probabilities, equal-count bins (Naeini et al. 2015)."""
    judged = sorted(
        (item for outcome in results for item in outcome.judged), key=lambda item: item.probability
    )
    error = 0.0
    for part in np.array_split(np.arange(len(judged)), bins):
        items = [judged[index] for index in part]
        if items:
            gap = np.mean([item.probability for item in items]) - np.mean([item.right for item in items])
            error += abs(float(gap)) * len(items) / len(judged)
    return error
