"""The models of the mesh, a model's card, and what a check or a reload found, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli.show import marks
from medmesh.common.v1.catalog_pb2 import (
    CandidateVersion,
    CardProblem,
    ListModelsResponse,
    ModelReload,
    ReloadModelsResponse,
)
from medmesh.common.v1.model_card_pb2 import Metric, ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import AgeRange, ModelServing

if TYPE_CHECKING:
    from services.local.models import Checked

RESULTS = {
    ModelReload.RESULT_UNCHANGED: Text("unchanged", style="dim"),
    ModelReload.RESULT_TAKEN_UP: Text("taken up", style="green"),
    ModelReload.RESULT_REFUSED: Text("REFUSED", style="bold red"),
    ModelReload.RESULT_REMOVED: Text("removed", style="yellow"),
}


def catalog(answer: ListModelsResponse) -> Iterator[RenderableType]:
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
            Text(model.card_version),
            Text("served", style="green") if model.ready else Text("NOT SERVED", style="bold red"),
            Text(model.summary if model.ready else model.reason or model.summary),
        )
        for model in answer.models
    ]
    yield marks.Grid(columns, rows)
    for model in answer.models:
        if model.ready and model.problems:
            yield marks.indented(Text(f"{model.name} is still served as before; the folder is refused:"))
            yield from _problems(model.problems)
        if model.HasField("candidate"):
            yield marks.indented(Text(_candidate(model.name, model.candidate), style="dim"))
    yield from _unreachable(answer.unreachable_services, "asked")


def checked(found: Sequence[Checked]) -> Iterator[RenderableType]:
    """What would become of each model of some folders."""
    good = sum(not one.problems for one in found)
    yield marks.heading("Models", f"{good} of {len(found)} would be served", "dim")
    for one in found:
        state = Text("REFUSED", style="bold red") if one.problems else Text("good", style="green")
        facts = ", ".join(part for part in (one.version, one.task.replace("_", " "), one.service) if part)
        yield marks.indented(Text("  ").join([Text(one.name, style="bold"), state, Text(facts, style="dim")]))
        yield from _problems(
            [CardProblem(field=p.field, problem=p.what, remedy=p.remedy) for p in one.problems]
        )


def checked_fields(one: Checked) -> dict[str, Any]:
    """The same of one model, for machines."""
    problems = [{"field": p.field, "problem": p.what, "remedy": p.remedy} for p in one.problems]
    return {
        "name": one.name,
        "folder": str(one.folder),
        "version": one.version,
        "task": one.task,
        "service": one.service,
        "problems": problems,
    }


def reloaded(answer: ReloadModelsResponse) -> Iterator[RenderableType]:
    """What a reload did with each model."""
    taken = sum(model.result == ModelReload.RESULT_TAKEN_UP for model in answer.models)
    yield marks.heading("Models reloaded", f"{taken} taken up", "dim")
    for model in answer.models:
        served = "not served"
        if model.model_version:
            served = f"{model.card_version} (version {model.model_version})"
        line = [Text(model.name, style="bold"), RESULTS[model.result], Text(served, style="dim")]
        yield marks.indented(Text("  ").join(line))
        yield from _problems(model.problems)
    yield from _unreachable(answer.unreachable_services, "told")


def _problems(problems: Iterable[CardProblem]) -> Iterator[RenderableType]:
    for problem in problems:
        yield marks.indented(Text(f"  {problem.field} {problem.problem}; {problem.remedy}."))


def _candidate(name: str, candidate: CandidateVersion) -> str:
    said = f"{name}: {candidate.card_version} (version {candidate.model_version}) is the candidate"
    if not candidate.shadow:
        return f"{said}, not on live inputs"
    compared = f"{candidate.agreed_count} of {candidate.compared_count} inputs agree"
    return (
        f"{said}: {compared}, {candidate.missed_count} missed, differs by {candidate.max_abs_difference:.3g}"
    )


def _unreachable(services: Iterable[str], verb: str) -> Iterator[RenderableType]:
    for service in services:
        yield marks.indented(
            Text(
                f"The {service} service could not be {verb}: start it, or see `medmesh doctor`.",
                style="yellow",
            )
        )


def card(one: ModelCard) -> Iterator[RenderableType]:
    """Everything that the card says, what it may be used for first."""
    yield marks.heading(one.name, one.version, "dim")
    yield from _paragraph("", one.summary)
    yield from _paragraph("Intended use", one.intended_use)
    yield from _paragraph("Architecture", one.architecture)
    yield from _serving(one.serving)
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


def _serving(serving: ModelServing) -> Iterator[RenderableType]:
    """What it does, what it applies to, and what it can answer."""
    task = serving.WhichOneof("task")
    if task is None:
        return
    contract = getattr(serving, task)
    yield from _paragraph("Task", task.replace("_", " "))
    if "applies_to" in contract.DESCRIPTOR.fields_by_name:
        reads = contract.applies_to
        parts = [", ".join(values) for values in (reads.body_parts, reads.views, reads.modalities) if values]
        if reads.HasField("age"):
            parts.append(_ages(reads.age))
        yield from _paragraph("Reads", " · ".join(parts))
    labels = getattr(contract, "labels", None) or getattr(contract, "columns", None) or ()
    yield from _paragraph("Labels", _listed([getattr(label, "name", label) for label in labels]))


def _ages(age: AgeRange) -> str:
    youngest = str(age.min_years) if age.HasField("min_years") else "0"
    return f"ages {youngest} to {age.max_years}" if age.HasField("max_years") else f"ages {youngest} and over"


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


def _listed(labels: list[str], most: int = 12) -> str:
    further = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {further} more" if further > 0 else "")
