"""Adds weights of evidence: prior log-odds plus the reliability-weighted log likelihood ratio of each source.

I. J. Good, Probability and the Weighing of Evidence (1950), and Weight of evidence: a brief survey (Bayesian
Statistics 2, 1985). Pure arithmetic on natural logarithms; docs/fusion.md derives it and works an example.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from services.clinical.log_odds import log_odds, probability_of
from services.orchestrator.references import Reference

VERSION = "weights-of-evidence/1"
"""Part of the receipt's `fusion_sha256`: changes whenever the same evidence could give another number."""
MAXIMUM_CERTAINTY = 0.999
"""No answer is more certain than this, for or against: nothing here is known to one in a thousand."""


class Source(Enum):
    """Where evidence comes from."""

    IMAGE = "image"
    NOTE = "note"
    RECORD = "record"


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence on one condition."""

    source: Source
    description: str
    """What it is, in words."""
    log_likelihood_ratio: float
    """Natural logarithm of how much more often it is seen with the condition than without."""
    reliability: float
    """How far the source is trusted, in [0, 1]."""
    reference: Reference | None = None
    """Where it stands; None: nowhere that can be named."""

    @property
    def weight(self) -> float:
        """The log-odds that it adds."""
        return self.reliability * self.log_likelihood_ratio


@dataclass(frozen=True)
class Reach:
    """The most that a source can add for a condition, and against it, in log-odds; both at least 0."""

    favour: float
    against: float


@dataclass(frozen=True)
class Weighed:
    """A piece of evidence and its share of all the evidence's absolute weight, in [0, 1]."""

    evidence: Evidence
    share: float


@dataclass(frozen=True)
class Fused:
    """How probable a condition is, and why."""

    probability: float
    low: float
    """Lower end of the interval that the reliabilities and the missing sources leave open."""
    high: float
    prior_log_odds: float
    evidence: tuple[Weighed, ...]
    """What counted."""
    without: Mapping[Source, float]
    """The probability without each source that counted."""


def fuse(prior: float, evidence: Iterable[Evidence], missing: Mapping[Source, Reach]) -> Fused:
    """The probability of a condition of probability `prior`, in (0, 1), after `evidence`, in any order.

    `missing` are the sources of which a branch failed, with what they can add. The interval holds
    every probability that they could still have led to.
    """
    counted = strongest(evidence)
    start = log_odds(prior)
    total = start + math.fsum(item.weight for item in counted)
    doubt = math.fsum((1 - item.reliability) * abs(item.log_likelihood_ratio) for item in counted)
    favour, against = _headroom(counted, missing)
    weight = math.fsum(abs(item.weight) for item in counted)
    return Fused(
        probability=_bounded(total),
        low=_bounded(total - doubt - against),
        high=_bounded(total + doubt + favour),
        prior_log_odds=start,
        evidence=tuple(Weighed(item, abs(item.weight) / weight if weight else 0.0) for item in counted),
        without={
            source: _bounded(start + math.fsum(i.weight for i in counted if i.source is not source))
            for source in Source
            if any(item.source is source for item in counted)
        },
    )


def strongest(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Of each source the strongest piece for and the strongest against; the rest says the same again.

    Several mentions, or several images, of one patient are not independent: their sum counts a thing twice.
    """
    best: dict[tuple[Source, bool], Evidence] = {}
    for item in evidence:
        slot = (item.source, item.weight >= 0)
        if slot not in best or _rank(item) > _rank(best[slot]):
            best[slot] = item
    return [best[slot] for source in Source for slot in ((source, True), (source, False)) if slot in best]


def within(whole: Fused, kind: Fused) -> Fused:
    """A condition that is a kind of another: `kind` was fused among those who have the whole.

    P(kind) = P(whole) P(kind | whole), so that a kind is never more probable than the whole. Prior and
    evidence stay those of the second factor.
    """
    return Fused(
        probability=whole.probability * kind.probability,
        low=whole.low * kind.low,
        high=whole.high * kind.high,
        prior_log_odds=kind.prior_log_odds,
        evidence=kind.evidence,
        without={
            source: whole.without.get(source, whole.probability) * kind.without.get(source, kind.probability)
            for source in Source
            if source in whole.without or source in kind.without
        },
    )


def about_the_whole(ratio: float, share: float) -> float:
    """Likelihood ratio on the whole of a statement about a kind of it, which has this share of the whole.

    `ratio` is the statement's likelihood ratio on the kind: of patients who have the whole but not the kind
    it is made as often as of those who have neither.
    """
    return share * ratio + (1 - share)


def _bounded(odds: float) -> float:
    return min(max(probability_of(odds), 1 - MAXIMUM_CERTAINTY), MAXIMUM_CERTAINTY)


def _rank(item: Evidence) -> tuple[float, float, float, float, str, str]:
    # Everything that tells two pieces apart, so that the order in which they came never decides.
    ratio = item.log_likelihood_ratio
    return abs(item.weight), abs(ratio), ratio, item.reliability, item.description, repr(item.reference)


def _headroom(counted: Iterable[Evidence], missing: Mapping[Source, Reach]) -> tuple[float, float]:
    """How much more the missing sources could have added for and against than what of them is there."""
    counted = tuple(counted)
    favour = against = 0.0
    for source, reach in missing.items():
        weights = [item.weight for item in counted if item.source is source]
        favour += max(0.0, reach.favour - max(weights, default=0.0))
        against += max(0.0, reach.against + min(weights, default=0.0))
    return favour, against
