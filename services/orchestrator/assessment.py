"""Assesses a case: what each condition's evidence comes to, and where it contradicts itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.orchestrator import disagreement
from services.orchestrator.case import Case
from services.orchestrator.declared import Declaration
from services.orchestrator.disagreement import Disagreement
from services.orchestrator.evidence import collect, reach
from services.orchestrator.fusion import Evidence, Fused, Source, fuse, within
from services.orchestrator.knowledge import Condition, Knowledge


@dataclass(frozen=True)
class Assessed:
    """One condition and what its evidence comes to."""

    condition: Condition
    fused: Fused
    uncounted: tuple[Evidence, ...] = ()
    """What further models say from an input on which a better measured one was heard."""


@dataclass(frozen=True)
class Assessment:
    """The whole case."""

    conditions: tuple[Assessed, ...]
    """Those that at least one piece of evidence bears on, the most probable first."""
    disagreements: tuple[Disagreement, ...]


def assess(
    case: Case,
    missing: Collection[Source],
    knowledge: Knowledge,
    declared: Mapping[Source, Sequence[Declaration] | None],
) -> Assessment:
    """Fuses what the branches found.

    `missing` are the sources of which a branch failed; `declared` the models that would have answered for
    them, None where they are not known.
    """
    items = collect(case, knowledge)
    borne_on = {item.condition for item in items if item.counts}
    # A kind needs its whole, whether or not anything bears on that.
    wholes = {whole.key for key in borne_on for whole in knowledge.broader(knowledge.conditions[key])}
    fused: dict[str, Fused] = {}
    assessed = []
    for condition in knowledge.wholes_first():
        if condition.key not in borne_on | wholes:
            continue
        of_condition = [item for item in items if item.condition == condition.key]
        evidence = [item.evidence for item in of_condition if item.counts]
        reaches = {source: reach(condition, source, knowledge, declared) for source in missing}
        one = fuse(knowledge.prior_within(condition), evidence, reaches)
        fused[condition.key] = within(fused[condition.broader], one) if condition.broader else one
        if evidence:
            uncounted = tuple(item.evidence for item in of_condition if not item.counts)
            assessed.append(Assessed(condition, fused[condition.key], uncounted))
    assessed.sort(key=lambda one: (-one.fused.probability, one.condition.key))
    return Assessment(tuple(assessed), tuple(disagreement.find(items, knowledge)))
