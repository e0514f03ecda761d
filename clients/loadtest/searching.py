"""`--find-max`: the highest rate at which a bound holds, by doubling and then halving the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table

from clients.cli.show import marks
from clients.loadtest import report, view
from clients.loadtest.profile import Stage
from clients.loadtest.thresholds import Threshold

PRECISION = 0.05
"""The search ends when the best and the first too high rate differ by less."""
MAXIMUM_TRIES = 16
MAXIMUM_ERROR_SHARE = 0.01
WARM_UP_SHARE = 0.2


Measure = Callable[[float], Awaitable[report.Report]]
"""Runs a rate, with the bound as the only threshold."""


@dataclass(frozen=True)
class Try:
    """One rate that was tried."""

    rate: float
    ok_per_s: float
    value: float | None
    """The figure of the bound."""
    error_share: float
    kept: bool
    why: str
    """Why not, where it was not kept."""


@dataclass(frozen=True)
class Found:
    """The tries in their order, the best rate, and the report of the run with it (else of the last one)."""

    tries: Sequence[Try]
    best: float | None
    report: report.Report


async def find(measure: Measure, bound: Threshold, start_rate: float) -> Found:
    """Tries rates from `start_rate` on; `measure` runs one of them."""
    tries: list[Try] = []
    best: float | None = None
    too_high: float | None = None
    shown: report.Report = {}
    rate = start_rate
    while len(tries) < MAXIMUM_TRIES:
        measured = await measure(rate)
        tries.append(_judged(rate, measured))
        if tries[-1].kept:
            best, shown = rate, measured
        else:
            too_high, shown = rate, shown or measured
        if measured["interrupted"] or measured["harness"]["bottleneck"]:
            break  # what is found beyond would be of the harness
        if too_high is None:
            rate *= 2
        elif best is None:
            rate /= 2
        elif too_high / best - 1 <= PRECISION:
            break
        else:
            rate = (best * too_high) ** 0.5
    listed = [dataclasses.asdict(one) for one in tries]
    shown["find_max"] = {"bound": str(bound), "best_rate": best, "tries": listed}
    return Found(tries, best, shown)


def stages(rate: float, duration_s: float) -> list[Stage]:
    """A try: a short warm-up, then the rate."""
    warm_up = Stage(max(1.0, WARM_UP_SHARE * duration_s), (rate, rate), warm_up=True)
    return [warm_up, Stage(duration_s, (rate, rate), name="try")]


def _judged(rate: float, measured: report.Report) -> Try:
    kept = measured["thresholds"][0]
    total = measured["total"]
    why = ""
    if not kept["kept"]:
        why = "bound"
    elif total["error_share"] > MAXIMUM_ERROR_SHARE:
        why = f"{100 * total['error_share']:.0f} % failed"
    elif measured["harness"]["bottleneck"]:
        why = "the harness was the bottleneck"
    return Try(rate, total["per_second"], kept["value"], total["error_share"], not why, why)


def table(found: Found, bound: Threshold) -> list[RenderableType]:
    """The tries for people."""
    grid = Table.grid(padding=(0, 2))
    for _ in range(5):
        grid.add_column(justify="right")
    grid.add_row("  rate/s", "ok/s", bound.metric, "failed", "", style="dim")
    for one in found.tries:
        value = "-" if one.value is None else f"{one.value:.4g}"
        grid.add_row(
            f"  {one.rate:.3g}",
            f"{one.ok_per_s:.1f}",
            value,
            f"{100 * one.error_share:.1f} %",
            "kept" if one.kept else f"not kept: {one.why}",
            style="" if one.kept else "dim",
        )
    said = "none that was tried" if found.best is None else f"{found.best:.3g} requests a second"
    notes = [marks.note(sentence) for sentence in view.notes(found.report)]
    return [marks.heading("Highest rate", f"with {bound}: {said}", "bold"), grid, *notes]
