"""Ranked treatments for people: what drives each, and what argues against it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.show import marks
from medmesh.recommendation.v1 import recommendation_pb2 as pb

MAX_DRIVERS = 3
ALERT_STYLES: dict[int, str] = {
    pb.SafetyAlert.SEVERITY_CONTRAINDICATED: "bold red",
    pb.SafetyAlert.SEVERITY_CAUTION: "yellow",
}


def treatments(ranking: pb.TreatmentRanking) -> Iterator[RenderableType]:
    """Each treatment with its score, drivers and alerts; then what of the record the model does not know."""
    yield marks.heading(
        "Treatments", "how often patients with such a record were given them, not their benefit", "dim"
    )
    if not ranking.treatments:
        yield marks.indented(Text("None was ranked."))
    for rank, one in enumerate(ranking.treatments, start=1):
        yield from _treatment(rank, one)
    if ranking.unknown_conditions:
        names = ", ".join(marks.concept_name(one.concept) for one in ranking.unknown_conditions)
        yield Padding(
            Text(f"Unknown to the model, so not taken into account: {names}.", style="dim"), (0, 0, 0, 2)
        )
    for notice in ranking.notices:
        yield marks.notice(notice)


def _treatment(rank: int, one: pb.RankedTreatment) -> Iterator[RenderableType]:
    columns = (
        marks.Column(width=3, justify="right"),
        marks.Column(width=53),
        marks.Column(width=7, justify="right"),
        marks.Column(drawing=True),
    )
    name = Text(marks.concept_name(one.treatment), style="strike red" if one.contraindicated else "bold")
    line = (
        Text(f"{rank}."),
        name,
        Text(marks.percent(one.score)),
        marks.bar(one.score, style="red" if one.contraindicated else "cyan"),
    )
    yield marks.Grid(columns, [line], numbered=True)
    if one.drivers:
        yield Padding(Text(f"because of {_drivers(one)}", style="dim"), (0, 0, 0, 7))
    for alert in one.alerts:
        yield Padding(_alert(alert), (0, 0, 0, 7))


def _drivers(one: pb.RankedTreatment) -> str:
    shown = [
        f"{marks.concept_name(d.entry.concept)} ({100 * d.contribution:+.1f})"
        for d in one.drivers[:MAX_DRIVERS]
    ]
    further = len(one.drivers) - MAX_DRIVERS
    return ", ".join(shown) + (f" and {further} more" if further > 0 else "")


def _alert(alert: pb.SafetyAlert) -> Text:
    severity = marks.enum_name(pb.SafetyAlert.Severity, alert.severity, "SEVERITY_").upper()
    kind = marks.enum_name(pb.SafetyAlert.Kind, alert.kind, "KIND_")
    about = f"{kind}, {marks.concept_name(alert.trigger.concept)}" if alert.HasField("trigger") else kind
    source = f" [{alert.source}]" if alert.source else ""
    return Text.assemble(
        (f"{severity} ", ALERT_STYLES.get(alert.severity, "bold")),
        f"({about}): {alert.explanation}",
        (source, "dim"),
    )
