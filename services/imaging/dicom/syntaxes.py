"""The transfer syntaxes that are read, which decoder unpacks each, and how to convert the others.

Pillow reads plain JPEG; what it does not have comes from the libraries that `imagecodecs` brings. GDCM was
tried and refused: a damaged lossless JPEG ends its process. pylibjpeg-libjpeg is under the GPL.
"""

from __future__ import annotations

from enum import StrEnum

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from services.chassis.errors import InvalidInput
from services.imaging.images import unsupported


class Decoder(StrEnum):
    """Who unpacks the frames of a transfer syntax."""

    NONE = ""
    """Nobody: the values stand in the file as they are."""
    PILLOW = "pillow"
    """By pydicom's plugin of this name; in colour by `jpeg`."""
    RUN_LENGTHS = "run lengths"
    JPEG_TURBO = "libjpeg-turbo"
    CHARLS = "CharLS"
    OPENJPEG = "OpenJPEG"


DECODERS: dict[UID, Decoder] = {
    ImplicitVRLittleEndian: Decoder.NONE,
    ExplicitVRLittleEndian: Decoder.NONE,
    ExplicitVRBigEndian: Decoder.NONE,
    DeflatedExplicitVRLittleEndian: Decoder.NONE,
    RLELossless: Decoder.RUN_LENGTHS,
    JPEGBaseline8Bit: Decoder.PILLOW,
    JPEGExtended12Bit: Decoder.PILLOW,  # of 8 bits; those of 12 go to libjpeg-turbo, see `frame`
    JPEGLossless: Decoder.JPEG_TURBO,
    JPEGLosslessSV1: Decoder.JPEG_TURBO,
    JPEGLSLossless: Decoder.CHARLS,
    JPEGLSNearLossless: Decoder.CHARLS,
    JPEG2000Lossless: Decoder.OPENJPEG,
    JPEG2000: Decoder.OPENJPEG,
    HTJ2KLossless: Decoder.OPENJPEG,
    HTJ2KLosslessRPCL: Decoder.OPENJPEG,
    HTJ2K: Decoder.OPENJPEG,
}
"""Every transfer syntax that is read (PS3.5 Annex A)."""

_VIDEO = ("MPEG", "HEVC", "H.264", "SMPTE")
_READ = (
    "Supported are uncompressed, deflated, RLE, JPEG, JPEG lossless, JPEG-LS, JPEG 2000 and HTJ2K; convert "
    "it by `gdcmconv --raw IN OUT` or `dcmdjpeg IN OUT`, or send the image as PNG"
)


def refusal(syntax: UID) -> InvalidInput:
    """The error for a transfer syntax that is not read: it names the syntax, those read, and the remedy.

    The name comes from the standard's registry; an identifier outside it could hold anything and is not
    quoted.
    """
    known = syntax.is_transfer_syntax and not syntax.is_private
    found = f"'{syntax.name}'" if known else "one that the standard does not list"
    if known and syntax.name.startswith(_VIDEO):
        return unsupported(f"is a video ({found}); send a single frame as DICOM, PNG or JPEG")
    return unsupported(f"is in a DICOM transfer syntax that is not read: {found}. {_READ}")
