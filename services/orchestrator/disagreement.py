"""Finds where the evidence contradicts itself: that is shown and asks for review, never averaged away.

A piece speaks for or against a condition when it is a likelihood ratio of at least 3 or at most 1/3 before
weighting: `positive` evidence on the scale of Kass and Raftery (JASA 1995;90:773); anything less is `not
worth more than a bare mention`, and no ground to call anybody contradicted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from services.orchestrator.case import Assertion
from services.orchestrator.evidence import Item
from services.orchestrator.fusion import Evidence, Source
from services.orchestrator.knowledge import Knowledge

POSITIVE = math.log(3.0)


@dataclass(frozen=True)
class Disagreement:
    """Two pieces of evidence that contradict each other about one condition."""

    condition: str
    """Key of the condition."""
    supporting: Evidence
    opposing: Evidence


def find(items: Iterable[Item], knowledge: Knowledge) -> list[Disagreement]:
    """The contradictions in the evidence, by condition; of each pair of sources the strongest.

    What shows for the broader condition between two sources is not repeated for the narrower ones.
    """
    by_condition: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_condition[item.condition].append(item)
    found = [
        one
        for key in knowledge.conditions
        if key in by_condition
        for one in _on_condition(key, by_condition[key])
    ]
    shown = {(one.condition, one.supporting.source, one.opposing.source) for one in found}
    return [
        one
        for one in found
        if not any(
            (broader.key, one.supporting.source, one.opposing.source) in shown
            for broader in knowledge.broader(knowledge.conditions[one.condition])
        )
    ]


def _on_condition(key: str, items: list[Item]) -> Iterable[Disagreement]:
    supporting: dict[Source, Evidence] = {}
    opposing: dict[Source, Evidence] = {}
    for source in Source:
        of_source = [item for item in items if item.evidence.source is source]
        says_yes = [item.evidence for item in of_source if _supports(item)]
        says_no = [item.evidence for item in of_source if _opposes(item)]
        if says_yes:
            supporting[source] = max(says_yes, key=_strength)
        if says_no:
            opposing[source] = max(says_no, key=_strength)
    # Two images, or two models on one, contradict each other; a note that states and denies the same
    # contradicts itself before it contradicts anybody else.
    images_differ = Source.IMAGE in supporting and Source.IMAGE in opposing
    if Source.NOTE in supporting:
        opposing.pop(Source.NOTE, None)
    for against, denial in opposing.items():
        for source, statement in supporting.items():
            if images_differ and against is Source.IMAGE and source is not Source.IMAGE:
                continue  # one of the images agrees with it: what is said is that they differ
            if against is Source.IMAGE and source is Source.RECORD:
                continue  # a record may be older than the image: that it is not to be seen denies nothing
            yield Disagreement(key, statement, denial)


def _supports(item: Item) -> bool:
    if item.evidence.source is Source.RECORD:
        return item.direct and item.assertion is None
    if item.evidence.log_likelihood_ratio < POSITIVE:
        return False
    # Of a mention only a plain statement; a possibility or the history contradicts no one.
    return item.evidence.source is Source.IMAGE or (
        item.direct and item.assertion in {Assertion.PRESENT, None}
    )


def _opposes(item: Item) -> bool:
    if item.evidence.log_likelihood_ratio > -POSITIVE:
        return False
    return item.evidence.source is Source.IMAGE or (
        item.direct and item.assertion in {Assertion.ABSENT, None}
    )


def _strength(evidence: Evidence) -> tuple[float, str]:
    return abs(evidence.weight), repr(evidence)
