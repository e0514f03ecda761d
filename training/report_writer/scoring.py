"""How an answer is compared with what was wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORDS = re.compile(r"[a-z0-9]+")
_SIDES = {
    "left": "left",
    "right": "right",
    "bilateral": "bilateral",
    "bibasilar": "bilateral",
    "both": "bilateral",
}
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


def rouge_l(answer: str, wanted: str) -> float:
    """ROUGE-L F1 (Lin 2004) over whole texts, words in small letters, without stemming."""
    ours, theirs = _WORDS.findall(answer.lower()), _WORDS.findall(wanted.lower())
    if not ours or not theirs:
        return 0.0
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = row
        row = [0]
        for at, other in enumerate(theirs):
            row.append(before[at] + 1 if word == other else max(row[-1], before[at + 1]))
    common = row[-1]
    return 2 * common / (len(ours) + len(theirs))


def sides(text: str) -> set[str]:
    """Which sides a text names."""
    return {_SIDES[word] for word in _WORDS.findall(text.lower()) if word in _SIDES}


def numbers(text: str) -> Counter[str]:
    """Which numbers, and how often; the marks of a list ("1. ") are none."""
    return Counter(_NUMBERS.findall(re.sub(r"(?:^|(?<=\. ))\d\. ", "", text)))


def f1(answered: Sequence[set[object]], wanted: Sequence[set[object]]) -> float:
    """F1 over all texts of what was found in each."""
    right = sum(len(one & other) for one, other in zip(answered, wanted, strict=True))
    total = sum(map(len, answered)) + sum(map(len, wanted))
    return 2 * right / total if total else 1.0
