"""The masks of each model as a Segmentation, where they can be laid on the stored pixels without a guess.

A mask is of the image as it was displayed. Where that was turned or read at half its rows and columns, where
an object has several frames, or where a series does not say how its slices follow each other, the masks are
drawn in the overlay alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from clients.dicom_node.results.context import MANUFACTURER, Context, clipped, coded
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis, ImageModelResult, SegmentationMask


def masks(context: Context) -> Iterator[Segmentation]:
    """One for each model with masks, and each slice that they are of."""
    number = 0
    for image in context.diagnosis.images:
        ordered = _displayed_order(context, image.analysis)
        for result in image.analysis.results:
            for source, of_source in _by_source(result, ordered):
                yield _segmentation(context, result, source, of_source, number)
                number += 1


def _displayed_order(context: Context, analysis: ImageAnalysis) -> Sequence[Dataset]:
    """The sources in the order that slices are counted in; none where masks cannot be laid on them."""
    turned = any(notice.reason == "IMAGE_REORIENTED" for notice in analysis.notices)
    if turned or any(int(source.get("NumberOfFrames") or 1) > 1 for source in context.sources):
        return ()
    if len(context.sources) == 1:
        return context.sources
    try:
        return _along_the_normal(context.sources)
    except (AttributeError, TypeError, ValueError):
        return ()


def _along_the_normal(sources: Sequence[Dataset]) -> Sequence[Dataset]:
    """From the feet up, right to left, front to back (docs/series.md), by Image Position (Patient)."""
    row, column = np.reshape(np.asarray(sources[0].ImageOrientationPatient, float), (2, 3))
    normal = np.cross(row, column)
    normal *= np.sign(normal[np.argmax(np.abs(normal))])
    return sorted(sources, key=lambda one: float(normal @ np.asarray(one.ImagePositionPatient, float)))


def _by_source(
    result: ImageModelResult, ordered: Sequence[Dataset]
) -> Iterator[tuple[Dataset, list[tuple[SegmentationMask, npt.NDArray[np.bool_]]]]]:
    found: dict[int, list[tuple[SegmentationMask, npt.NDArray[np.bool_]]]] = {}
    for mask in result.masks:
        index = mask.slice_index if mask.HasField("slice_index") else 0
        if index >= len(ordered) or not mask.pixel_count:
            continue
        pixels = np.asarray(Image.open(io.BytesIO(mask.mask_png)).convert("1"))
        if pixels.shape == (ordered[index].Rows, ordered[index].Columns) and pixels.any():
            found.setdefault(index, []).append((mask, pixels))
    for index, of_source in found.items():
        yield ordered[index], of_source


def _segmentation(
    context: Context,
    result: ImageModelResult,
    source: Dataset,
    of_source: Sequence[tuple[SegmentationMask, npt.NDArray[np.bool_]]],
    number: int,
) -> Segmentation:
    model = result.provenance
    algorithm = AlgorithmIdentificationSequence(
        name=clipped(model.model_name, 64),
        family=codes.DCM.ArtificialIntelligence,
        version=clipped(model.card_version or model.model_version or "unknown", 64),
        source=MANUFACTURER,
        parameters=dict(one.split("=", 1) for one in context.origin(model)),
    )
    segments = [
        SegmentDescription(
            segment_number=place,
            segment_label=clipped(mask.label.replace("_", " "), 64),
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=coded(mask.label, mask.concepts),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=context.uid(f"finding/{model.model_name}/{mask.label}"),
            tracking_id=f"{model.model_name}/{mask.label}",
        )
        for place, (mask, _) in enumerate(of_source, 1)
    ]
    made = Segmentation(
        source_images=[source],
        pixel_array=np.stack([pixels for _, pixels in of_source], axis=-1)[np.newaxis],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        content_label="AI",
        content_description=clipped(context.mark, 64),
        content_qualification="RESEARCH" if context.is_research_use else "PRODUCT",
        **context.series("masks", number, "AI masks"),
    )
    if "FrameOfReferenceUID" not in made:
        made.PatientOrientation = source.get("PatientOrientation")
    return made
