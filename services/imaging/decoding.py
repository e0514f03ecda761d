"""Image file bytes -> grey pixels and what the file says of itself: PNG, JPEG and DICOM, bounded before
decoding.

Every limit is checked on what the header declares, before a pixel is unpacked, so that a small file cannot
become a large array. Errors are `InvalidInput` on the field `sources`; none quotes the file.
"""

from __future__ import annotations

from services.chassis.errors import InvalidInput, Reason
from services.imaging.dicom import decode_dicom
from services.imaging.images import FIELD, DecodedImage, DecodingLimits, is_dicom, too_large, unsupported
from services.imaging.pictures import decode_picture


def decode_image(data: bytes, limits: DecodingLimits | None = None) -> DecodedImage:
    """Decodes one file; blocking, so call it from a pool.

    Raises InvalidInput: INPUT_MISSING (empty), INPUT_TOO_LARGE, INPUT_UNSUPPORTED (no image, transfer
    syntax, frames, no pixel data), INPUT_MALFORMED (damaged), INPUT_OUT_OF_RANGE (a side below 32 pixels).
    """
    limits = limits or DecodingLimits()
    if not data:
        raise InvalidInput(Reason.INPUT_MISSING, FIELD, "is empty")
    if len(data) > limits.max_file_bytes:
        raise too_large(f"is larger than {limits.max_file_bytes / 2**20:g} MiB")
    if is_dicom(data):
        return decode_dicom(data, limits)
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return decode_picture(data, limits)
    raise unsupported("is neither DICOM (with its preamble) nor PNG nor JPEG")
