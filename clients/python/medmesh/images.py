"""Images as callers have them -> the sources of the contract.

An image is

- one file: a path (str or Path), its bytes, or an address (`https://…`, `file://…`) where the mesh allows it;
- a series: a list of its files, the folder that they lie in, or a zip of them;
- what is there already: an `ImageSource`, such as `Client.upload` returns.

What is judged is judged by the service: here nothing is opened but to be sent.
"""

from __future__ import annotations

import io
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self, TypeAlias

from medmesh.common.v1.upload_pb2 import WriteUploadRequest
from medmesh.imaging.v1.deidentification_pb2 import DeidentifyImageRequest, ImageDeidentificationOptions
from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageStreamRequest, ImageOptions, ImageSource

ImageFile: TypeAlias = "str | Path | bytes | ImageSource"
Image: TypeAlias = "ImageFile | Sequence[ImageFile]"
Files: TypeAlias = "list[Path | bytes | ImageSource]"

UNARY_LIMIT_BYTES = 16 * 1024 * 1024
"""The largest image that goes in one piece; above it a file is streamed or uploaded."""
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""The most that the images of one request carry in it, and that one stream carries; above it they are
uploaded."""
CHUNK_BYTES = 1024 * 1024
"""Size of a chunk of a stream; the contracts allow 3 MiB."""
UPLOAD_CALL_BYTES = 32 * 1024 * 1024
"""How much of an upload goes in one call; the contract allows 64 MiB."""

_ADDRESSES = ("https://", "file://")
_NO_IMAGES = frozenset({"dicomdir", "thumbs.db", "desktop.ini"})
"""What lies beside images on media (PS3.10 section 8.6) and in folders, in lower case."""


def files(image: Image) -> Files:
    """The files of an image, each as it will be sent: one of a single image, all of a series.

    TypeError: it is of another kind. ValueError: a list or folder without files.
    """
    if isinstance(image, str | Path | bytes | ImageSource):
        found = _one(image)
    elif isinstance(image, list | tuple):
        found = [file for one in image for file in _one(one)]
    else:
        raise TypeError(f"an image is a path, bytes or a list of them, not {type(image).__name__}")
    if not found:
        raise ValueError("an image is at least one file")
    return found


def _one(image: ImageFile) -> Files:
    if isinstance(image, bytes | ImageSource):
        return [image]
    if isinstance(image, str) and image.startswith(_ADDRESSES):
        return [ImageSource(uri=image)]
    if not isinstance(image, str | Path):
        raise TypeError(f"an image is a path, bytes or a list of them, not {type(image).__name__}")
    path = Path(image)
    if not path.is_dir():
        return [path]
    found: Files = [file for file in sorted(path.rglob("*")) if file.is_file() and _may_be_image(file, path)]
    if not found:
        raise ValueError(f"{path} holds no file")
    return found


def _may_be_image(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.name.lower() not in _NO_IMAGES


def size_bytes(of: Files) -> int:
    """How much the files carry. OSError: one is not there."""
    return sum(_size(file) for file in of)


def _size(file: Path | bytes | ImageSource) -> int:
    if isinstance(file, ImageSource):
        return len(file.content)
    return file.stat().st_size if isinstance(file, Path) else len(file)


def fill(sources: Any, of: Files) -> None:
    """Adds the files to `sources`, the repeated field of a message, so that each is in memory once more and
    not twice. OSError: one cannot be read.
    """
    for file in of:
        if isinstance(file, ImageSource):
            sources.add().CopyFrom(file)
        else:
            sources.add(content=_bytes(file))


def _bytes(file: Path | bytes | ImageSource) -> bytes:
    if isinstance(file, ImageSource):
        return file.content
    return file.read_bytes() if isinstance(file, Path) else file


class Content:
    """The bytes of an image as one file, to be read from any place by several threads: the sender of a call
    that broke may still read while the next one begins.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.size_bytes = file.seek(0, io.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._file.close()

    def part(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on; ValueError after the end of the block."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)


def opened(of: Files) -> Content:
    """The files as one: a single one as it is, several as a zip without compression in a temporary file that
    has no name.

    ValueError: one is an address or an upload, whose bytes are not here. OSError: one cannot be read.
    """
    if any(isinstance(file, ImageSource) and not file.content for file in of):
        raise ValueError("what must be uploaded has all of its files here, and no addresses among them")
    if len(of) == 1:
        only = of[0]
        return Content(only.open("rb") if isinstance(only, Path) else io.BytesIO(_bytes(only)))
    archive = tempfile.TemporaryFile()  # noqa: SIM115  # the Content closes it
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as writing:
        for number, file in enumerate(of):
            name = f"{number:05d}"  # not their own: people name files after patients
            if isinstance(file, Path):
                writing.write(file, name)
            else:
                writing.writestr(name, _bytes(file))
    return Content(archive)


def stream_parts(content: Content, options: ImageOptions) -> Iterator[AnalyzeImageStreamRequest]:
    """One file as AnalyzeImageStream takes it: the options, then the chunks."""
    yield AnalyzeImageStreamRequest(options=options)
    for offset in range(0, content.size_bytes, CHUNK_BYTES):
        yield AnalyzeImageStreamRequest(chunk=content.part(offset, CHUNK_BYTES))


def deidentification_parts(
    content: Content, options: ImageDeidentificationOptions
) -> Iterator[DeidentifyImageRequest]:
    """One file as DeidentifyImage takes it: the options, then the chunks."""
    yield DeidentifyImageRequest(options=options)
    for offset in range(0, content.size_bytes, CHUNK_BYTES):
        yield DeidentifyImageRequest(chunk=content.part(offset, CHUNK_BYTES))


def upload_parts(content: Content, upload_id: str, start: int, end: int) -> Iterator[WriteUploadRequest]:
    """The bytes from `start` to `end` as WriteUpload takes them."""
    for offset in range(start, end, CHUNK_BYTES):
        chunk = content.part(offset, min(CHUNK_BYTES, end - offset))
        yield WriteUploadRequest(upload_id=upload_id, offset_bytes=offset, chunk=chunk)
