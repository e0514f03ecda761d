"""Within a note, the mentions of a word decide together, and so do a name and its abbreviation.

The network sees some hundred tokens at a time; what an abbreviation stands for is often said only once, far
away. Both rules move word probabilities before the last decoding; their weights were chosen on the part of
the train file that watched the training, never on devel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.language.decoding import FloatArray, WordSpan, decode

AGREEMENT = 0.25
"""How far a word's other mentions in the note move its log-probabilities."""

NAMED, NOT_NAMED = 5.0, 3.0
"""Log-odds that an abbreviation gains for the type of the name it stands for, or for none."""

LEAST_PROBABILITY = 0.43
"""Of an entity. Whatever is less likely right than half the F1 that is reached lowers the F1 that is to be
expected (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure"): not fitted to
anything. The terminology may bring such an entity back."""

_SHORTEST_NAME = 3
_LONGEST_ABBREVIATION = 10
_OPENING = frozenset({"(", "[", "{", "-", ",", ";", ":", "/"})
_NO_END = _OPENING | {"of", "the", "in", "with", "and", "or", "to", "for", "ve", "yes", "no", "none"}
_CLOSING = frozenset({")", "]", ",", ";"})


def decode_note(
    log_probabilities: FloatArray,
    words: Sequence[str],
    labels: Sequence[str],
    breaks: Sequence[int] = (),
    least_probability: float = LEAST_PROBABILITY,
) -> list[WordSpan]:
    """The entities of a whole note that are likely enough; arguments as of `decode`, `words` as written."""
    agreed = agree(log_probabilities, words)
    spans = decode(agreed, labels, breaks)
    meanings = abbreviations(words, spans)
    if meanings:
        spans = decode(_informed(agreed, words, labels, meanings), labels, breaks)
    return [_trimmed(span, words) for span in spans if span.probability >= least_probability]


def agree(log_probabilities: FloatArray, words: Sequence[str], weight: float = AGREEMENT) -> FloatArray:
    """Let the mentions of one word support each other; FP32 [words, labels] in and out.

    Each word of at least three characters, with a letter among them, moves by `weight` towards the mean of
    its other mentions, whatever their case.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words):
        if len(word) >= _SHORTEST_NAME and any(map(str.isalpha, word)):
            places[word.lower()].append(place)
    agreed = log_probabilities.copy()
    for same in places.values():
        if len(same) > 1:
            own = log_probabilities[same]
            others = (own.sum(axis=0) - own) / (len(same) - 1)
            agreed[same] = (1 - weight) * own + weight * others
    return _normalised(agreed)


def abbreviations(words: Sequence[str], spans: Sequence[WordSpan]) -> dict[str, str]:
    """What the note's abbreviations stand for, where it says "name (ABBREVIATION)": a label's stem, or "O".

    "O" means that the note spells the abbreviation out and the words it stands for hold no entity.
    """
    ending = {span.last: span for span in spans}
    covered = {word for span in spans for word in range(span.first, span.last)}
    meanings: dict[str, str] = {}
    for place in range(1, len(words) - 2):
        short = words[place + 1]
        if words[place] != "(" or words[place + 2] not in _CLOSING or not _is_abbreviation(short):
            continue
        span = ending.get(place)
        if span is not None and stands_for(short, words[span.first : span.last]):
            meanings.setdefault(short, span.label)
        else:
            first = _spelled_out_from(words, place, short)
            if first is not None and covered.isdisjoint(range(first, place)):
                meanings.setdefault(short, "O")
    return meanings


def stands_for(short: str, words: Sequence[str]) -> bool:
    """Whether `words` hold the letters of `short` in order, the first one at the start of a word.

    Schwartz and Hearst 2003, "A simple algorithm for identifying abbreviation definitions in biomedical
    text".
    """
    letters = [letter for letter in short.removesuffix("s").lower() if letter.isalnum()]
    text = " ".join(words).lower()
    at = len(text)
    for index in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and (text[at] != letters[index] or (index == 0 and at > 0 and text[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return False
    return True


def _spelled_out_from(words: Sequence[str], place: int, short: str) -> int | None:
    """The first of the fewest words before `place` that `short` can stand for, within its sentence."""
    reach = min(len(short) + 5, 2 * len(short))
    for first in range(place - 1, max(place - 1 - reach, -1), -1):
        if words[first] in {".", ";", ")", "("}:
            return None
        if words[first][0].lower() == short[0].lower() and stands_for(short, words[first:place]):
            return first
    return None


def _is_abbreviation(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return len(word) <= _LONGEST_ABBREVIATION and letters >= 2 and any(map(str.isupper, word))


def _informed(
    log_probabilities: FloatArray, words: Sequence[str], labels: Sequence[str], meanings: dict[str, str]
) -> FloatArray:
    """Every mention of an abbreviation, or of its plural, with the log-odds that its meaning brings."""
    informed = log_probabilities.copy()
    for place, word in enumerate(words):
        meaning = meanings.get(word) or meanings.get(word.removesuffix("s"))
        if meaning is not None:
            column = "O" if meaning == "O" else f"B-{meaning}"
            informed[place, labels.index(column)] += NOT_NAMED if meaning == "O" else NAMED
    return _normalised(informed)


def _trimmed(span: WordSpan, words: Sequence[str]) -> WordSpan:
    """Without the opening bracket, the separator or the preposition that no name ends with."""
    last = span.last
    while last - 1 > span.first and words[last - 1] in _NO_END:
        last -= 1
    return replace(span, last=last)


def _normalised(log_probabilities: FloatArray) -> FloatArray:
    normalised: FloatArray = log_probabilities - np.logaddexp.reduce(log_probabilities, axis=1, keepdims=True)
    return normalised
