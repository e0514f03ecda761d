"""Brings the entities' probabilities in line with how often they are right, by type.

The curves are fitted on texts that the network was not trained on: the part of the train file that watched,
and devel. What they do on devel is measured with curves that were fitted without the abstracts at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.language.confidence import Confidence, Curve
from services.language.decoding import WordSpan
from training.clinical_ner.scoring import STEMS, Outcome

STRETCHES = 10
"""Of devel, some fifty abstracts each: consecutive sentences, so that few abstracts lie in two."""


def fitted(results: Sequence[Outcome]) -> Confidence:
    """The curves of maximum likelihood on the entities of `results` that the tagger found, among those that
    never fall.
    """
    curves = {}
    for stem in STEMS:
        judged = [
            item
            for outcome in results
            for item in outcome.judged
            if item.label == stem and not item.from_terminology
        ]
        p = np.clip([item.probability for item in judged], 1e-6, 1 - 1e-6)
        curves[stem] = _curve(p, np.array([item.right for item in judged]))
    return Confidence(curves)


def _curve(p: NDArray[np.float64], right: NDArray[np.bool_]) -> Curve:
    """Kull et al., section 4: a side that would turn the curve round is left out, and the other fitted
    alone.
    """
    sides = np.stack([np.log(p), -np.log(1 - p)], axis=1)
    used = [0, 1]
    while True:
        model = LogisticRegression(C=1e6, max_iter=1000).fit(sides[:, used], right)
        weights = np.zeros(2)
        weights[used] = model.coef_[0]
        if len(used) == 1 or weights.min() >= 0:
            return Curve(float(weights[0]), float(weights[1]), float(model.intercept_[0]))
        used = [int(weights.argmax())]


def stretches(count: int) -> list[list[int]]:
    """The numbers of `count` sentences by stretch."""
    return [part.tolist() for part in np.array_split(np.arange(count), STRETCHES)]


def cross_fitted(
    results: Sequence[Outcome], tagged: Sequence[Outcome], further: Sequence[Outcome]
) -> list[Outcome]:
    """`results` on devel with the probabilities of curves fitted on the other stretches and on `further`.

    `tagged` are the tagger's own results on the same sentences, on which the curves are fitted.
    """
    scaled: list[Outcome] = []
    for stretch in stretches(len(results)):
        others = [*tagged[: stretch[0]], *tagged[stretch[-1] + 1 :]]
        own = fitted([*further, *others])
        scaled += [rescaled(results[i], own) for i in stretch]
    return scaled


def rescaled(outcome: Outcome, confidence: Confidence) -> Outcome:
    """The outcome with the probabilities as the service answers them."""
    spans = [WordSpan(0, 1, item.label, item.probability, item.from_terminology) for item in outcome.judged]
    judged = [
        replace(item, probability=confidence.of(span))
        for item, span in zip(outcome.judged, spans, strict=True)
    ]
    return replace(outcome, judged=tuple(judged))
