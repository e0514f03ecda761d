"""The load test in the terminal: the line while it goes on, and the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from clients.cli.show import marks
from clients.loadtest.coordinator import Run
from clients.loadtest.profile import Profile
from clients.loadtest.report import Report

_ROOM = {"p50": "p50 ms", "p90": "p90 ms", "p95": "p95 ms", "p99": "p99 ms", "p99.9": "p99.9 ms"}
_RECENT_WINDOWS = 3


@contextmanager
def progress(title: str = "") -> Iterator[Any]:
    """A function that shows a run on stderr as it goes on; only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
    shown = marks.console(sys.stderr)
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as bar:
        task = bar.add_task("starting")

        def tick(run: Run) -> None:
            if shown.is_terminal:
                said = f"{title}{_now(run)}"
                whole = run.profile.duration_s
                bar.update(task, total=whole, completed=max(0.0, min(run.now, whole)), description=said)

        yield tick


def _now(run: Run) -> str:
    """The stage, and the figures of the windows before the one that goes on."""
    statistics = run.statistics
    current = int(run.now // statistics.width_s)
    recent = [
        statistics.windows[n] for n in range(current - _RECENT_WINDOWS, current) if n in statistics.windows
    ]
    span = max(1, len(recent)) * statistics.width_s
    ok = sum(window.succeeded for window in recent) / span
    failed = sum(window.errors.total() for window in recent) / span
    latencies = [latency for window in recent for latency in window.latency.values()]
    slowest = f"{max(one.percentile_ms(99) for one in latencies):.0f} ms" if latencies else "-"
    at, stage = 0.0, run.profile.stages[-1]
    for one in run.profile.stages:
        if run.now < (at := at + one.duration_s):
            stage = one
            break
    else:
        return f"waiting for {run.outstanding} answers"
    return (
        f"{stage.said} · {ok:.1f} ok/s · {failed:.1f} failed/s · p99 {slowest} · {run.outstanding} under way"
    )


def summary(report: Report) -> list[RenderableType]:
    """The report for people, in short."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(max_width=28)
    for _ in range(4 + len(_ROOM)):
        grid.add_column(justify="right")
    grid.add_row("  traffic", "sent", "failed", "ok/s", *_ROOM.values(), "max ms", style="dim")
    for name, figures in report["by_traffic"].items():
        grid.add_row(f"  {name}", *_cells(figures))
        if "first_event" in figures:
            grid.add_row(
                "    until the first event", "", "", "", *_latencies(figures["first_event"]), style="dim"
            )
    grid.add_row("  all", *_cells(report["total"]), style="bold")
    how = f"{report['duration_s']:.1f} s measured" + (", interrupted" if report["interrupted"] else "")
    parts: list[RenderableType] = [marks.heading("Load test", how, "dim"), grid]
    if report["total"]["errors"]:
        parts.append(marks.heading("Failures", "by reason", "dim"))
        parts += [
            Text(f"  {one['count']:6d}  {reason}  (after {one['p50_ms']:.0f} ms, p99 {one['p99_ms']:.0f} ms)")
            for reason, one in report["total"]["errors"].items()
        ]
    parts += _triton(report)
    for one in report["thresholds"]:
        value = "nothing measured" if one["value"] is None else f"{one['value']:.4g}"
        word, style = ("kept", "green") if one["kept"] else ("NOT KEPT", "bold red")
        parts.append(Text.assemble("  ", (f"{word}: ", style), f"{one['threshold']}  (is {value})"))
    for sentence in notes(report):
        parts.append(marks.note(sentence))
    return parts


def _triton(report: Report) -> list[RenderableType]:
    rows = report["server"]["triton"]
    if not rows:
        return []
    grid = Table.grid(padding=(0, 2))
    grid.add_column(max_width=32)
    for _ in range(5):
        grid.add_column(justify="right")
    grid.add_row("  model", "requests", "failed", "batch", "queue ms", "compute ms", style="dim")
    for row in rows:
        grid.add_row(
            f"  {row['model']} {row['version']}",
            str(row["requests"]),
            str(row["failures"]),
            f"{row['batch']:.1f}",
            f"{row['queue_ms']:.1f}",
            f"{row['compute_ms']:.1f}",
        )
    return [marks.heading("Triton", "mean per request", "dim"), grid]


def notes(report: Report) -> list[str]:
    """What a reader should know beside the figures."""
    said = [report["harness"]["bottleneck"]] if report["harness"]["bottleneck"] else []
    said += report["harness"]["as_given"]
    asked = report["server"]["asked"]
    said += [
        f"The metrics of {asked[url]} are missing: {url} did not answer ({why}). --metrics names others."
        for url, why in report["server"]["missing"].items()
    ]
    if not asked:
        said.append("No metrics of the servers are known of this mesh; --metrics names them.")
    for service, states in report["server"]["health"].items():
        changes = ", ".join(
            f"{state} at {at:.0f} s" for at, state in states if state != "SERVING" or len(states) > 1
        )
        if changes:
            said.append(f"Health of {service}: {changes}.")
    return said


def _cells(figures: Report) -> list[str]:
    failed = str(figures["count"] - figures["succeeded"])
    return [str(figures["count"]), failed, f"{figures['per_second']:.1f}", *_latencies(figures["latency"])]


def _latencies(latency: Report) -> list[str]:
    found = [latency["percentile_ms"][name] for name in _ROOM] + [latency["max_ms"]]
    return [f"{value:.1f}" if value < 1000 else f"{value:.0f}" for value in found]


def profiles(several: Sequence[Profile]) -> list[RenderableType]:
    """The profiles that there are."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    for one in several:
        grid.add_row(f"  {one.name}", f"{one.duration_s:.0f} s", one.description)
    return [marks.heading("Profiles", "medmesh loadtest --profile NAME", "dim"), grid]
