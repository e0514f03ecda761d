"""The answer as a Structured Report: TID 1500, one group a model and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from clients.dicom_node.results.context import MANUFACTURER, SCHEME, Context, clipped, coded, own_scheme
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.imaging.v1.imaging_pb2 import Finding, ImageModelResult, SegmentationMask
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb

CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
PERCENT = CodedConcept("%", "UCUM", "Percent")
COMMENT = CodedConcept("121106", "DCM", "Comment")
IMAGING = CodedConcept("363679005", "SCT", "Imaging")
ABSTAINED = CodedConcept("abstained", SCHEME, "The model abstains")
CALIBRATED = CodedConcept("calibrated", SCHEME, "The probability is calibrated")
COUNTS_AS_FOUND = CodedConcept("found", SCHEME, "Above the model's threshold")
AREA = codes.SCT.Area
VOLUME = codes.SCT.Volume
_SOURCES_NAMED = 20
"""Of a series whose key slices are not known, in each group: all of them stand in the report's evidence."""


def report(context: Context) -> EnhancedSR:
    """The report. Not verified and preliminary: a person has not looked at it."""
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(context)),
        procedure_reported=IMAGING,
        imaging_measurements=list(_groups(context)),
        title=codes.DCM.ImagingMeasurementReport,
    )
    for line in _comments(context):
        content[0].ContentSequence.append(
            TextContentItem(COMMENT, line, relationship_type=RelationshipTypeValues.CONTAINS)
        )
    return EnhancedSR(
        evidence=list(context.sources),
        content=content[0],
        is_complete=context.diagnosis.completeness == pb.COMPLETENESS_COMPLETE,
        is_final=False,
        is_verified=False,
        coding_schemes=own_scheme(),
        previous_versions=[context.previous_report] if context.previous_report is not None else None,
        **context.series("report", 0, "AI findings"),
    )


def _observer(context: Context) -> ObserverContext:
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=context.uid("observer"),
            name=f"medmesh at {context.station}",
            manufacturer_name=MANUFACTURER,
            model_name=clipped(", ".join(model.model_name for model in context.models()), 64),
        ),
    )


def _groups(context: Context) -> Iterator[MeasurementsAndQualitativeEvaluations]:
    for image in context.diagnosis.images:
        for result in image.analysis.results:
            for finding in result.findings:
                yield _finding(context, result, finding)
            for mask in result.masks:
                yield _mask(context, result, mask)


def _finding(
    context: Context, result: ImageModelResult, finding: Finding
) -> MeasurementsAndQualitativeEvaluations:
    evaluations = [_yes_or_no(ABSTAINED, result.abstained), _yes_or_no(CALIBRATED, result.calibrated)]
    if finding.HasField("threshold"):
        evaluations.append(_yes_or_no(COUNTS_AS_FOUND, finding.probability >= finding.threshold))
    percent = Measurement(name=CERTAINTY, value=round(finding.probability * 100, 2), unit=PERCENT)
    return _group(context, result, finding.label, finding.concepts, [percent], evaluations)


def _mask(
    context: Context, result: ImageModelResult, mask: SegmentationMask
) -> MeasurementsAndQualitativeEvaluations:
    sizes = []
    if mask.HasField("area_mm2"):
        sizes.append(Measurement(name=AREA, value=round(mask.area_mm2, 2), unit=codes.UCUM.SquareMillimeter))
    if mask.HasField("volume_ml"):
        unit = CodedConcept("ml", "UCUM", "ml")
        sizes.append(Measurement(name=VOLUME, value=round(mask.volume_ml, 3), unit=unit))
    seen = [_yes_or_no(ABSTAINED, result.abstained), _yes_or_no(COUNTS_AS_FOUND, mask.pixel_count > 0)]
    return _group(context, result, mask.label, mask.concepts, sizes, seen)


def _group(
    context: Context,
    result: ImageModelResult,
    label: str,
    concepts: Sequence[Concept],
    measurements: list[Measurement],
    evaluations: list[QualitativeEvaluation],
) -> MeasurementsAndQualitativeEvaluations:
    model = result.provenance
    name = f"{model.model_name}/{label}"
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=context.uid(f"finding/{name}"), identifier=name),
        finding_type=coded(label, concepts),
        algorithm_id=AlgorithmIdentification(
            name=model.model_name,
            version=model.card_version or model.model_version or "unknown",
            parameters=context.origin(model),
            manufacturer=MANUFACTURER,
        ),
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup.from_source_image(s) for s in _key_sources(context, result)
        ],
    )


def _key_sources(context: Context, result: ImageModelResult) -> list[Dataset]:
    """The slices that the answer rests on; of a single image it."""
    keys = {key.sop_instance_uid for key in result.key_slices}
    named = [source for source in context.sources if source.SOPInstanceUID in keys]
    return named or list(context.sources[:_SOURCES_NAMED])


def _yes_or_no(name: CodedConcept, holds: bool) -> QualitativeEvaluation:
    return QualitativeEvaluation(name=name, value=codes.SCT.Yes if holds else codes.SCT.No)


def _comments(context: Context) -> Iterator[str]:
    answer = context.diagnosis
    yield f"{context.mark}. {answer.intended_use}"
    if answer.review_required:
        yield (
            "A person must review the images: a model abstains, findings contradict each other, or "
            "something was "
            "not understood."
        )
    if answer.completeness != pb.COMPLETENESS_COMPLETE:
        yield "The answer is PARTIAL: a part of the mesh did not answer."
    for one in answer.assessments:
        low, high = (f"{100 * value:.1f}" for value in (one.probability_low, one.probability_high))
        yield (
            f"Fused assessment, {one.condition.display or one.condition.code}: {100 * one.probability:.1f} % "
            f"({low} to {high} %), from the image and how common the condition is; note and record were "
            f"not at hand."
        )
    for image in answer.images:
        for result in image.analysis.results:
            if result.HasField("prediction_set"):
                labels = (
                    ", ".join(result.prediction_set.labels) or "none: unlike anything it was calibrated on"
                )
                yield (
                    f"{result.provenance.model_name} cannot rule out, at "
                    f"{100 * result.prediction_set.coverage:.0f} % coverage: {labels}."
                )
        for notice in [*image.analysis.notices, *(n for r in image.analysis.results for n in r.notices)]:
            yield _said(notice)
    for notice in answer.notices:
        yield _said(notice)
    yield f"Evidence receipt {context.receipt_id or 'none'}, analysis {context.analysis}."


def _said(notice: Notice) -> str:
    model = f" ({notice.model_name})" if notice.model_name else ""
    return f"{notice.reason}{model}: {notice.message}" + (" Review." if notice.review_required else "")
