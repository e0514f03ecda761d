"""What a row of the table is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tools.bench.sampling import Sample
from tools.bench.sides import Side

Samples: TypeAlias = "Mapping[str, Sample]"
"""One round's, by the names of the row's sides."""


@dataclass(frozen=True)
class Target:
    """What a figure is to reach."""

    value: float
    at_least: bool
    """Otherwise at most."""

    def is_met(self, figure: float) -> bool:
        """Whether the figure reaches it."""
        return figure >= self.value if self.at_least else figure <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


def at_least(value: float) -> Target:
    """More is better."""
    return Target(value, at_least=True)


def at_most(value: float) -> Target:
    """Less is better."""
    return Target(value, at_least=False)


@dataclass(frozen=True)
class Row:
    """One row: what is measured side by side, and the one figure that comes of it."""

    name: str
    """What chooses it (`--only` takes beginnings of names), e.g. `imaging.small-jpeg`."""
    title: str
    """What the figure is, for the table."""
    sides: Mapping[str, Side]
    """Measured in this order in every round."""
    figure: Callable[[Samples], float]
    """Of one round; the table has the median of the rounds."""
    target: Target | None
    callers: int = 1
    """Callers of each side that does not say otherwise."""
    seconds: float = 4.0
    """Of one side in one round."""
    unit: str = ""
    """Of the figure; empty: a ratio."""
    before: str = ""
    """What the first version reached."""
    alone: bool = False
    """Measured before the others, on meshes of its own: memory is also what went before, and pages are shared
    with other meshes.
    """


MESH, REFERENCE = "mesh", "reference"
"""The usual names of a row's two sides."""


def throughput(samples: Samples) -> float:
    """Answers a second of the mesh ÷ those of the reference."""
    return samples[MESH].per_second / samples[REFERENCE].per_second


def added_p50_ms(samples: Samples) -> float:
    """Median latency of the mesh - that of the reference, in ms."""
    return samples[MESH].p50_ms - samples[REFERENCE].p50_ms


def p50_ratio(samples: Samples) -> float:
    """Median latency of the mesh ÷ that of the reference."""
    return samples[MESH].p50_ms / samples[REFERENCE].p50_ms
