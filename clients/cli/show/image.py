"""An image's findings for people: of each model that answered."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.common.v1.serving_pb2 import LABEL_MEANING_NORMAL
from medmesh.imaging.v1 import imaging_pb2 as pb


def image(analysis: pb.ImageAnalysis, title: str = "Image") -> Iterator[RenderableType]:
    """Properties, what gates saw, and of each model its findings, prediction set and notices."""
    alone = analysis.results[0] if len(analysis.results) == 1 else None
    yield marks.heading(title, _standing(alone) if alone else "", "bold yellow")
    yield marks.indented(Text(" · ".join(_properties(analysis)), style="dim"))
    for result in analysis.results:
        if not alone:
            standing = _standing(result)
            name = marks.label_name(result.provenance.model_name)
            yield marks.indented(Text.assemble((name, "bold"), (f"  {standing}" * bool(standing), "yellow")))
        yield from _result(result)
    for notice in analysis.notices:
        yield marks.notice(notice)


def leave_out_pictures(analysis: pb.ImageAnalysis) -> None:
    """Takes overlays, maps and masks out of an answer: they would be most of its JSON."""
    for result in analysis.results:
        result.overlay_png = b""
        for finding in result.findings:
            finding.ClearField("heat_map")
        for mask in result.masks:
            mask.mask_png = b""


def _result(result: pb.ImageModelResult) -> Iterator[RenderableType]:
    if result.findings:
        yield _findings(result)
    for mask in result.masks:
        yield marks.indented(Text(_mask(mask)))
    if result.HasField("prediction_set"):
        yield marks.indented(Text(_set(result)))
    if result.key_slices:
        slices = ", ".join(str(one.index + 1) for one in result.key_slices)
        yield marks.indented(Text(f"Seen best on slice {slices} of the series.", style="dim"))
    for notice in result.notices:
        yield marks.notice(notice)


def _standing(result: pb.ImageModelResult) -> str:
    """Why an image is not accepted stands in its notices."""
    if result.gate_decision == pb.GATE_DECISION_REJECTED:
        return "not accepted, the model abstains"
    return "the model abstains" if result.abstained else ""


def _properties(analysis: pb.ImageAnalysis) -> Iterator[str]:
    properties = analysis.properties
    yield f"{properties.format or 'unknown format'} {properties.width_px} x {properties.height_px} px"
    if analysis.HasField("series"):
        yield f"series of {analysis.series.slice_count} slices"
    if properties.photometric_interpretation:
        yield properties.photometric_interpretation
    if analysis.body_part:
        yield f"body part: {analysis.body_part.lower()}"
    for gate in analysis.gates:
        if gate.kind:
            yield f"looks like {marks.label_name(gate.kind)} ({marks.percent(gate.probability)})"


def _findings(result: pb.ImageModelResult) -> marks.Grid:
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
            marks.bar(
                finding.probability, style="green" if finding.meaning == LABEL_MEANING_NORMAL else "red"
            ),
            Text(marks.concept_code(finding.concepts[0]) if finding.concepts else ""),
        )
        for finding in result.findings
    ]
    return marks.Grid(columns, rows)


def _mask(mask: pb.SegmentationMask) -> str:
    size = f"{mask.pixel_count} pixels"
    if mask.HasField("area_mm2"):
        size = f"{mask.area_mm2 / 100:.1f} cm²"
    elif mask.HasField("volume_ml"):
        size = f"{mask.volume_ml:.1f} mL"
    return f"{marks.label_name(mask.label)}: {size}"


def _set(result: pb.ImageModelResult) -> str:
    coverage = f"{100 * result.prediction_set.coverage:.0f} %"
    labels = [marks.label_name(label) for label in result.prediction_set.labels]
    if not labels:
        return f"Unlike anything that the model was calibrated on: at {coverage} coverage no label fits."
    return f"Cannot be ruled out at {coverage} coverage: {', '.join(labels)}."
