"""A DICOM file -> grey pixels as a viewer would show them, and Hounsfield units where it has them.

Follows the grey-scale pipeline of PS3.3 C.11: modality transformation, then value-of-interest
transformation, then
MONOCHROME1 turned round. Only the attributes named here are read, so that nothing that identifies a patient
is held.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from services.chassis.errors import InvalidInput
from services.imaging.images import (
    DecodedImage,
    DecodingLimits,
    FileFormat,
    check_size,
    malformed,
    too_large,
    unsupported,
)
from services.imaging.preprocessing import Grey, apply_window, spread

config.settings.reading_validation_mode = config.IGNORE
# pydicom warns and logs with the values it finds odd, which may identify a patient.
logging.getLogger("pydicom").addFilter(lambda _record: False)
warnings.filterwarnings("ignore", module=r"pydicom\..*")

PICTURE_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEG2000Lossless)
"""Decoded by Pillow; each frame is a picture with a header of its own."""
READ_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    *PICTURE_SYNTAXES,
)
MAX_RLE_BYTES = 8 * 1024 * 1024
"""Of one encoded frame: PackBits unpacks up to 64 bytes from one, and the decoder does not check as it
goes."""

READ_ATTRIBUTES = [
    "Modality", "BodyPartExamined", "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration",
    "PhotometricInterpretation", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PixelData",
]  # fmt: skip


PREAMBLE_BYTES = 132


def decode_dicom(data: bytes, limits: DecodingLimits) -> DecodedImage:
    """Decodes a DICOM file with a preamble. Raises InvalidInput as `decode_image` does."""
    dataset = _read(data, limits)
    if "PixelData" not in dataset:
        raise unsupported("is a DICOM object without pixel data")
    try:
        height, width = int(dataset.Rows), int(dataset.Columns)
        samples, bits = int(dataset.SamplesPerPixel), int(dataset.BitsAllocated)
        frames = int(dataset.get("NumberOfFrames") or 1)
        photometric = str(dataset.PhotometricInterpretation).upper()
        stored_bits = int(dataset.BitsStored)
    except (AttributeError, TypeError, ValueError) as error:
        raise malformed("lacks the DICOM attributes that describe its pixels") from error
    check_size(height, width, limits)
    if frames != 1:
        raise unsupported("holds more than one frame")
    if samples not in {1, 3} or bits not in {8, 16} or photometric == "PALETTE COLOR":
        raise unsupported("holds pixels of a kind that is not read: a palette, or other than 8 or 16 bits")
    try:
        _bound_frame(dataset, height, width)
        stored = pixel_array(dataset, index=0)
        hounsfield = None
        if samples == 3:
            grey = np.asarray(Image.fromarray(stored.astype(np.uint8)).convert("L"), dtype=np.uint8)
        else:
            values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
            if _text(dataset, "Modality") == "CT" and "RescaleIntercept" in dataset:
                hounsfield = values
            grey = _displayed(values, stored, dataset, stored_bits)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # pydicom and its decoders raise almost anything on damaged pixel data
        raise malformed("holds pixel data that cannot be decoded") from error
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    part, modality = _text(dataset, "BodyPartExamined"), _text(dataset, "Modality")
    return DecodedImage(FileFormat.DICOM, np.ascontiguousarray(grey), hounsfield, part, modality, photometric)


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _read(data: bytes, limits: DecodingLimits) -> Dataset:
    """The data set with `READ_ATTRIBUTES` only, its transfer syntax known to be one that is read."""
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
            specific_tags=[Tag(keyword) for keyword in READ_ATTRIBUTES],
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
    if not isinstance(syntax, UID):
        raise malformed("states no DICOM transfer syntax")
    if syntax not in READ_SYNTAXES:
        raise unsupported("is encoded in a DICOM transfer syntax that is not read")
    return syntax


def _inflated(data: bytes, limits: DecodingLimits) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = unpacker.decompress(data, limits.max_inflated_bytes)
    if not unpacker.eof:
        if len(inflated) >= limits.max_inflated_bytes:
            raise too_large(f"inflates to more than {limits.max_inflated_bytes} bytes")
        raise malformed("is truncated or damaged")
    return inflated


def _bound_frame(dataset: Dataset, height: int, width: int) -> None:
    """Refuses an encoded frame that would unpack to another size than the data set declares."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    if syntax == RLELossless:
        if len(frame) > MAX_RLE_BYTES:
            raise too_large(f"holds a run-length encoded frame of more than {MAX_RLE_BYTES} bytes")
        return
    try:
        with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as picture:
            declared = (picture.height, picture.width)
    except UnidentifiedImageError as error:
        raise unsupported("holds a frame of a JPEG process that is not read, e.g. of 12 bits") from error
    if declared != (height, width):
        raise malformed("holds a frame of another size than it declares")


def _displayed(
    values: npt.NDArray[np.float32], stored: npt.NDArray[np.integer], dataset: Dataset, stored_bits: int
) -> Grey:
    """Values after the modality transformation -> the grey levels of the file's first window or VOI table."""
    if dataset.get("VOILUTSequence"):
        return spread(np.asarray(apply_voi_lut(stored, dataset, index=0), dtype=np.float32))
    center, width = (_first_number(dataset, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    if center is not None and width is not None and width > 1:
        if _text(dataset, "VOILUTFunction") == "SIGMOID":  # PS3.3 C.11.2.1.3.1
            steepness: npt.NDArray[np.float32] = np.clip(-4 * (values - center) / width, -60, 60)
            return np.asarray(np.rint(255 / (1 + np.exp(steepness))), dtype=np.uint8)
        # PS3.3 C.11.2.1.2.1: the linear window counts from half a value below its centre
        return apply_window(values, center - 0.5, width - 1)
    if stored.dtype == np.uint8 and stored_bits == 8 and "RescaleSlope" not in dataset:
        return np.asarray(stored, dtype=np.uint8)
    return spread(values)


def _first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first of possibly several values; None when absent or no number."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    try:
        return float(value if isinstance(value, int | float | str) else value[0])
    except (TypeError, ValueError, IndexError):
        return None
