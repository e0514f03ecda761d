"""Digests of an image under the caller's key: whoever has the key and the image can compare, nobody else
learns anything, not even whether two answers are of one image.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.imaging.images import DecodedImage


@dataclass(frozen=True)
class ImageDigests:
    """Lower-case hexadecimal HMAC-SHA-256."""

    files: str
    """Of the files' bytes, in the order in which they came."""
    content: str
    """Of what was read: a copy with another file header, or another lossless coding, has the same."""


def content_digest(key: bytes) -> hmac.HMAC:
    """To which `add_content` adds image after image."""
    return hmac.new(key, digestmod=hashlib.sha256)


def digests(key: bytes, files: Iterable[bytes], images: Iterable[DecodedImage]) -> ImageDigests:
    """Of the files of one image or series and what was read of them; blocking."""
    of_files, of_content = hmac.new(key, digestmod=hashlib.sha256), content_digest(key)
    for data in files:
        of_files.update(data)
    for image in images:
        add_content(of_content, image)
    return ImageDigests(of_files.hexdigest(), of_content.hexdigest())


def add_content(digest: hmac.HMAC, image: DecodedImage) -> None:
    """Adds the pixels as they are displayed and read, and the attributes that bear on the answer."""
    attributes = [
        image.body_part,
        image.modality,
        None if image.view is None else str(image.view),
        image.ages_years,
        image.spacing_mm,
    ]
    digest.update(json.dumps(attributes, ensure_ascii=True).encode())
    for pixels in (image.grey, image.hounsfield, image.rgb):
        if pixels is None:
            digest.update(b"-")
            continue
        digest.update(f"{pixels.dtype.str}{pixels.shape}".encode())
        digest.update(np.ascontiguousarray(pixels).data)
