"""A predicted outcome for people: the risk, what drives it, and when."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration
from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.recommendation.v1 import recommendation_pb2 as pb

MAX_VARIABLES = 8


def outcome(answer: pb.OutcomePrediction) -> Iterator[RenderableType]:
    """The probability, the prediction set, the strongest variables and the stretches of the stay."""
    yield marks.heading("Outcome", "the model abstains" if answer.abstained else "", "bold yellow")
    columns = (marks.Column(minimum=22), marks.Column(width=7, justify="right"), marks.Column(drawing=True))
    name = Text(marks.label_name(answer.outcome) or "(unnamed)", style="bold")
    probability = Text(marks.percent(answer.probability), style="bold")
    yield marks.Grid(columns, [(name, probability, marks.bar(answer.probability, style="red"))])
    if answer.HasField("decision_threshold"):
        high = "high" if answer.probability >= answer.decision_threshold else "not high"
        said = f"The model's card calls a risk high from {marks.percent(answer.decision_threshold)}: {high}."
        yield marks.indented(Text(said))
    if answer.HasField("prediction_set"):
        yield marks.indented(Text(marks.prediction_set(answer.prediction_set)))
    yield from _variables(answer)
    yield from _periods(answer)
    for notice in answer.notices:
        yield marks.notice(notice)


def _variables(answer: pb.OutcomePrediction) -> Iterator[RenderableType]:
    if not answer.variables:
        return
    yield marks.indented(Text("Drivers, in log-odds, and the risk without each", style="bold"))
    columns = (
        marks.Column(minimum=28),
        marks.Column(width=6, justify="right"),
        marks.Column(width=7, justify="right"),
        marks.Column(style="dim"),
    )
    rows = [
        (
            Text(one.display or one.concept.display or marks.label_name(one.variable)),
            Text(f"{one.log_odds:+.2f}"),
            Text(marks.percent(one.probability_without)),
            Text(marks.concept_code(one.concept)),
        )
        for one in answer.variables[:MAX_VARIABLES]
    ]
    yield marks.Grid(columns, rows, indent=4)
    further = len(answer.variables) - MAX_VARIABLES
    if further > 0:
        said = f"{marks.count(further, 'weaker variable')} left out here; --json has all."
        yield marks.indented(Text(said, style="dim"), by=4)


def _periods(answer: pb.OutcomePrediction) -> Iterator[RenderableType]:
    if not answer.periods:
        return
    yield marks.indented(Text("Periods, in hours since the start", style="bold"))
    columns = (
        marks.Column(minimum=28),
        marks.Column(width=6, justify="right"),
        marks.Column(width=7, justify="right"),
    )
    rows = [
        (
            Text(f"{_hours(one.start)} to {_hours(one.end)}"),
            Text(f"{one.log_odds:+.2f}"),
            Text(marks.percent(one.probability_without)),
        )
        for one in answer.periods
    ]
    yield marks.Grid(columns, rows, indent=4)


def _hours(since_start: Duration) -> str:
    return f"{marks.milliseconds(since_start) / 3_600_000:g}"
