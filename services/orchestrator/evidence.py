"""Reads evidence on the known conditions out of a case: models' answers, mentions and the record.

Pure: values in, evidence by condition out. What each is worth comes from the data and from what the
models' cards declare; see docs/fusion.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.clinical.code_systems import SNOMED
from services.clinical.concepts import Concept
from services.clinical.log_odds import log_odds
from services.orchestrator.case import Assertion, Case, Mention, Reading, RecordedCondition, Standing
from services.orchestrator.declared import Declaration, DeclaredEvidence
from services.orchestrator.fusion import Evidence, Reach, Source, about_the_whole
from services.orchestrator.knowledge import Condition, Knowledge, StatementReliability
from services.orchestrator.references import ImageFinding, NoteFinding

CONFIDENT_PROBABILITY = 0.8
"""From here on a model's finding is passed on to the treatments as a condition of the patient."""
UNBOUNDED = Reach(math.inf, math.inf)


@dataclass(frozen=True)
class Item:
    """Evidence on a condition, with what the disagreements need to know of it."""

    condition: str
    """Key of the condition."""
    evidence: Evidence
    direct: bool = True
    """Whether the source speaks of this very condition, not of a symptom or a broader or narrower one."""
    assertion: Assertion | None = None
    """What the note says of the condition, `POSSIBLE` where the record is not sure of it; else None."""
    counts: bool = True
    """False for a model's answer where a better measured one answers on the same input."""


def collect(case: Case, knowledge: Knowledge) -> list[Item]:
    """All evidence that the case holds, on every condition that it bears on."""
    return [
        *_of_models(case, knowledge),
        *(item for mention in case.mentions for item in _of_mention(mention, knowledge)),
        *(
            item
            for condition in case.recorded
            if condition.active
            for item in _of_record(condition, knowledge)
        ),
    ]


def reach(
    condition: Condition,
    source: Source,
    knowledge: Knowledge,
    declared: Mapping[Source, Sequence[Declaration] | None],
) -> Reach:
    """The most that a source can say for and against a condition: what its absence leaves open.

    `declared` has the models of each source; None: they are not known, so that anything may be missing.
    """
    models = declared.get(source, ())
    if models is None:
        return UNBOUNDED
    weights = [0.0]
    for model in models:
        for one in model.evidence:
            trust = model.reliability(one, None)
            for bound in one.bounds:
                weights += [
                    trust * log_ratio
                    for bearing, log_ratio, _ in _bearings(one, bound, knowledge)
                    if bearing == condition
                ]
    if source is Source.RECORD:
        ratios = [_recorded_ratio(condition, knowledge)]
        for kind in knowledge.conditions.values():
            if condition in knowledge.broader(kind):
                ratio = _recorded_ratio(kind, knowledge)
                ratios.append(about_the_whole(ratio, kind.prior / condition.prior))
        weights.append(knowledge.record.precision * math.log(max(ratios)))
    if source is Source.NOTE:
        for assertion in (Assertion.PRESENT, Assertion.ABSENT):
            statement = knowledge.note[assertion.value]
            weights.append(statement.precision * _log_ratio(statement))
    return Reach(favour=max(weights), against=-min(weights))


def outside_population(case: Case) -> list[Declaration]:
    """The models of the case that were not made for patients of its age, by name."""
    found = {
        reading.model: reading.declaration
        for reading in case.readings
        if reading.standing is Standing.COUNTS
        and reading.declaration is not None
        and reading.declaration.evidence
        and reading.declaration.is_outside(case.age_years)
    }
    return [found[model] for model in sorted(found)]


def unknown_conditions(case: Case, knowledge: Knowledge) -> list[Concept]:
    """The conditions that answers of the case bear on by their cards and that are not known here.

    In the order of their codes. Among them those that are declared a kind of what they are no kind of here.
    """
    found = {
        one.condition.code: one.condition
        for reading in case.readings
        if reading.declaration is not None
        for one in reading.declaration.evidence
        if not any(True for _ in _bearings(one, 0.0, knowledge))
    }
    return [found[code] for code in sorted(found)]


def further_conditions(case: Case, knowledge: Knowledge) -> list[Concept]:
    """Conditions that note and models give the patient with confidence, with those that they are kinds of."""
    found: dict[str, Condition] = {}
    foreign: dict[str, Concept] = {}
    for mention in case.mentions:
        if mention.is_confident:
            found |= {condition.key: condition for condition in knowledge.named(mention.codes, mention.text)}
    for reading in case.readings:
        if reading.standing is not Standing.COUNTS or reading.declaration is None:
            continue
        for one in reading.declaration.evidence:
            if reading.declaration.probability(one.labels, reading.probabilities) >= CONFIDENT_PROBABILITY:
                condition = knowledge.of_code(one.condition.code)
                if condition is not None:
                    found[condition.key] = condition
                else:
                    foreign[one.condition.code] = one.condition
    for condition in tuple(found.values()):
        found |= {broader.key: broader for broader in knowledge.broader(condition)}
    named = [Concept(SNOMED, found[key].code, found[key].naming.display) for key in sorted(found)]
    return [*named, *(foreign[code] for code in sorted(foreign))]


def _of_models(case: Case, knowledge: Knowledge) -> list[Item]:
    """What the models' answers say; of several models on one input the best measured one counts.

    Two models on one image are not independent: their sum would count one finding twice, and the strongest of
    many would be the luckiest. Which is best measured does not depend on what it answers.
    """
    items: list[Item] = []
    by_input: dict[tuple[Source, int, str], list[tuple[tuple[float, int, bool, str], str, Item]]] = {}
    for reading in case.readings:
        for measured, item in _of_reading(reading, case.age_years, knowledge):
            key = (reading.source, reading.image_index, item.condition)
            by_input.setdefault(key, []).append((measured, reading.model, item))
    for rivals in by_input.values():
        best = max(rivals, key=lambda rival: rival[0])
        items.append(best[2])
        items += [
            Item(item.condition, item.evidence, item.direct, counts=False)
            for _, model, item in rivals
            if model != best[1] and item.direct
        ]
    return items


def _of_reading(
    reading: Reading, age_years: int | None, knowledge: Knowledge
) -> Iterable[tuple[tuple[float, int, bool, str], Item]]:
    """Each piece of evidence of one answer, with how well it is measured: reliability, cases, directness."""
    model = reading.declaration
    if model is None or reading.standing is not Standing.COUNTS:
        return
    for one in model.evidence:
        if reading.is_series and not one.holds_for_series:
            continue
        trust = model.reliability(one, age_years)
        if trust == 0.0 or not model.speaks_of(one, reading.probabilities):
            continue
        log_ratio = model.log_ratio(one, reading.probabilities, knowledge.prior_of)
        labels = tuple(sorted(one.labels))
        reference: ImageFinding | NoteFinding
        if reading.source is Source.IMAGE:
            reference = ImageFinding(reading.image_index, reading.model, labels)
            text = f"{reading.model}: {' or '.join(labels)} in image {reading.image_index}"
        else:
            reference = NoteFinding(reading.model, labels)
            text = f"{reading.model}: {' or '.join(labels)}"
        count = min(one.positive_count, one.negative_count)
        for bearing, ratio, direct in _bearings(one, log_ratio, knowledge):
            evidence = Evidence(reading.source, text, ratio, trust, reference)
            yield (trust, count, direct, reading.model), Item(bearing.key, evidence, direct)


def _bearings(
    one: DeclaredEvidence, log_ratio: float, knowledge: Knowledge
) -> Iterable[tuple[Condition, float, bool]]:
    """What a declared piece of evidence bears on: condition, log likelihood ratio, whether it is the declared
    one. Nothing, where it is not known here, or not as a kind of what it is told apart within.
    """
    condition = knowledge.of_code(one.condition.code)
    if condition is None:
        return
    if not one.within:
        yield from _spread(condition, math.exp(log_ratio), knowledge)
    elif condition.broader and knowledge.conditions[condition.broader].code == one.within:
        yield condition, log_ratio, True


def _of_mention(mention: Mention, knowledge: Knowledge) -> Iterable[Item]:
    if mention.assertion in {Assertion.PRESENT, Assertion.ABSENT}:
        yield from _of_sign(mention, knowledge)
    statement = knowledge.note.get(mention.assertion.value)
    if statement is None:  # of a relative
        return
    for condition in knowledge.named(mention.codes, mention.text):
        if mention.assertion is Assertion.HISTORICAL and not condition.chronic:
            continue
        text = f"{condition.naming.display} {mention.assertion.value}"
        trust = mention.confidence * statement.precision
        ratio = statement.rate_if_ill / statement.rate_if_well
        for bearing, log_ratio, direct in _spread(condition, ratio, knowledge):
            evidence = Evidence(Source.NOTE, text, log_ratio, trust, mention.reference)
            yield Item(bearing.key, evidence, direct=direct, assertion=mention.assertion)


def _of_sign(mention: Mention, knowledge: Knowledge) -> Iterable[Item]:
    statement = knowledge.note[mention.assertion.value]
    for condition, sign in knowledge.signs_named(mention.codes, mention.text):
        ratio = sign.present if mention.assertion is Assertion.PRESENT else sign.absent
        if ratio is not None:
            evidence = Evidence(
                Source.NOTE,
                f"{sign.naming.display} {mention.assertion.value}",
                math.log(ratio),
                mention.confidence * statement.precision,
                mention.reference,
            )
            yield Item(condition.key, evidence, direct=False)


def _of_record(recorded: RecordedCondition, knowledge: Knowledge) -> Iterable[Item]:
    possible = knowledge.note[Assertion.POSSIBLE.value]
    for condition in knowledge.named(recorded.codes, *recorded.texts):
        ratio = _recorded_ratio(condition, knowledge)
        if recorded.tentative:  # says as much as a note that calls it possible
            ratio = min(ratio, possible.rate_if_ill / possible.rate_if_well)
        text = f"{condition.naming.display} {'possible' if recorded.tentative else 'active'}"
        for bearing, log_ratio, direct in _spread(condition, ratio, knowledge):
            evidence = Evidence(
                Source.RECORD, text, log_ratio, knowledge.record.precision, recorded.reference
            )
            assertion = Assertion.POSSIBLE if recorded.tentative else None
            yield Item(bearing.key, evidence, direct=direct, assertion=assertion)


def _recorded_ratio(condition: Condition, knowledge: Knowledge) -> float:
    """Likelihood ratio that takes the condition's prior to the share of recorded diagnoses that are right."""
    return math.exp(log_odds(knowledge.record.precision) - log_odds(condition.prior))


def _spread(
    condition: Condition, ratio: float, knowledge: Knowledge
) -> Iterable[tuple[Condition, float, bool]]:
    """What a statement bears on: condition, log likelihood ratio, whether it is the stated one.

    It bears on the whole as far as the kind makes up the whole. About the whole, it says nothing of the kind.
    """
    yield condition, math.log(ratio), True
    for whole in knowledge.broader(condition):
        yield whole, math.log(about_the_whole(ratio, condition.prior / whole.prior)), False


def _log_ratio(statement: StatementReliability) -> float:
    return math.log(statement.rate_if_ill / statement.rate_if_well)
