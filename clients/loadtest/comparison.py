"""Two reports beside each other: what became better, what worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table

from clients.cli.show import marks
from clients.loadtest.report import Report

_ERROR_STEP = 0.001
"""Shares of errors that differ by less are alike, whatever their ratio."""
_LATENCY_STEP_MS = 1.0
"""Likewise milliseconds."""


@dataclass(frozen=True)
class Compared:
    """One figure of one traffic, before and after."""

    traffic: str
    figure: str
    before: float
    after: float
    verdict: str
    """`better`, `worse` or empty: within the tolerance."""

    @property
    def worse(self) -> bool:
        """Whether it is worse."""
        return self.verdict == "worse"


def compared(before: Report, after: Report, tolerance: float) -> list[Compared]:
    """The figures that both have. ValueError: they have no traffic in common."""
    common = [name for name in before["by_traffic"] if name in after["by_traffic"]]
    if not common:
        raise ValueError("the two reports have no traffic in common")
    found = []
    for name in common:
        found += _of(name, before["by_traffic"][name], after["by_traffic"][name], tolerance)
    same = set(before["by_traffic"]) == set(after["by_traffic"])
    return found + (_of("all", before["total"], after["total"], tolerance) if same else [])


def _of(traffic: str, before: Report, after: Report, tolerance: float) -> list[Compared]:
    figures = [("ok/s", before["per_second"], after["per_second"], -1.0, 0.0)]
    for name in ("p50", "p95", "p99"):
        one, other = (report["latency"]["percentile_ms"][name] for report in (before, after))
        figures.append((f"{name} ms", one, other, 1.0, _LATENCY_STEP_MS))
    figures.append(
        ("errors %", 100 * before["error_share"], 100 * after["error_share"], 1.0, 100 * _ERROR_STEP)
    )
    return [
        Compared(traffic, name, one, other, _verdict(one, other, sign, tolerance, step))
        for name, one, other, sign, step in figures
    ]


def _verdict(before: float, after: float, sign: float, tolerance: float, step: float) -> str:
    """`sign` is 1 where more is worse, -1 where more is better."""
    change = after - before
    if abs(change) <= max(step, tolerance * abs(before)):
        return ""
    return "worse" if sign * change > 0 else "better"


def table(found: Sequence[Compared], before: Report, after: Report) -> list[RenderableType]:
    """The comparison for people."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(max_width=28)
    grid.add_column()
    for _ in range(3):
        grid.add_column(justify="right")
    grid.add_column()
    grid.add_row("  traffic", "figure", "before", "after", "ratio", "", style="dim")
    last = ""
    for one in found:
        ratio = f"{one.after / one.before:.2f}" if one.before else "-"
        style = {"worse": "bold red", "better": "green"}.get(one.verdict, "")
        name = f"  {one.traffic}" if one.traffic != last else ""
        grid.add_row(
            name, one.figure, f"{one.before:.1f}", f"{one.after:.1f}", ratio, one.verdict, style=style
        )
        last = one.traffic
    parts: list[RenderableType] = [
        marks.heading("Two load tests", f"{before['started_at']} and {after['started_at']}", "dim"),
        grid,
    ]
    return parts + [marks.note(sentence) for sentence in differences(before, after)]


def differences(before: Report, after: Report) -> list[str]:
    """What else differs, so that the figures may not be comparable."""
    said = [
        f"The two runs differ in their {what}."
        for what in ("profile", "machine")
        if before[what] != after[what]
    ]
    for when, one in (("before", before), ("after", after)):
        if one["harness"]["bottleneck"]:
            said.append(f"In the run {when}: {one['harness']['bottleneck']}")
    only = set(before["by_traffic"]) ^ set(after["by_traffic"])
    return [*said, *([f"Only in one of them: {', '.join(sorted(only))}."] if only else [])]
