"""Assesses a case: what each condition's evidence comes to, and where sources contradict each other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from services.orchestrator import disagreement
from services.orchestrator.catalogue import Catalogue, Condition
from services.orchestrator.disagreement import Disagreement
from services.orchestrator.evidence import Case, collect, reach
from services.orchestrator.fusion import Fused, Modality, fuse, within


@dataclass(frozen=True)
class Assessed:
    """One condition and what its evidence comes to."""

    condition: Condition
    fused: Fused


@dataclass(frozen=True)
class Assessment:
    """The whole case."""

    conditions: tuple[Assessed, ...]
    """Those that at least one piece of evidence bears on, the most probable first."""
    disagreements: tuple[Disagreement, ...]


def assess(case: Case, missing: Collection[Modality], catalogue: Catalogue) -> Assessment:
    """Fuses what the branches found; `missing` are the modalities of which a branch failed."""
    items = collect(case, catalogue)
    fused: dict[str, Fused] = {}
    for condition in catalogue.wholes_first():
        evidence = [item.evidence for item in items if item.condition == condition.key]
        if not evidence:
            continue
        reaches = {modality: reach(condition, modality, catalogue) for modality in missing}
        one = fuse(catalogue.prior_within(condition), evidence, reaches)
        # Whatever bears on a kind bears on the whole, which comes first.
        fused[condition.key] = within(fused[condition.broader], one) if condition.broader else one
    assessed = [Assessed(catalogue.conditions[key], one) for key, one in fused.items()]
    assessed.sort(key=lambda one: (-one.fused.probability, one.condition.key))
    return Assessment(tuple(assessed), tuple(disagreement.find(items, catalogue)))
