"""What decoding gives, what bounds it, and the errors that it raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.imaging.grey import Grey

FIELD = "sources"
"""Where the files of an image stand in a request."""
SMALLEST_SIDE_PX = 32
"""Below this a medical image carries nothing to read."""


KNOWN_MODALITIES = frozenset({
    "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CR", "CT", "CFM", "DG", "DMS", "DX", "ECG", "EEG", "EMG",
    "EOG", "EPS", "ES", "FID", "GM", "HC", "HD", "IO", "IOL", "IVOCT", "IVUS", "KER", "KO", "LEN", "LS",
    "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPR", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS",
    "OT", "PA", "PLAN", "POS", "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE",
    "RTINTENT", "RTPLAN", "RTRAD", "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR",
    "SRF", "STAIN", "TG", "US", "VA", "XA", "XC", "XAPROTOCOL", "DR",
})  # fmt: skip
"""Defined terms of Modality (0008,0060), PS3.3 C.7.3.1.1.1, and the retired DR; others may be anything."""
LARGEST_SCAN_COUNT = 100
"""Scans of a progressive JPEG; encoders make about ten."""
SCAN_START = b"\xff\xda"
"""SOS of ISO/IEC 10918-1 B.2.3; compressed data never holds these two bytes."""
AT_ONCE_PX = 512 * 512
"""An image of so few pixels is worked on as a whole."""
ROWS_AT_A_TIME = 64
"""So many rows of an image are worked on at once, where each step would otherwise copy all of it."""


class FileFormat(StrEnum):
    """The file formats that are read."""

    DICOM = "DICOM"
    PNG = "PNG"
    JPEG = "JPEG"


class View(StrEnum):
    """From where a file says that it shows the patient."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    TRANSVERSE = "transverse"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    LOCALIZER = "localizer"
    """A CT's overview from which its slices are planned."""


@dataclass(frozen=True)
class DecodingLimits:
    """What one file may cost before it is decoded."""

    max_file_bytes: int = 64 * 1024 * 1024
    """Size of the file."""
    max_pixels: int = 64_000_000
    """Declared rows x columns."""
    max_picture_bytes: int = 256_000_000
    """What a PNG, a JPEG or a DICOM frame takes while it is decoded: its pixels as they are unpacked, and
    those of the result."""
    max_inflated_bytes: int = 256_000_000
    """Size of a DICOM data set of the deflated transfer syntax once inflated; pydicom itself has no bound.
    It counts as a part of what the frame takes."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is known of an image without its pixels."""

    file_format: FileFormat
    shape: tuple[int, int]
    """Height and width as it would be displayed."""
    body_part: str = ""
    """DICOM Body Part Examined (0018,0015), upper case, else the term of the coded anatomic region; empty
    when the file does not say."""
    modality: str = ""
    """DICOM Modality (0008,0060), upper case; empty when the file does not say."""
    photometric_interpretation: str = ""
    """DICOM Photometric Interpretation (0028,0004); empty for other formats."""
    colourfulness: float = 0.0
    """Mean difference between the strongest and the weakest colour channel, 0..1; 0 for grey images."""
    view: View | None = None
    """None: the file does not say, or not in words that are known."""
    ages_years: tuple[int, ...] = ()
    """The patient's age in completed years, as each attribute that tells it does; they may contradict each
    other."""
    spacing_mm: tuple[float, float] | None = None
    """Distance of two rows' and of two columns' centres in the patient, as displayed; None: the file does not
    say."""
    notices: tuple[Notice, ...] = ()
    """What of the file was assumed, chosen, repaired or not understood."""


@dataclass(frozen=True, kw_only=True)
class DecodedImage(ImageFacts):
    """One image as it would be displayed, and what its file says of it."""

    shape: tuple[int, int] = field(init=False)
    grey: Grey
    """uint8 `[height, width]`: upright by its own attributes, brighter is denser (MONOCHROME1 is already
    inverted)."""
    hounsfield: npt.NDArray[np.float32] | None = None
    """float32 `[height, width]` in Hounsfield units; only for a CT that states its rescale. Padding is
    air."""
    rgb: npt.NDArray[np.uint8] | None = None
    """uint8 `[height, width, 3]`, as `grey` lies; only for files in colour."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.grey.shape)

    @cached_property
    def facts(self) -> ImageFacts:
        """What stays once the pixels are let go, of which large images have megabytes."""
        return ImageFacts(**{name: getattr(self, name) for name in _FACTS})

    @property
    def colour(self) -> npt.NDArray[np.uint8]:
        """uint8 `[height, width, 3]`: a grey image repeats its channel."""
        return self.rgb if self.rgb is not None else np.repeat(self.grey[:, :, np.newaxis], 3, axis=2)


_FACTS = tuple(one.name for one in fields(ImageFacts))

GREY_SCALE_MEASURED = Notice(
    "GREY_SCALE_MEASURED",
    "The file does not say how its values are shown; black and white were measured from the pixels.",
)
IMAGE_REDUCED = Notice(
    "IMAGE_REDUCED",
    "The image has so many pixels in colour that it was read at half its width and height.",
)


def is_dicom(data: bytes) -> bool:
    """Whether the file has the preamble of DICOM (PS3.10 7.1)."""
    return data[128:132] == b"DICM"


def malformed(description: str) -> InvalidInput:
    """The file is damaged."""
    return InvalidInput(Reason.INPUT_MALFORMED, FIELD, description)


def unsupported(description: str) -> InvalidInput:
    """The file is sound but of a kind that is not read here."""
    return InvalidInput(Reason.INPUT_UNSUPPORTED, FIELD, description)


def too_large(description: str) -> InvalidInput:
    """The file, or what it would unpack to, exceeds a limit."""
    return InvalidInput(Reason.INPUT_TOO_LARGE, FIELD, description)


def too_much_memory(limits: DecodingLimits, remedy: str) -> InvalidInput:
    """To decode the image would take more than `max_picture_bytes`."""
    return too_large(
        f"would take more than {limits.max_picture_bytes // 10**6} MB while it is decoded: {remedy}"
    )


def inconsistent(description: str) -> InvalidInput:
    """What was sent does not belong together."""
    return InvalidInput(Reason.INPUT_INCONSISTENT, FIELD, description)


def strips(row_count: int) -> Iterator[slice]:
    """The rows of an image, `ROWS_AT_A_TIME` at a time."""
    for top in range(0, row_count, ROWS_AT_A_TIME):
        yield slice(top, min(top + ROWS_AT_A_TIME, row_count))


def check_size(height: int, width: int, limits: DecodingLimits) -> None:
    """Raises InvalidInput when the declared size is out of bounds."""
    if height * width > limits.max_pixels:
        raise too_large(f"declares more than {limits.max_pixels} pixels")
    if min(height, width) < SMALLEST_SIDE_PX:
        raise InvalidInput(
            Reason.INPUT_OUT_OF_RANGE, FIELD, f"declares a side of less than {SMALLEST_SIDE_PX} pixels"
        )


def check_scans(jpeg: bytes) -> None:
    """Raises InvalidInput when a JPEG goes over its pixels more often than encoders do, of which each time
    costs as much as an image: 3,000 scans of 160 kB are half a minute.
    """
    if jpeg.count(SCAN_START) > LARGEST_SCAN_COUNT:
        raise too_large(f"has more than {LARGEST_SCAN_COUNT} scans")
