"""Whether what a card says of conditions holds: the orchestrator counts a model's labels by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models import tasks
from services.chassis.models.card import Problem

FEWEST_CASES = 3
"""With fewer unseen cases the rule of three bounds nothing."""


def check_evidence(card: ModelCard) -> Iterator[Problem]:
    """What the card alone shows."""
    _, names = tasks.labels_of(card.serving)
    figures = {metric.name: metric.value for metric in card.metrics if not metric.subgroup}
    counts = Counter(entry.condition.code for entry in card.serving.evidence)
    for index, entry in enumerate(card.serving.evidence):
        path = f"serving.evidence[{index}]"
        if not entry.condition.code:
            yield Problem(f"{path}.condition", "has no code", "name the condition in SNOMED CT")
        elif counts[entry.condition.code] > 1:
            yield Problem(f"{path}.condition", "has several entries", "write one for each condition")
        unknown = [label for label in entry.labels if label not in names]
        if unknown or not entry.labels:
            yield Problem(
                f"{path}.labels", "names labels that the model does not have", f"use {', '.join(names)}"
            )
        if entry.metric not in figures:
            yield Problem(
                f"{path}.metric",
                f"names {entry.metric or 'none'}, which is not a metric of the card over all patients",
                f"measure it, or use one of {', '.join(sorted(figures)) or 'those to be measured'}",
            )
        elif not 0 <= figures[entry.metric] <= 1:
            yield Problem(
                f"{path}.metric", f"names {entry.metric}, which is not an AUROC", "name one from 0 to 1"
            )
        if not 0 < entry.calibrated_share < 1:
            yield Problem(f"{path}.calibrated_share", "is not a share", "write a number between 0 and 1")
        for field in ("held_out_positive_count", "held_out_negative_count"):
            if getattr(entry, field) < FEWEST_CASES:
                yield Problem(
                    f"{path}.{field}",
                    f"is below {FEWEST_CASES}, which bounds nothing",
                    "count the unseen cases that the metric rests on, or leave the evidence out",
                )
        if entry.HasField("outside_population_factor") and not 0 <= entry.outside_population_factor <= 1:
            yield Problem(
                f"{path}.outside_population_factor", "is not a factor", "write a number from 0 to 1"
            )
        if entry.HasField("within") and entry.within.code not in counts:
            yield Problem(
                f"{path}.within", "is not a condition of this model's evidence", "add it, or leave it out"
            )
