"""One file in, the same without what identifies out: read, look for text, cover, clean, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import InvalidInput, ModelUnavailable, Reason
from services.chassis.notices import Notice
from services.chassis.off_loop import off_loop
from services.clinical.date_shift import MIN_KEY_BYTES
from services.imaging.deidentification import dicom, pictures
from services.imaging.deidentification.boxes import Box
from services.imaging.deidentification.burned_in import TextMap, Tile, tiles, without_markers
from services.imaging.deidentification.changes import Change
from services.imaging.deidentification.profile import Option
from services.imaging.grey import Grey
from services.imaging.images import DecodingLimits, FileFormat, is_dicom, too_large, unsupported
from services.imaging.served import ServedImageModels
from services.imaging.tasks.text_detection import TextDetector

T = TypeVar("T")
FIELD = "chunk"
"""Where the file stands in a request."""


@dataclass(frozen=True)
class Options:
    """How to go about it."""

    key: bytes
    patient: str = ""
    profile: frozenset[Option] = frozenset()
    look_for_text: bool = True
    keep_markers: bool = False


@dataclass(frozen=True)
class Deidentified:
    """What came of a file."""

    data: bytes
    file_format: FileFormat
    transfer_syntax_uid: str = ""
    sop_instance_uid: str = ""
    changes: Sequence[Change] = ()
    boxes: Sequence[Box] = ()
    examined_frame_count: int = 0
    frame_count: int = 1
    provenance: Provenance | None = None
    notices: Sequence[Notice] = ()


class ImageDeidentifier:
    """De-identifies files; keeps nothing."""

    def __init__(
        self, served: ServedImageModels, pool: Executor, limits: DecodingLimits | None = None
    ) -> None:
        """`pool` runs what blocks (decoding, cleaning, writing)."""
        self._served = served
        self._pool = pool
        self._limits = limits or DecodingLimits()

    async def deidentify(self, data: bytes, options: Options) -> Deidentified:
        """The file without what identifies.

        Raises InvalidInput (fields `options.key`, `chunk`), ModelUnavailable where no model finds text
        and pixels were to be looked at, and what the inference seam raises.
        """
        if len(options.key) < MIN_KEY_BYTES:
            raise InvalidInput(
                Reason.INPUT_OUT_OF_RANGE, "options.key", f"is shorter than {MIN_KEY_BYTES} bytes"
            )
        if not data:
            raise InvalidInput(Reason.INPUT_MISSING, FIELD, "is missing: the file is empty")
        try:
            if len(data) > self._limits.max_file_bytes:
                raise too_large(f"is larger than {self._limits.max_file_bytes / 2**20:g} MiB")
            if is_dicom(data):
                return await self._dicom(data, options)
            if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
                return await self._picture(data, options)
            raise unsupported("is neither DICOM (with its preamble) nor PNG nor JPEG")
        except InvalidInput as error:
            raise InvalidInput(error.reason, FIELD, error.description) from error

    async def _dicom(self, data: bytes, options: Options) -> Deidentified:
        file = await self._blocking(partial(dicom.opened, data, self._limits))
        found: list[Box] | None = None
        provenance, examined = None, 0
        if file.pixels is not None and options.look_for_text:
            detector = self._detector()
            found = list(file.outside_regions)
            for index in file.pixels.examined:
                views = await self._blocking(partial(file.pixels.views, index))
                boxes, provenance = await self._text(detector, views, options)
                found += [box for box in boxes if box not in found]
                examined += 1
        written = await self._blocking(
            partial(dicom.written, file, found, options.profile, options.key, options.patient)
        )
        return Deidentified(
            written.data,
            FileFormat.DICOM,
            written.transfer_syntax_uid,
            written.sop_instance_uid,
            list(written.changes),
            found or (),
            examined,
            1 if file.pixels is None else file.pixels.frame_count,
            provenance,
            written.notices,
        )

    async def _picture(self, data: bytes, options: Options) -> Deidentified:
        file = await self._blocking(partial(pictures.opened, data, self._limits))
        boxes: Sequence[Box] = ()
        provenance = None
        if options.look_for_text:
            boxes, provenance = await self._text(self._detector(), file.views, options)
        written = await self._blocking(partial(pictures.written, file, boxes, self._limits))
        return Deidentified(
            written.data,
            written.file_format,
            changes=list(written.changes),
            boxes=boxes,
            examined_frame_count=int(options.look_for_text),
            provenance=provenance,
            notices=() if options.look_for_text else (dicom.NOT_EXAMINED,),
        )

    def _detector(self) -> TextDetector:
        detectors = self._served.text_detectors()
        if not detectors:
            raise ModelUnavailable(
                "no model that finds text in images is served, and pixels must not leave unseen"
            )
        return next((one for one in detectors if one.is_default), detectors[0])

    async def _text(
        self, detector: TextDetector, views: Sequence[Grey], options: Options
    ) -> tuple[list[Box], Provenance | None]:
        """Where text is in any of the views, which are of one size."""
        height, width = views[0].shape
        found = TextMap(height, width, detector.min_probability)
        provenance = None
        for view in views:
            cut = await self._blocking(partial(_cut, view, detector.side_px))
            for start in range(0, len(cut), detector.batch_count):
                some = cut[start : start + detector.batch_count]
                scores, provenance = await detector.detect([tile.pixels for tile in some])
                for tile, probabilities in zip(some, scores, strict=True):
                    found.add(tile, probabilities)
        boxes = await self._blocking(found.boxes)
        return without_markers(boxes) if options.keep_markers else boxes, provenance

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await off_loop(False, self._pool, work)


def _cut(view: Grey, side_px: int) -> list[Tile]:
    return list(tiles(view, side_px))
