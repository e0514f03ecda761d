"""The overlay of each model as a Secondary Capture, with what it is not for written into the picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from clients.dicom_node.results.context import Context, clipped
from medmesh.common.v1.serving_pb2 import LABEL_MEANING_NORMAL
from medmesh.imaging.v1.imaging_pb2 import Explanation, ImageAnalysis, ImageModelResult

_MINIMUM_SIDE_PX = 512
"""Smaller overlays are enlarged, so that the words can be read."""
_SMALLEST_FONT_PX = 10
_METHODS = {
    Explanation.METHOD_ACTIVATION_MAP: "activation map",
    Explanation.METHOD_OCCLUSION: "occlusion map",
}
_ALSO_COPIED = ("BodyPartExamined", "BurnedInAnnotation")
"""Beside the patient and the study."""
_ANY_ORIENTATION = ("L", "F")
"""highdicom wants one; what is displayed may have been turned, and then the picture states none."""


def overlays(context: Context) -> Iterator[SCImage]:
    """One for each model that drew one."""
    drawn = [
        (image.analysis, result)
        for image in context.diagnosis.images
        for result in image.analysis.results
        if result.overlay_png
    ]
    for number, (analysis, result) in enumerate(drawn):
        yield _overlay(context, analysis, result, number)


def _overlay(context: Context, analysis: ImageAnalysis, result: ImageModelResult, number: int) -> SCImage:
    source = context.sources[0]
    what = clipped(_title(result), 64)
    made = SCImage(
        pixel_array=_picture(result.overlay_png, [_title(result), f"{context.mark.upper()}"]),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=_ANY_ORIENTATION,
        study_instance_uid=source.StudyInstanceUID,
        **context.series("overlay", number, "AI overlay"),
    )
    made.copy_patient_and_study_information(source)
    for keyword in _ALSO_COPIED:
        if keyword in source:
            made[keyword] = source[keyword]
    turned = any(notice.reason == "IMAGE_REORIENTED" for notice in analysis.notices)
    orientation: Any = None if turned else source.get("PatientOrientation")
    made.PatientOrientation = orientation
    made.ConversionType = "WSD"
    made.ImageComments = clipped(f"{context.mark}. {context.diagnosis.intended_use}", 1024)
    model = result.provenance
    made.DerivationDescription = clipped(
        f"{what} by {model.model_name} {model.card_version}; {'; '.join(context.origin(model))}", 1024
    )
    made.SourceImageSequence = [_reference(one) for one in _drawn_sources(context, result)]
    return made


def _drawn_sources(context: Context, result: ImageModelResult) -> list[Dataset]:
    """What is in the picture: of a series the slice that its answer rests on most."""
    key = result.key_slices[0].sop_instance_uid if result.key_slices else ""
    return [one for one in context.sources if one.SOPInstanceUID == key] or list(context.sources[:1])


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    purpose = Dataset()
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _title(result: ImageModelResult) -> str:
    model = f"{result.provenance.model_name} {result.provenance.card_version}"
    if result.masks:
        return f"{model}: masks of {', '.join(mask.label for mask in result.masks)}"
    drawn = next((f for f in result.findings if f.meaning != LABEL_MEANING_NORMAL), None)
    if drawn is None:
        return model
    method = _METHODS.get(result.explanation.method, "map")
    abstains = ", model abstains" if result.abstained else ""
    return f"{model}: {method} of {drawn.label.replace('_', ' ')}, {100 * drawn.probability:.0f} %{abstains}"


def _picture(png: bytes, lines: list[str]) -> npt.NDArray[np.uint8]:
    """The overlay on black, the lines under it: `[rows, columns, 3]`."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    scale = max(1, -(-_MINIMUM_SIDE_PX // max(image.size)))
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    width = max(image.width, _MINIMUM_SIDE_PX)
    size = max(16, width // 36)
    height = int(size * 1.4)
    canvas = Image.new("RGB", (width, image.height + height * len(lines) + height // 2))
    canvas.paste(image, ((width - image.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    for place, line in enumerate(lines):
        colour = "white" if place < len(lines) - 1 else "yellow"
        top = image.height + height // 4 + place * height
        fitted = _fitted(draw, line, size, width - 16)
        draw.text((8, top), line, fill=colour, font=fitted)
    return np.asarray(canvas)


def _fitted(
    draw: ImageDraw.ImageDraw, line: str, size: int, width: int
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font in that size, or in the smaller one in which the line fits."""
    while size > _SMALLEST_FONT_PX and draw.textlength(line, font=ImageFont.load_default(size)) > width:
        size -= 1
    return ImageFont.load_default(size)
