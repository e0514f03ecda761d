"""A DICOM file -> the same without what identifies: its attributes, its header, and the places that are
covered.

Two steps, since text is looked for between them: `opened` says what is to be looked at, `written` does
the rest.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import MediaStorageDirectoryStorage

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.imaging.deidentification.attributes import Cleaner
from services.imaging.deidentification.boxes import Box
from services.imaging.deidentification.changes import Action, Cause, Changes
from services.imaging.deidentification.pixels import (
    DicomPixels,
    clear_unused_bits,
    outside_ultrasound_regions,
)
from services.imaging.deidentification.profile import Option, profile
from services.imaging.deidentification.pseudonyms import Pseudonyms
from services.imaging.dicom.attributes import identifier, text
from services.imaging.dicom.reading import Kind, kind_of, read_whole
from services.imaging.images import DecodingLimits, malformed, unsupported

BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
_METHOD = "medmesh: PS3.15 basic profile, table E.1-1 of 2026d"
_PIXEL_ATTRIBUTES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_FACES = frozenset({"HEAD", "SKULL", "BRAIN", "FACE", "ORBIT", "HEADNECK", "SINUS", "JAW"})
NOT_EXAMINED = Notice(
    "PIXELS_NOT_EXAMINED",
    "The pixels were not looked at for text: they are as they came.",
    review_required=True,
)
_NOT_FOUND = Notice(
    "BURNED_IN_TEXT_NOT_FOUND",
    "The file says that text is burned into the image, and none was found.",
    review_required=True,
    places=("BurnedInAnnotation",),
)
_FACE = Notice(
    "FACE_MAY_BE_RECOGNISABLE",
    "The image is of a head or a photograph: a face that could be made of it is not taken out.",
    review_required=True,
)


@dataclass(frozen=True)
class OpenedDicom:
    """One file, read as a whole."""

    dataset: Dataset
    pixels: DicomPixels | None
    """None: it has no pixels, or they are of a kind in which no text is burned (single bits, floating
    point).
    """
    has_pixels: bool
    outside_regions: Sequence[Box]


@dataclass(frozen=True)
class WrittenDicom:
    """What came of a file."""

    data: bytes
    transfer_syntax_uid: str
    sop_instance_uid: str
    changes: Changes
    notices: tuple[Notice, ...]


def opened(data: bytes, limits: DecodingLimits) -> OpenedDicom:
    """Reads the file; blocking. Raises InvalidInput: damaged, a document, or with pixels that are not
    read.
    """
    # What it inflates to is held up to four times: as it is read for each of two, covered, and written.
    limits = replace(limits, max_inflated_bytes=limits.max_inflated_bytes // 4)
    dataset = read_whole(data, limits)
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise unsupported("is a DICOMDIR, an index; make it anew of the files once they are de-identified")
    if "ContentSequence" in dataset or "EncapsulatedDocument" in dataset:
        raise unsupported(
            "is a document in a DICOM file (a structured report, a PDF or the like), which is not "
            "de-identified here; send its text to the language service's Deidentify"
        )
    has_pixels = any(keyword in dataset for keyword in _PIXEL_ATTRIBUTES)
    if not has_pixels and kind_of(data) is Kind.IMAGE:
        raise malformed("is an image without pixel data: it is truncated or damaged")
    if "PixelData" not in dataset or dataset.get("BitsAllocated") not in {8, 16}:
        return OpenedDicom(dataset, None, has_pixels, ())
    pixels = DicomPixels(data, limits)
    beyond = outside_ultrasound_regions(dataset, pixels.module.rows, pixels.module.columns)
    return OpenedDicom(dataset, pixels, has_pixels, beyond)


def patient_of(dataset: Dataset) -> str:
    """What tells the file's patient apart; empty: nothing does."""
    patient, issuer = (identifier(dataset, keyword) for keyword in ("PatientID", "IssuerOfPatientID"))
    return f"{patient}|{issuer}" if patient and issuer else patient


def written(
    file: OpenedDicom,
    boxes: Sequence[Box] | None,
    options: frozenset[Option],
    key: bytes,
    patient: str,
) -> WrittenDicom:
    """The file with the boxes covered and its attributes cleaned; blocking.

    `boxes`: None where nobody looked. Raises InvalidInput on damaged pixel data.
    """
    dataset, changes = file.dataset, Changes()
    says_text = text(dataset, "BurnedInAnnotation") == "YES"
    notices = []
    if file.pixels is not None:
        clear_unused_bits(dataset, file.pixels, changes)
        if boxes:
            file.pixels.cover(dataset, boxes)
    if file.has_pixels and (boxes is None or file.pixels is None):
        notices.append(NOT_EXAMINED)
    elif says_text and not boxes:
        notices.append(_NOT_FOUND)
    if text(dataset, "Modality") == "XC" or (
        text(dataset, "Modality") in {"CT", "MR", "PT"} and text(dataset, "BodyPartExamined") in _FACES
    ):
        notices.append(_FACE)
    pseudonyms = Pseudonyms(key, patient or patient_of(dataset))
    cleaner = Cleaner(profile(options), pseudonyms, changes)
    cleaner.clean(dataset)
    cleaner.finish(dataset)
    _state_method(dataset, options, looked=file.pixels is not None and boxes is not None)
    _write_meta(dataset, changes)
    out = io.BytesIO()
    try:
        dcmwrite(out, dataset, enforce_file_format=True)
    except Exception as error:  # pydicom raises almost anything on values that its own standard does not have
        raise malformed("holds values that cannot be written as DICOM") from error
    return WrittenDicom(
        out.getvalue(),
        str(dataset.file_meta.TransferSyntaxUID),
        str(dataset.file_meta.MediaStorageSOPInstanceUID),
        changes,
        tuple(notices),
    )


def _state_method(dataset: Dataset, options: frozenset[Option], *, looked: bool) -> None:
    """Says what was done, as PS3.15 E.1.1 asks for."""
    codes = [BASIC_PROFILE, *([CLEAN_PIXELS] if looked else []), *sorted(option.code for option in options)]
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = Items([_code(*code) for code in codes])
    if Option.RETAIN_FULL_DATES in options:
        dataset.LongitudinalTemporalInformationModified = "UNMODIFIED"
    elif Option.RETAIN_MODIFIED_DATES in options:
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    else:
        dataset.LongitudinalTemporalInformationModified = "REMOVED"
    if looked:
        dataset.BurnedInAnnotation = "NO"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _write_meta(dataset: Dataset, changes: Changes) -> None:
    """File meta information of this implementation alone, and a preamble of zeros (PS3.10 7.1)."""
    before: FileMetaDataset = dataset.file_meta
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or before.get("MediaStorageSOPClassUID")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID")
    meta.TransferSyntaxUID = before.TransferSyntaxUID
    if not meta.MediaStorageSOPClassUID or not meta.MediaStorageSOPInstanceUID:
        raise InvalidInput(
            Reason.INPUT_MALFORMED,
            "chunk",
            "lacks SOP Class UID or SOP Instance UID, without which it is no DICOM object",
        )
    for element in before:
        if (
            element.tag.element
            and element.tag not in meta
            and element.keyword != "FileMetaInformationVersion"
        ):
            changes.add(
                f"{element.tag:08X}", element.name if element.keyword else "", Action.REMOVED, Cause.PROFILE
            )
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
