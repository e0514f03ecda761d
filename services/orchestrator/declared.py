"""What a model's card declares of conditions, and what its answers are worth as evidence by that.

Pure: the card's figures in, log likelihood ratios out. docs/fusion.md derives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from services.clinical.concepts import Concept
from services.clinical.log_odds import log_odds

RULE_OF_THREE = 3.0
"""No event in n trials leaves a rate of up to 3/n open (Hanley and Lippman-Hand, JAMA 1983;249:1743)."""
MORE_PROBABLE_THAN_NOT = 0.5
TINY = 1e-9
"""Stands for a probability that was rounded to 0 or 1; the bounds cut far before it."""

PriorOf = Callable[[str], float | None]
"""The prior of a condition by its SNOMED CT code; None: it is not known here."""


@dataclass(frozen=True)
class DeclaredEvidence:
    """What labels of a model say of a condition (`ConditionEvidence` of the card)."""

    condition: Concept
    """In SNOMED CT."""
    labels: frozenset[str]
    auroc: float
    """How well the labels are told from the rest, on held-out cases."""
    share: float
    """Share of the labels in the data that the probabilities are calibrated to, in (0, 1)."""
    positive_count: int
    """Held-out cases with the condition."""
    negative_count: int
    """Held-out cases without it."""
    outside_factor: float
    """Factor of the reliability for a patient outside the model's ages."""
    within: str = ""
    """SNOMED CT code of the broader condition among whose labels this one is told apart; empty: among all."""
    holds_for_series: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """Log likelihood ratios beyond which the held-out cases say nothing: the lowest, the highest."""
        low, high = (max(n / RULE_OF_THREE, 1.0) for n in (self.positive_count, self.negative_count))
        return -math.log(low), math.log(high)


@dataclass(frozen=True)
class Declaration:
    """What a card declares of a model whose labels bear on conditions."""

    model: str
    labels: tuple[str, ...]
    normal: frozenset[str]
    """The labels that stand for the absence of every finding."""
    exclusive: bool
    """Whether exactly one label is true."""
    needs_gate: bool = False
    """Whether a gate must have accepted the image."""
    youngest: int | None = None
    """Ages in completed years that it was made for; None: no bound."""
    oldest: int | None = None
    evidence: tuple[DeclaredEvidence, ...] = ()

    def on(self, code: str) -> DeclaredEvidence | None:
        """What it declares of the condition of this SNOMED CT code."""
        return next((one for one in self.evidence if one.condition.code == code), None)

    def is_outside(self, age_years: int | None) -> bool:
        """Whether the model was not made for a patient of this age; not when the age is unknown."""
        if age_years is None:
            return False
        too_young = self.youngest is not None and age_years < self.youngest
        too_old = self.oldest is not None and age_years > self.oldest
        return too_young or too_old

    def reliability(self, one: DeclaredEvidence, age_years: int | None) -> float:
        """How far it is trusted on a condition, in [0, 1]: Somers' D of its AUROC."""
        trust = max(0.0, 2 * one.auroc - 1)
        return trust * one.outside_factor if self.is_outside(age_years) else trust

    def probability(self, labels: Collection[str], probabilities: Mapping[str, float]) -> float:
        """The probability that one of `labels` is true.

        Of labels that do not exclude each other that of the most probable one, which it is at least.
        """
        chosen = [probabilities[label] for label in labels]
        return min(math.fsum(chosen), 1.0) if self.exclusive else max(chosen, default=0.0)

    def speaks_of(self, one: DeclaredEvidence, probabilities: Mapping[str, float]) -> bool:
        """Whether the question is open at all: which kind it is, is asked only of an input that shows the
        whole more probably than not.
        """
        whole = self.on(one.within) if one.within else None
        return whole is None or self.probability(whole.labels, probabilities) >= MORE_PROBABLE_THAN_NOT

    def log_ratio(
        self, one: DeclaredEvidence, probabilities: Mapping[str, float], prior_of: PriorOf
    ) -> float:
        """Log likelihood ratio of an answer for a condition against what it is told apart from, in bounds.

        The odds of the answer over the odds of the data that it is calibrated to. Where the priors of all
        labels are known, those are taken instead of the data's own mix: see `_likelihood`.
        """
        whole = self.on(one.within) if one.within else None
        among = whole.labels if whole is not None else frozenset(self.labels)
        weights = self._weights(prior_of) if self.exclusive else {}
        if one.labels < among <= weights.keys():
            ratio = math.log(
                _likelihood(one.labels, probabilities, weights)
                / _likelihood(among - one.labels, probabilities, weights)
            )
        else:
            total = self.probability(whole.labels, probabilities) if whole is not None else 1.0
            share = one.share / (whole.share if whole is not None else 1.0)
            answer = self.probability(one.labels, probabilities) / max(total, TINY)
            ratio = log_odds(_open(answer)) - log_odds(_open(share))
        low, high = one.bounds
        return min(max(ratio, low), high)

    def _weights(self, prior_of: PriorOf) -> dict[str, tuple[float, float]]:
        """Prior and share of each label that has both: the labels with a condition of their own, and of a
        single label of normality the rest.
        """
        known: dict[str, tuple[float, float]] = {}
        for one in self.evidence:
            prior = prior_of(one.condition.code)
            if len(one.labels) == 1 and prior is not None:
                known.setdefault(next(iter(one.labels)), (prior, one.share))
        if len(self.normal) == 1 and known.keys() == set(self.labels) - self.normal:
            prior, share = (1 - math.fsum(figures[i] for figures in known.values()) for i in (0, 1))
            if prior > 0 and share > 0:
                known[next(iter(self.normal))] = (prior, share)
        return known


def _likelihood(
    labels: Collection[str],
    probabilities: Mapping[str, float],
    weights: Mapping[str, tuple[float, float]],
) -> float:
    """A label's likelihood is its probability over its share in the data that the model is calibrated to.

    Several labels have the mean of theirs, weighted by the conditions' priors: the model's data mixes them
    otherwise than the patients that the priors speak of.
    """
    total = math.fsum(
        weights[label][0] * max(probabilities[label], TINY) / weights[label][1] for label in labels
    )
    return total / math.fsum(weights[label][0] for label in labels)


def _open(probability: float) -> float:
    return min(max(probability, TINY), 1 - TINY)
