"""Protobuf <-> the dataclasses of the analysis."""

from __future__ import annotations

from collections.abc import Mapping

from medmesh.common.v1.answer_pb2 import PredictionSet
from medmesh.imaging.v1 import imaging_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc.notices import notice_messages
from services.imaging.images import KNOWN_MODALITIES, ImageFacts
from services.imaging.results import ImageAnalysis, ImageOptions, ModelResult
from services.imaging.tasks.gate import GateVerdict, Rejection
from services.imaging.tasks.reading import Explained, Explanation, Finding, Floats, Mask, Wanted

MIN_DIGEST_KEY_BYTES = 16
_METHODS = {
    Explained.BY_ACTIVATION_MAP: pb.Explanation.METHOD_ACTIVATION_MAP,
    Explained.BY_OCCLUSION: pb.Explanation.METHOD_OCCLUSION,
}

_REJECTIONS: Mapping[Rejection, pb.Rejection] = {
    reason: getattr(pb, f"REJECTION_{reason.name}") for reason in Rejection
}


def options_from(message: pb.ImageOptions) -> ImageOptions:
    """Raises InvalidInput on a digest key that is too short to keep anything from being guessed."""
    key = message.digest_key if message.HasField("digest_key") else None
    if key is not None and len(key) < MIN_DIGEST_KEY_BYTES:
        raise InvalidInput(
            Reason.INPUT_OUT_OF_RANGE,
            "options.digest_key",
            f"is shorter than {MIN_DIGEST_KEY_BYTES} bytes",
        )
    return ImageOptions(
        message.body_part,
        tuple(message.models),
        Wanted(message.include_heat_map or message.include_overlay, message.include_overlay),
        key,
    )


def fill_analysis(message: pb.ImageAnalysis, analysis: ImageAnalysis) -> None:
    """Writes the answer into a response's message, in place: overlays and masks are large."""
    message.body_part = analysis.body_part
    message.properties.CopyFrom(_properties(analysis.image))
    message.notices.extend(notice_messages(analysis.notices))
    for result in analysis.results:
        _fill_result(message.results.add(), result)
    for verdict in analysis.gates:
        message.gates.append(_verdict(verdict))
    if analysis.series is not None:
        message.series.slice_count = len(analysis.series)
        if analysis.series.geometry is not None and len(analysis.series) > 1:
            message.series.slice_spacing_mm = analysis.series.geometry.spacing_mm
    if analysis.digests is not None:
        message.digests.file_hmac_sha256 = analysis.digests.files
        message.digests.content_hmac_sha256 = analysis.digests.content


def _fill_result(message: pb.ImageModelResult, result: ModelResult) -> None:
    reading = result.reading
    message.provenance.CopyFrom(reading.provenance)
    message.findings.extend(finding_message(finding) for finding in reading.findings)
    message.exclusive = reading.exclusive
    message.calibrated = reading.calibrated
    if reading.prediction_set is not None:
        message.prediction_set.CopyFrom(
            PredictionSet(labels=reading.prediction_set, coverage=reading.coverage)
        )
    message.abstained = result.abstained
    message.gate_decision = _decision(result)
    message.rejections.extend(_REJECTIONS[reason] for reason in result.rejections)
    if reading.explanation is not None:
        message.explanation.CopyFrom(_explanation(reading.explanation))
    for mask in reading.masks:
        _fill_mask(message.masks.add(), mask)
    message.overlay_png = reading.overlay_png
    for one in reading.key_slices:
        message.key_slices.add(
            index=one.index,
            instance_number=one.instance_number,
            sop_instance_uid=one.sop_instance_uid,
            findings=[finding_message(finding) for finding in one.findings],
        )
    message.notices.extend(notice_messages(result.notices))


def _decision(result: ModelResult) -> pb.GateDecision:
    if result.judged is None:
        return pb.GATE_DECISION_NOT_ASKED
    if not result.judged:
        return pb.GATE_DECISION_NOT_JUDGED
    return pb.GATE_DECISION_REJECTED if result.rejections else pb.GATE_DECISION_ACCEPTED


def finding_message(finding: Finding) -> pb.Finding:
    """One finding as a message."""
    message = pb.Finding(
        label=finding.label.name,
        meaning=finding.label.meaning,
        concepts=finding.label.concepts,
        probability=finding.probability,
        threshold=finding.threshold,
    )
    if finding.heat_map is not None:
        message.heat_map.CopyFrom(_heat_map(finding.heat_map))
    return message


def _heat_map(values: Floats) -> pb.HeatMap:
    rows, columns = values.shape
    return pb.HeatMap(row_count=rows, column_count=columns, values=values.ravel().tolist())


def _explanation(explanation: Explanation) -> pb.Explanation:
    return pb.Explanation(
        method=_METHODS[explanation.method], extra_inference_count=explanation.extra_inference_count
    )


def _fill_mask(message: pb.SegmentationMask, mask: Mask) -> None:
    message.label = mask.label.name
    message.meaning = mask.label.meaning
    message.concepts.extend(mask.label.concepts)
    message.mask_png = mask.png
    message.pixel_count = mask.pixel_count
    if mask.area_mm2 is not None:
        message.area_mm2 = mask.area_mm2
    if mask.volume_ml is not None:
        message.volume_ml = mask.volume_ml
    if mask.slice_index is not None:
        message.slice_index = mask.slice_index


def _verdict(verdict: GateVerdict) -> pb.GateVerdict:
    return pb.GateVerdict(
        provenance=verdict.provenance,
        kind=verdict.kind,
        probability=verdict.probability,
        body_parts=verdict.body_parts,
        inverted=verdict.inverted,
        flaws=[_REJECTIONS[reason] for reason in verdict.flaws],
    )


def _properties(image: ImageFacts) -> pb.ImageProperties:
    height, width = image.shape
    rows, columns = image.spacing_mm or (None, None)
    return pb.ImageProperties(
        format=image.file_format,
        height_px=height,
        width_px=width,
        photometric_interpretation=image.photometric_interpretation,
        modality=image.modality if image.modality in KNOWN_MODALITIES else "",
        view="" if image.view is None else image.view.upper(),
        row_spacing_mm=rows,
        column_spacing_mm=columns,
    )
