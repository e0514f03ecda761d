"""An image's findings for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.imaging.v1.imaging_pb2 import BodyPart, ImageAnalysis, ImageGate


def image(analysis: ImageAnalysis, title: str = "Image") -> Iterator[RenderableType]:
    """Properties, gate, findings with their calibrated probabilities, prediction set, notices."""
    yield marks.heading(title, _standing(analysis), "bold yellow")
    yield marks.indented(Text(" · ".join(_properties(analysis)), style="dim"))
    yield _findings(analysis)
    if analysis.HasField("prediction_set"):
        yield marks.indented(Text(_set(analysis)))
    for notice in analysis.notices:
        yield marks.notice(notice)


def _standing(analysis: ImageAnalysis) -> str:
    """Why an image is not accepted stands in its notices."""
    if analysis.HasField("gate") and not analysis.gate.accepted:
        return "not accepted, the model abstains"
    return "the model abstains" if analysis.abstained else ""


def _properties(analysis: ImageAnalysis) -> Iterator[str]:
    properties = analysis.properties
    yield f"{properties.format or 'unknown format'} {properties.width_px} x {properties.height_px} px"
    if properties.photometric_interpretation:
        yield properties.photometric_interpretation
    if analysis.body_part:
        yield "taken to show: " + marks.enum_name(BodyPart, analysis.body_part, "BODY_PART_")
    if analysis.HasField("gate"):
        yield f"looks like {_kind(analysis.gate)} ({marks.percent(analysis.gate.probability)})"


def _findings(analysis: ImageAnalysis) -> marks.Grid:
    columns = (
        marks.Column(minimum=22),
        marks.Column(minimum=7, justify="right"),
        marks.Column(drawing=True),
        marks.Column(style="dim"),
    )
    rows = [
        (
            Text(marks.label_name(finding.label)),
            Text(marks.percent(finding.probability), style="bold"),
            marks.bar(finding.probability, style="green" if finding.label == "normal" else "red"),
            Text(marks.concept_code(finding.concept)),
        )
        for finding in analysis.findings
    ]
    return marks.Grid(columns, rows)


def _set(analysis: ImageAnalysis) -> str:
    coverage = f"{100 * analysis.prediction_set.coverage:.0f} %"
    labels = [marks.label_name(label) for label in analysis.prediction_set.labels]
    if not labels:
        return f"Unlike anything that the model was calibrated on: at {coverage} coverage no label fits."
    return f"Cannot be ruled out at {coverage} coverage: {', '.join(labels)}."


def _kind(gate: ImageGate) -> str:
    names = {ImageGate.KIND_CHEST_XRAY: "a chest X-ray", ImageGate.KIND_HEAD_CT: "a head CT"}
    return names.get(gate.kind, "neither a chest X-ray nor a head CT")
