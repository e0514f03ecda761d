"""Protobuf <-> the dataclasses of the analysis."""

from __future__ import annotations

from medmesh.common.v1.answer_pb2 import PredictionSet, Provenance
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.imaging.v1 import imaging_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc.notices import notice_messages
from services.clinical.code_systems import SNOMED
from services.imaging.analysis import Finding, Floats, ImageAnalysis, ImageOptions
from services.imaging.gate import GateVerdict, Kind, Rejection
from services.imaging.models import BodyPart

_PARTS = {pb.BODY_PART_CHEST: BodyPart.CHEST, pb.BODY_PART_HEAD: BodyPart.HEAD}
_PART_NUMBERS = {part: number for number, part in _PARTS.items()}
_KINDS = {
    Kind.CHEST_XRAY: pb.ImageGate.KIND_CHEST_XRAY,
    Kind.HEAD_CT: pb.ImageGate.KIND_HEAD_CT,
    Kind.OTHER: pb.ImageGate.KIND_OTHER,
}
_REJECTIONS = {
    Rejection.NOT_EXPECTED_KIND: pb.ImageGate.REJECTION_NOT_EXPECTED_KIND,
    Rejection.UPSIDE_DOWN: pb.ImageGate.REJECTION_UPSIDE_DOWN,
    Rejection.COLOUR: pb.ImageGate.REJECTION_COLOUR,
    Rejection.PHOTOGRAPH: pb.ImageGate.REJECTION_PHOTOGRAPH,
    Rejection.SCREENSHOT: pb.ImageGate.REJECTION_SCREENSHOT,
    Rejection.BLURRED: pb.ImageGate.REJECTION_BLURRED,
    Rejection.COVERED: pb.ImageGate.REJECTION_COVERED,
    Rejection.CROPPED: pb.ImageGate.REJECTION_CROPPED,
    Rejection.DEGRADED: pb.ImageGate.REJECTION_DEGRADED,
    Rejection.DRAWN: pb.ImageGate.REJECTION_DRAWN,
}
_NO_EXPORT = {Rejection.PHOTOGRAPH, Rejection.SCREENSHOT, Rejection.COLOUR}


def options_from(message: pb.ImageOptions) -> ImageOptions:
    """Raises InvalidInput on a body part that this version does not know."""
    part = None
    if message.body_part != pb.BODY_PART_UNSPECIFIED:
        part = _PARTS.get(message.body_part)
        if part is None:
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED, "options.body_part", "names a body part that no model here reads"
            )
    return ImageOptions(
        part, heat_map=message.include_heat_map or message.include_overlay, overlay=message.include_overlay
    )


def analysis_message(analysis: ImageAnalysis, provenance: Provenance) -> pb.ImageAnalysis:
    """The answer as a message."""
    image = analysis.image
    height, width = image.grey.shape
    message = pb.ImageAnalysis(
        findings=[_finding(finding) for finding in analysis.findings],
        abstained=analysis.abstained,
        body_part=_PART_NUMBERS[analysis.body_part],
        properties=pb.ImageProperties(
            format=image.file_format,
            height_px=height,
            width_px=width,
            photometric_interpretation=image.photometric_interpretation,
            sha256=analysis.sha256,
        ),
        overlay_png=analysis.overlay_png,
        notices=notice_messages(analysis.notices),
        provenance=provenance,
    )
    if analysis.prediction_set is not None:
        message.prediction_set.CopyFrom(
            PredictionSet(labels=analysis.prediction_set, coverage=analysis.coverage)
        )
    if analysis.gate is not None:
        message.gate.CopyFrom(_gate(analysis.gate))
    return message


def _finding(finding: Finding) -> pb.Finding:
    message = pb.Finding(label=finding.label, probability=finding.probability)
    if finding.concept is not None:
        code, display = finding.concept
        message.concept.CopyFrom(Concept(system=SNOMED, code=code, display=display))
    if finding.heat_map is not None:
        message.heat_map.CopyFrom(_heat_map(finding.heat_map))
    return message


def _heat_map(values: Floats) -> pb.HeatMap:
    rows, columns = values.shape
    return pb.HeatMap(row_count=rows, column_count=columns, values=values.ravel().tolist())


def _gate(verdict: GateVerdict) -> pb.ImageGate:
    return pb.ImageGate(
        kind=_KINDS[verdict.kind],
        probability=verdict.probability,
        upside_down=Rejection.UPSIDE_DOWN in verdict.flaws,
        inverted=verdict.inverted,
        photograph=not _NO_EXPORT.isdisjoint(verdict.flaws),
        accepted=verdict.accepted,
        rejections=[_REJECTIONS[reason] for reason in verdict.rejections],
    )
