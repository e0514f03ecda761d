"""Reads evidence on the catalogue's conditions out of findings, mentions and the record.

Pure: values in, evidence by condition out. What each is worth comes from the catalogue; see docs/fusion.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from services.clinical.log_odds import log_odds
from services.orchestrator.catalogue import Catalogue, Code, Condition, ImageLabels, StatementReliability
from services.orchestrator.fusion import Evidence, Modality, Reach, about_the_whole

CONFIDENT_PROBABILITY = 0.8
"""From here on an image's finding is passed on to the treatments as a condition of the patient."""
CONFIDENT_MENTION = 0.5
"""From here on a mention counts for the treatments: it is more probably right than wrong."""
RULE_OF_THREE = 3.0
"""No event in n trials leaves a rate of up to 3/n open (Hanley and Lippman-Hand, JAMA 1983;249:1743)."""
MORE_PROBABLE_THAN_NOT = 0.5
TINY = 1e-9
"""Stands for a probability that was rounded to 0; the bounds cut far before it."""


class Assertion(Enum):
    """What the note says of a mention; the value is the key in `reliability.toml`."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    FAMILY = "family"


@dataclass(frozen=True)
class ImageReading:
    """One image that was analysed."""

    index: int
    """Place in the case, from 0."""
    model: str
    probabilities: Mapping[str, float]
    """Calibrated probability by label."""
    accepted: bool = True
    """Whether the gate takes it for an image of the model's kind; else it is no evidence."""


@dataclass(frozen=True)
class Mention:
    """A disease, sign or symptom that the note mentions."""

    codes: tuple[Code, ...]
    text: str
    assertion: Assertion
    confidence: float
    """Calibrated probability that span and type are right."""

    @property
    def is_confident(self) -> bool:
        """Whether it gives the patient a condition that the treatments should know of."""
        return self.assertion is Assertion.PRESENT and self.confidence >= CONFIDENT_MENTION


@dataclass(frozen=True)
class RecordedCondition:
    """A condition of the record."""

    codes: tuple[Code, ...]
    texts: tuple[str, ...]
    active: bool
    tentative: bool = False
    """Whether the record has it as provisional, differential or unconfirmed."""


@dataclass(frozen=True)
class Case:
    """What the branches found; empty where a branch was not asked or failed."""

    images: tuple[ImageReading, ...] = ()
    mentions: tuple[Mention, ...] = ()
    recorded: tuple[RecordedCondition, ...] = ()
    age_years: int | None = None
    """None: not known."""


@dataclass(frozen=True)
class Item:
    """Evidence on a condition, with what the disagreements need to know of it."""

    condition: str
    """Key in the catalogue."""
    evidence: Evidence
    direct: bool = True
    """Whether the source speaks of this very condition, not of a symptom or a broader or narrower one."""
    assertion: Assertion | None = None
    """What the note says of the condition, `POSSIBLE` where the record is not sure of it; else None."""


def collect(case: Case, catalogue: Catalogue) -> list[Item]:
    """All evidence that the case holds, on every condition that it bears on."""
    return [
        *(
            item
            for image in case.images
            if image.accepted
            for item in _of_image(image, case.age_years, catalogue)
        ),
        *(item for mention in case.mentions for item in _of_mention(mention, catalogue)),
        *(
            item
            for condition in case.recorded
            if condition.active
            for item in _of_record(condition, catalogue)
        ),
    ]


def reach(condition: Condition, modality: Modality, catalogue: Catalogue) -> Reach:
    """The most that a modality can say for and against a condition: what its absence leaves open."""
    if modality is Modality.IMAGE:
        bounds = [
            (_trust(labels, None, catalogue), _bounds(condition, labels, catalogue))
            for labels in condition.images
            if labels.metric in catalogue.images[labels.model].auroc
        ]
        return Reach(
            favour=max((trust * high for trust, (_, high) in bounds), default=0.0),
            against=max((-trust * low for trust, (low, _) in bounds), default=0.0),
        )
    if modality is Modality.RECORD:
        ratios = [_recorded_ratio(condition, catalogue)]
        for kind in catalogue.conditions.values():
            if condition in catalogue.broader(kind):
                ratio = _recorded_ratio(kind, catalogue)
                ratios.append(about_the_whole(ratio, kind.prior / condition.prior))
        return Reach(favour=catalogue.record.precision * math.log(max(ratios)), against=0.0)
    present, absent = catalogue.note[Assertion.PRESENT.value], catalogue.note[Assertion.ABSENT.value]
    return Reach(
        favour=present.precision * _log_ratio(present), against=-absent.precision * _log_ratio(absent)
    )


def outside_population(case: Case, catalogue: Catalogue) -> list[str]:
    """The image models of the case that were not made for patients of its age, sorted."""
    models = {image.model for image in case.images if image.accepted}
    return sorted(model for model in models if _is_outside(model, case.age_years, catalogue))


def unmeasured(case: Case, catalogue: Catalogue) -> list[str]:
    """The image models of the case whose reliability is unknown, sorted: what they show does not count."""
    models = {image.model for image in case.images if image.accepted}
    return sorted(
        model for model in models if model not in catalogue.images or not catalogue.images[model].auroc
    )


def further_conditions(case: Case, catalogue: Catalogue) -> list[Condition]:
    """Conditions that note and images give the patient with confidence, with those that they are kinds of."""
    found: dict[str, Condition] = {}
    for mention in case.mentions:
        if mention.is_confident:
            found |= {condition.key: condition for condition in catalogue.named(mention.codes, mention.text)}
    for image in case.images:
        for condition in catalogue.conditions.values():
            for labels in condition.images:
                if (
                    image.accepted
                    and labels.model == image.model
                    and _probability(image, labels.labels) >= CONFIDENT_PROBABILITY
                ):
                    found[condition.key] = condition
    for condition in tuple(found.values()):
        found |= {broader.key: broader for broader in catalogue.broader(condition)}
    return [found[key] for key in sorted(found)]


def _of_image(image: ImageReading, age_years: int | None, catalogue: Catalogue) -> Iterable[Item]:
    reliability = catalogue.images.get(image.model)
    if reliability is None or image.probabilities.keys() != reliability.share.keys():
        return  # a model, or labels, of which no reliability is known
    for condition in catalogue.conditions.values():
        for labels in condition.images:
            among = _among(condition, labels, catalogue)
            # Which kind it is, is asked only of an image that shows the whole more probably than not.
            if labels.model != image.model or _probability(image, among) < MORE_PROBABLE_THAN_NOT:
                continue
            if labels.metric not in reliability.auroc:
                continue  # never measured here: not trusted at all
            low, high = _bounds(condition, labels, catalogue)
            evidence = Evidence(
                Modality.IMAGE,
                f"{image.model}: {' or '.join(sorted(labels.labels))} in image {image.index}",
                min(max(_image_log_ratio(image, labels.labels, among, catalogue), low), high),
                _trust(labels, age_years, catalogue),
            )
            yield Item(condition.key, evidence)


def _of_mention(mention: Mention, catalogue: Catalogue) -> Iterable[Item]:
    if mention.assertion in {Assertion.PRESENT, Assertion.ABSENT}:
        yield from _of_symptom(mention, catalogue)
    statement = catalogue.note.get(mention.assertion.value)
    if statement is None:  # of a relative
        return
    for condition in catalogue.named(mention.codes, mention.text):
        if mention.assertion is Assertion.HISTORICAL and not condition.chronic:
            continue
        text = f"note: {condition.naming.display} {mention.assertion.value}"
        trust = mention.confidence * statement.precision
        ratio = statement.rate_if_ill / statement.rate_if_well
        for bearing, log_ratio, direct in _spread(condition, ratio, catalogue):
            evidence = Evidence(Modality.NOTE, text, log_ratio, trust)
            yield Item(bearing.key, evidence, direct=direct, assertion=mention.assertion)


def _of_symptom(mention: Mention, catalogue: Catalogue) -> Iterable[Item]:
    statement = catalogue.note[mention.assertion.value]
    for condition in catalogue.conditions.values():
        for finding in condition.findings:
            ratio = finding.present if mention.assertion is Assertion.PRESENT else finding.absent
            if ratio is not None and finding.naming.names(mention.codes, mention.text):
                text = f"note: {finding.naming.display} {mention.assertion.value}"
                evidence = Evidence(
                    Modality.NOTE, text, math.log(ratio), mention.confidence * statement.precision
                )
                yield Item(condition.key, evidence, direct=False)


def _of_record(recorded: RecordedCondition, catalogue: Catalogue) -> Iterable[Item]:
    possible = catalogue.note[Assertion.POSSIBLE.value]
    for condition in catalogue.named(recorded.codes, *recorded.texts):
        ratio = _recorded_ratio(condition, catalogue)
        if recorded.tentative:  # says as much as a note that calls it possible
            ratio = min(ratio, possible.rate_if_ill / possible.rate_if_well)
        text = f"record: {condition.naming.display} {'possible' if recorded.tentative else 'active'}"
        for bearing, log_ratio, direct in _spread(condition, ratio, catalogue):
            evidence = Evidence(Modality.RECORD, text, log_ratio, catalogue.record.precision)
            assertion = Assertion.POSSIBLE if recorded.tentative else None
            yield Item(bearing.key, evidence, direct=direct, assertion=assertion)


def _recorded_ratio(condition: Condition, catalogue: Catalogue) -> float:
    """Likelihood ratio that takes the condition's prior to the share of recorded diagnoses that are right."""
    return math.exp(log_odds(catalogue.record.precision) - log_odds(condition.prior))


def _spread(
    condition: Condition, ratio: float, catalogue: Catalogue
) -> Iterable[tuple[Condition, float, bool]]:
    """What a statement bears on: condition, log likelihood ratio, whether it is the stated one.

    It bears on the whole as far as the kind makes up the whole. About the whole, it says nothing of the kind.
    """
    yield condition, math.log(ratio), True
    for whole in catalogue.broader(condition):
        yield whole, math.log(about_the_whole(ratio, condition.prior / whole.prior)), False


def _among(condition: Condition, labels: ImageLabels, catalogue: Catalogue) -> frozenset[str]:
    """The labels among which the condition is told apart: the whole's for a kind, else all of the model's."""
    for whole in catalogue.broader(condition):
        for image in whole.images:
            if image.model == labels.model:
                return image.labels
    return frozenset(catalogue.images[labels.model].share)


def _probability(image: ImageReading, labels: frozenset[str]) -> float:
    return math.fsum(image.probabilities.get(label, 0.0) for label in labels)


def _image_log_ratio(
    image: ImageReading, labels: frozenset[str], among: frozenset[str], catalogue: Catalogue
) -> float:
    """Log likelihood ratio of the image for some labels against the others among which they are told apart.

    A label's likelihood is its probability over its share in the data that the model is calibrated to.
    Several labels have the mean of theirs, weighted by the catalogue's priors: the model's data mixes them
    otherwise than the patients that the priors speak of.
    """
    shares, priors = catalogue.images[image.model].share, catalogue.label_priors(image.model)

    def likelihood(chosen: frozenset[str]) -> float:
        total = math.fsum(
            priors[name] * max(image.probabilities[name], TINY) / shares[name] for name in chosen
        )
        return total / math.fsum(priors[name] for name in chosen)

    return math.log(likelihood(labels) / likelihood(among - labels))


def _bounds(condition: Condition, labels: ImageLabels, catalogue: Catalogue) -> tuple[float, float]:
    """Log likelihood ratios beyond which the model's held-out cases say nothing."""
    counts = catalogue.images[labels.model].held_out_count
    ill = sum(counts[label] for label in labels.labels)
    well = sum(counts[label] for label in _among(condition, labels, catalogue) - labels.labels)
    return -math.log(ill / RULE_OF_THREE), math.log(well / RULE_OF_THREE)


def _trust(labels: ImageLabels, age_years: int | None, catalogue: Catalogue) -> float:
    reliability = catalogue.images[labels.model]
    trust = max(0.0, 2 * reliability.auroc[labels.metric] - 1)
    return trust * reliability.outside_factor if _is_outside(labels.model, age_years, catalogue) else trust


def _is_outside(model: str, age_years: int | None, catalogue: Catalogue) -> bool:
    reliability = catalogue.images.get(model)
    if reliability is None or reliability.age_years is None or age_years is None:
        return False
    youngest, oldest = reliability.age_years
    return not youngest <= age_years <= oldest


def _log_ratio(statement: StatementReliability) -> float:
    return math.log(statement.rate_if_ill / statement.rate_if_well)
