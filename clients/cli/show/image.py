"""What models found in an image or a series, for people: one model below the other, each with its own
findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.common.v1.serving_pb2 import LABEL_MEANING_NORMAL
from medmesh.imaging.v1 import imaging_pb2 as pb

MAX_FINDINGS = 8
"""Of a model with more labels those that it found are shown, and the most probable others up to so many."""
DEFAULT_THRESHOLD = 0.5


def image(analysis: pb.ImageAnalysis, title: str = "Image") -> Iterator[RenderableType]:
    """Properties and gates, then of each model its findings, prediction set, masks, slices and notices."""
    results = analysis.results
    alone = len(results) == 1
    yield marks.heading(title, _standing(results[0]) if alone else "", "bold yellow")
    yield marks.indented(Text(" · ".join(_properties(analysis)), style="dim"))
    for one in results:
        if not alone:
            standing = _standing(one)
            name = Text.assemble((one.provenance.model_name, "bold"), (f"  {standing}", "bold yellow"))
            yield Text()
            yield marks.indented(name)
        yield from _result(one)
    if not results:
        yield marks.indented(Text("No model answered."))
    if analysis.notices and not alone:
        yield Text()  # these are of the image, not of the last model
    for notice in analysis.notices:
        yield marks.notice(notice)


def _result(one: pb.ImageModelResult) -> Iterator[RenderableType]:
    if one.findings:
        yield from findings(one.findings, exclusive=one.exclusive)
        if not one.calibrated:
            yield marks.note("The probabilities are not calibrated; use them to rank only.")
    if one.HasField("prediction_set"):
        yield marks.indented(Text(marks.prediction_set(one.prediction_set)))
    if one.masks:
        yield _masks(one.masks)
    for index, key in enumerate(one.key_slices):
        yield marks.indented(_key_slice(key, first=index == 0))
    if one.HasField("explanation"):
        yield from _explanation(one.explanation)
    for notice in one.notices:
        yield marks.notice(notice)


def _standing(one: pb.ImageModelResult) -> str:
    """Why an image is not accepted stands in its notices."""
    if one.gate_decision == pb.GATE_DECISION_REJECTED:
        return "not accepted, the model abstains"
    return "the model abstains" if one.abstained else ""


def _properties(analysis: pb.ImageAnalysis) -> Iterator[str]:
    properties = analysis.properties
    yield f"{properties.format or 'unknown format'} {properties.width_px} x {properties.height_px} px"
    if analysis.HasField("series"):
        series = analysis.series
        apart = f", {series.slice_spacing_mm:g} mm apart" if series.HasField("slice_spacing_mm") else ""
        yield marks.count(series.slice_count, "slice") + apart
    for said in (properties.photometric_interpretation, properties.view.lower()):
        if said:
            yield said
    if analysis.body_part:
        yield f"body part: {analysis.body_part.lower()}"
    for gate in analysis.gates:
        kind = marks.label_name(gate.kind) or "nothing that the gate knows"
        yield f"looks like: {kind} ({marks.percent(gate.probability)})"


def findings(of: Sequence[pb.Finding], *, exclusive: bool) -> Iterator[RenderableType]:
    """A line for each label: its probability, and its code."""
    shown = [one for one in of if exclusive or is_found(one)]
    shown += [one for one in of if not exclusive and not is_found(one)][: max(0, MAX_FINDINGS - len(shown))]
    columns = (
        marks.Column(minimum=22),
        marks.Column(minimum=7, justify="right"),
        marks.Column(drawing=True),
        marks.Column(style="dim"),
    )
    rows = [
        (
            Text(marks.label_name(one.label)),
            Text(marks.percent(one.probability), style="bold" if exclusive or is_found(one) else "dim"),
            marks.bar(one.probability, style="green" if one.meaning == LABEL_MEANING_NORMAL else "red"),
            Text(_code(one, exclusive=exclusive)),
        )
        for one in shown
    ]
    yield marks.Grid(columns, rows)
    if left_out := len(of) - len(shown):
        said = f"{marks.count(left_out, 'label')} below the threshold left out here; --json has all."
        yield marks.indented(Text(said, style="dim"))


def is_found(one: pb.Finding) -> bool:
    """Whether a label that excludes no other counts as found."""
    return one.probability >= (one.threshold if one.HasField("threshold") else DEFAULT_THRESHOLD)


def _code(one: pb.Finding, *, exclusive: bool) -> str:
    code = marks.concept_code(one.concepts[0]) if one.concepts else ""
    found = "" if exclusive else "found" if is_found(one) else ""
    return " · ".join(part for part in (code, found) if part)


def _masks(masks: Sequence[pb.SegmentationMask]) -> marks.Grid:
    columns = (marks.Column(minimum=22), marks.Column(justify="right"), marks.Column(style="dim"))
    return marks.Grid(columns, [_mask(one) for one in masks])


def _mask(one: pb.SegmentationMask) -> tuple[Text, ...]:
    size = marks.count(one.pixel_count, "voxel" if one.HasField("slice_index") else "pixel")
    if one.HasField("area_mm2"):
        size = f"{one.area_mm2 / 100:.1f} cm²"
    if one.HasField("volume_ml"):
        size = f"{one.volume_ml:.1f} ml"
    where = f"most of it in slice {one.slice_index + 1}" if one.HasField("slice_index") else ""
    code = marks.concept_code(one.concepts[0]) if one.concepts else ""
    said = " · ".join(part for part in (code, where) if part)
    return Text(marks.label_name(one.label)), Text(size, style="bold"), Text(said)


def _key_slice(one: pb.KeySlice, *, first: bool) -> Text:
    instance = f" (instance {one.instance_number})" if one.HasField("instance_number") else ""
    strongest = next((f for f in one.findings if f.meaning != LABEL_MEANING_NORMAL), None)
    said = (
        f": {marks.label_name(strongest.label)} {marks.percent(strongest.probability)}" if strongest else ""
    )
    title = "Key slices  " if first else " " * 12
    return Text.assemble((title, "bold"), f"slice {one.index + 1}{instance}{said}")


def _explanation(one: pb.Explanation) -> Iterator[RenderableType]:
    if one.method == pb.Explanation.METHOD_OCCLUSION:
        said = marks.count(one.extra_inference_count, "extra inference")
        yield marks.note(f"Heat maps by occlusion (the effect of covering parts of the image), {said}.")
