"""Encodes an image of a case as the request to the imaging service, with one copy of its bytes.

protobuf's own encoder (upb) grows its buffer by doubling and then copies it out, so that to encode 16 MiB
takes 64 MiB more for a moment, for each image under way. Here the bytes are joined between their tags.
"""

from __future__ import annotations

from collections.abc import Iterator

from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageRequest, ImageSource
from medmesh.orchestrator.v1.orchestrator_pb2 import CaseImage

_LENGTH_DELIMITED = 2
_SOURCES = AnalyzeImageRequest.DESCRIPTOR.fields_by_name["sources"].number
_OPTIONS = AnalyzeImageRequest.DESCRIPTOR.fields_by_name["options"].number
_CONTENT = ImageSource.DESCRIPTOR.fields_by_name["content"].number


def analyze_image_request(image: CaseImage) -> bytes:
    """An AnalyzeImageRequest with the image's sources and options."""
    return b"".join(_parts(image))


def _parts(image: CaseImage) -> Iterator[bytes]:
    for source in image.sources:
        if source.WhichOneof("source") == "content":
            content = source.content  # a copy: read once
            head = _head(_CONTENT, len(content))
            yield _head(_SOURCES, len(head) + len(content))
            yield head
            yield content
        else:
            yield from _field(_SOURCES, source.SerializeToString())
    if image.HasField("options"):
        yield from _field(_OPTIONS, image.options.SerializeToString())


def _field(number: int, content: bytes) -> tuple[bytes, bytes]:
    return _head(number, len(content)), content


def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
