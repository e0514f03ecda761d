"""The inventory of models and a model's card for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli.show import marks
from medmesh.common.v1.catalog_pb2 import ListModelsResponse
from medmesh.common.v1.model_card_pb2 import Metric, ModelCard, TensorContract


def inventory(answer: ListModelsResponse) -> Iterator[RenderableType]:
    """A line for each model: whether it is served, and if not, why."""
    ready = sum(model.ready for model in answer.models)
    yield marks.heading("Models", f"{ready} of {len(answer.models)} served", "dim")
    columns = (
        marks.Column(minimum=18, style="bold"),
        marks.Column(style="dim"),
        marks.Column(style="dim"),
        marks.Column(),
        marks.Column(ratio=1),
    )
    rows = [
        (
            Text(model.name),
            Text(model.service),
            Text(model.version),
            Text("served", style="green") if model.ready else Text("NOT SERVED", style="bold red"),
            Text(model.summary if model.ready else model.reason or model.summary),
        )
        for model in answer.models
    ]
    yield marks.Grid(columns, rows)
    for service in answer.unreachable_services:
        yield marks.indented(
            Text(
                f"The {service} service could not be asked: start it, or see `medmesh doctor`.",
                style="yellow",
            )
        )


def card(one: ModelCard) -> Iterator[RenderableType]:
    """Everything that the card says, what it may be used for first."""
    yield marks.heading(one.name, one.version, "dim")
    yield from _paragraph("", one.summary)
    yield from _paragraph("Intended use", one.intended_use)
    yield from _paragraph("Architecture", one.architecture)
    yield from _paragraph("Labels", _listed(_labels(one)))
    yield from _metrics(list(one.metrics))
    yield from _paragraph("Calibration", one.calibration)
    for index, limitation in enumerate(one.limitations):
        yield from _paragraph("Limitations" if index == 0 else "", limitation)
    for index, dataset in enumerate(one.datasets):
        said = [dataset.name, dataset.population, dataset.source, dataset.licence]
        yield from _paragraph(
            "Data" if index == 0 else "", ". ".join(part.rstrip(".") for part in said if part)
        )
    yield from _tensors("Inputs", list(one.inputs))
    yield from _tensors("Outputs", list(one.outputs))
    weights = [one.precision, f"SHA-256 {one.weights_sha256}" if one.weights_sha256 else "", one.licence]
    yield from _paragraph("Weights", " · ".join(part for part in weights if part))
    yield from _paragraph("Preprocessing", one.serving.preprocessing_version)
    yield from _paragraph("Reproduce", one.reproduce)
    for index, change in enumerate(one.changelog):
        yield from _paragraph("Changes" if index == 0 else "", f"{change.version}: {change.description}")


def _paragraph(title: str, text: str) -> Iterator[RenderableType]:
    if not text:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(width=16, style="bold")
    table.add_column(ratio=1)
    table.add_row(f"  {title}", Text(text))
    yield table


def _metrics(metrics: list[Metric]) -> Iterator[RenderableType]:
    for measured_on in dict.fromkeys(metric.measured_on for metric in metrics):
        on = f" on {measured_on}" if measured_on else ""
        yield marks.indented(Text(f"Held-out figures{on} (95 % interval)", style="bold"))
        columns = (
            marks.Column(width=36),
            marks.Column(justify="right"),
            marks.Column(),
            marks.Column(justify="right"),
            marks.Column(width=26, style="dim"),
        )
        rows = [_figure(metric) for metric in metrics if metric.measured_on == measured_on]
        yield marks.Grid(columns, rows, indent=4)


def _figure(metric: Metric) -> tuple[Text, ...]:
    group = f" ({metric.subgroup})" if metric.subgroup else ""
    return (
        Text(metric.name + group),
        Text(f"{metric.value:.3f}", style="bold"),
        Text(f"{metric.ci_low:.3f}-{metric.ci_high:.3f}" if metric.HasField("ci_low") else ""),
        Text(f"n {metric.case_count}" if metric.case_count else ""),
        Text(f"published {metric.published}" if metric.published else ""),
    )


def _tensors(title: str, tensors: list[TensorContract]) -> Iterator[RenderableType]:
    for index, tensor in enumerate(tensors):
        shape = ", ".join("any" if size < 0 else str(size) for size in tensor.shape)
        text = f"{tensor.name} {tensor.datatype} [{shape}]  {tensor.description}"
        yield from _paragraph(title if index == 0 else "", text)


def _labels(one: ModelCard) -> list[str]:
    """The labels of the model's task, of those that have any."""
    task = one.serving.WhichOneof("task")
    return [label.name for label in getattr(getattr(one.serving, task), "labels", ())] if task else []


def _listed(labels: list[str], most: int = 12) -> str:
    further = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {further} more" if further > 0 else "")
