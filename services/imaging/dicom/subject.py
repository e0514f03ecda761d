"""What a DICOM file says of its subject: body part, view, age of the patient, and whether it is raw detector
data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from services.chassis.notices import Notice
from services.imaging import anatomy
from services.imaging.dicom.attributes import assumed, contradicting, items, macro, text, texts
from services.imaging.dicom.geometry import Orientation
from services.imaging.images import View

_DAYS_OF_UNIT = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}
_SLICED = {"CT", "MR", "PT"}
"""Modalities whose images are slices."""
_SLICE_PLANES = {View.FRONTAL: View.CORONAL, View.LATERAL: View.SAGITTAL}
"""A slice is named by its plane, a film by where it was taken from."""
_AGE = re.compile(r"(\d{1,3})\s*([DWMY]?)")
_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_DATES_OF_IMAGE = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
AGES_AGREE_YEARS = 1
"""PatientAge may be that at the visit, rounded."""
FOR_PROCESSING_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.1.1.1",  # Digital X-Ray Image Storage - For Processing
        "1.2.840.10008.5.1.4.1.1.1.2.1",  # Digital Mammography X-Ray Image Storage - For Processing
        "1.2.840.10008.5.1.4.1.1.1.3.1",  # Digital Intra-Oral X-Ray Image Storage - For Processing
    }
)


@dataclass(frozen=True)
class Subject:
    """See the fields of `DecodedImage`."""

    body_part: str
    view: View | None
    ages_years: tuple[int, ...]
    notices: tuple[Notice, ...]

    def is_displayed_as(self, view: View) -> bool:
        """Whether an image of this subject in this view is displayed in one known way: slices are, and
        films of what stands upright; a hand is shown with the fingers up or down.
        """
        parts = anatomy.understand(self.body_part).parts
        return not parts or view is View.TRANSVERSE or any(anatomy.stands_upright(part) for part in parts)


def read_subject(dataset: Dataset, placed: Orientation | None) -> Subject:
    """`placed`: how the image lies by its attributes, which shows the view too."""
    notices: list[Notice] = []
    if (
        text(dataset, "PresentationIntentType") == "FOR PROCESSING"
        or text(dataset, "SOPClassUID") in FOR_PROCESSING_CLASSES
    ):
        notices.append(_RAW)
    body_part = _body_part(dataset, notices)
    view = _view(dataset, placed, body_part, notices)
    return Subject(body_part, view, _ages(dataset, notices), tuple(notices))


def _body_part(dataset: Dataset, notices: list[Notice]) -> str:
    stated = text(dataset, "BodyPartExamined")
    coded = [
        anatomy.region(text(item, "CodingSchemeDesignator"), text(item, "CodeValue"))
        for group in (dataset, macro(dataset, "FrameAnatomySequence"))
        for item in items(group, "AnatomicRegionSequence")
    ]
    known = next((term for term in coded if term), "")
    understood = anatomy.understand(stated)
    if known and not understood.parts:
        return known
    if known and not anatomy.agree(understood.parts, anatomy.understand(known).parts):
        notices.append(
            contradicting(
                "Two attributes name different body parts; Body Part Examined was followed.",
                "BodyPartExamined",
                "AnatomicRegionSequence",
            )
        )
    return stated


def _view(dataset: Dataset, placed: Orientation | None, body_part: str, notices: list[Notice]) -> View | None:
    """The view; of several statements one that is not frontal counts, since a model of frontal views is
    misled by it.
    """
    if text(dataset, "Modality") in _SLICED:
        kinds = texts(dataset, "ImageType") + texts(macro(dataset, "CTImageFrameTypeSequence"), "FrameType")
        if "LOCALIZER" in kinds:
            return View.LOCALIZER
        return None if placed is None else _SLICE_PLANES.get(placed.view, placed.view)
    position = anatomy.understand(text(dataset, "ViewPosition"))
    if position.unknown and not position.views:
        notices.append(not_understood("ViewPosition"))
    stated = set(position.views)
    for words in (body_part, text(dataset, "SeriesDescription"), text(dataset, "ProtocolName")):
        named = anatomy.understand(words).views
        if len(named) == 1:  # "CHEST AP LAT" names the views of the examination, not that of this image
            stated |= named
    for item in items(dataset, "ViewCodeSequence"):
        coded = anatomy.view(text(item, "CodingSchemeDesignator"), text(item, "CodeValue"))
        if coded is not None:
            stated.add(coded)
    if placed is not None:
        stated.add(placed.view)
    return min(stated, key=[View.LATERAL, View.OBLIQUE, View.TRANSVERSE, View.FRONTAL].index, default=None)


def _ages(dataset: Dataset, notices: list[Notice]) -> tuple[int, ...]:
    ages: list[int] = []
    written = text(dataset, "PatientAge")
    if written:
        match = _AGE.fullmatch(written)
        if match:
            if not match[2]:
                notices.append(assumed("PatientAge", "a number of years"))
            days = int(match[1]) * _DAYS_OF_UNIT[match[2] or "Y"]
            ages.append(int(days / _DAYS_OF_UNIT["Y"] + 1e-9))
        else:
            notices.append(not_understood("PatientAge"))
    born = _date(text(dataset, "PatientBirthDate"))
    taken = next((day for day in (_date(text(dataset, keyword)) for keyword in _DATES_OF_IMAGE) if day), None)
    if born and taken and born <= taken:
        ages.append(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day)))
    if len(ages) > 1 and abs(ages[0] - ages[1]) > AGES_AGREE_YEARS:
        notices.append(
            contradicting(
                "Patient Age and the dates of the file contradict each other; both count.",
                "PatientAge",
                "PatientBirthDate",
            )
        )
    return tuple(ages)


def _date(written: str) -> date | None:
    match = _DATE.match(written)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def not_understood(keyword: str) -> Notice:
    """An attribute that bears on whether the image may be read holds what is not understood here."""
    return Notice(
        "DICOM_ATTRIBUTE_NOT_UNDERSTOOD",
        "An attribute of the file holds what is not understood here; it was left out of account.",
        review_required=True,
        places=(keyword,),
    )


_RAW = Notice(
    "RAW_DETECTOR_DATA",
    "The file holds raw detector data (FOR PROCESSING); the model reads images as they are displayed.",
    review_required=True,
    places=("PresentationIntentType",),
)
