"""File bytes -> a data set that holds only the attributes that are read, of a transfer syntax that is read.

Nothing else is kept, so that nothing that identifies a patient is held beyond the date of birth that an age
needs.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib

from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from services.chassis.errors import InvalidInput
from services.imaging.dicom.syntaxes import DECODERS, refusal
from services.imaging.images import DecodingLimits, malformed, too_large

config.settings.reading_validation_mode = config.IGNORE
# pydicom warns and logs with the values it finds odd, which may identify a patient.
logging.getLogger("pydicom").addFilter(lambda _record: False)
warnings.filterwarnings("ignore", module=r"pydicom\..*")

PREAMBLE_BYTES = 132
READ_ATTRIBUTES = [
    # what the image is
    "ImageType", "SOPClassUID", "Modality", "PresentationIntentType", "AnatomicRegionSequence",
    "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "SeriesDescription", "ProtocolName",
    "PatientOrientation", "ImageOrientationPatient",
    # how old the patient is
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate", "PatientAge",
    # its pixels
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    # what its values mean and how they are shown
    "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape", "PresentationLUTSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "PixelData",
]  # fmt: skip
_READ_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in READ_ATTRIBUTES]


def read(data: bytes, limits: DecodingLimits) -> Dataset:
    """The data set with `READ_ATTRIBUTES` only. Raises InvalidInput as `decode_image` does."""
    source = io.BytesIO(data)
    source.seek(PREAMBLE_BYTES)
    try:
        meta = read_dataset(
            source, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, _vr, _n: tag >> 16 != 2
        )
        syntax = _read_syntax(meta)
        if syntax == DeflatedExplicitVRLittleEndian:
            source = io.BytesIO(_inflated(data[source.tell() :], limits))
            syntax = ExplicitVRLittleEndian
        dataset = read_dataset(
            source,
            is_implicit_VR=syntax == ImplicitVRLittleEndian,
            is_little_endian=syntax != ExplicitVRBigEndian,
            specific_tags=_READ_TAGS,
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        return dataset
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # pydicom raises almost anything on a damaged file
        raise malformed("is truncated or damaged") from error


def _read_syntax(meta: Dataset) -> UID:
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID) or not syntax:
        raise malformed("states no DICOM transfer syntax (Transfer Syntax UID)")
    if syntax not in DECODERS:
        raise refusal(syntax)
    return syntax


def _inflated(data: bytes, limits: DecodingLimits) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = unpacker.decompress(data, limits.max_inflated_bytes)
    if not unpacker.eof:
        if len(inflated) >= limits.max_inflated_bytes:
            raise too_large(f"inflates to more than {limits.max_inflated_bytes / 2**20:g} MiB")
        raise malformed("is truncated or damaged")
    return inflated
