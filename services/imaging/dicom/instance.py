"""A DICOM object of one or many frames: each frame as an object of its own, taken out when it is asked for.

Multi-frame objects are of two kinds. The classic ones hold frames that share all attributes; the enhanced
ones (Enhanced CT, PS3.3 A.38) say what differs in functional groups, shared or per frame (C.7.6.16), among
it the position, the rescale and the content of each frame.
"""

from __future__ import annotations

import io
from functools import cached_property

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, parse_basic_offsets, parse_fragments
from pydicom.sequence import Sequence

from services.imaging.dicom.attributes import integer, items, needed, text
from services.imaging.dicom.reading import Header, read_header
from services.imaging.dicom.syntaxes import DECODERS, Decoder
from services.imaging.images import DecodingLimits, malformed

PER_FRAME = "PerFrameFunctionalGroupsSequence"
_ITEM_HEADER_BYTES = 8


class Instance:
    """One file. Its pixel data is held once, as it came; a frame is copied when it is asked for."""

    def __init__(self, data: bytes, limits: DecodingLimits) -> None:
        """Raises InvalidInput on a damaged file and on groups that do not fit the frames."""
        self._header: Header = read_header(data, limits)
        self.frame_count = integer(self._header.dataset, "NumberOfFrames") or 1
        self._groups = items(self._header.dataset, PER_FRAME)
        if self._groups and len(self._groups) != self.frame_count:
            raise malformed("contradicts itself in Number of Frames and its per-frame functional groups")

    @property
    def has_pixels(self) -> bool:
        """Whether it is an image; a report, a presentation state or a structure set is not."""
        return self._header.pixels_length > 0

    @property
    def has_frame_groups(self) -> bool:
        """Whether each frame has attributes of its own."""
        return bool(self._groups)

    def frame_header(self, index: int) -> Dataset:
        """The attributes of frame `index`, counted from 0, without its pixels."""
        shared = self._header.dataset
        frame = Dataset(dict(shared.items()))
        frame.file_meta = shared.file_meta
        if self._groups:
            frame.add_new(PER_FRAME, "SQ", Sequence([self._groups[index]]))
        frame.add_new("NumberOfFrames", "IS", 1)
        return frame

    def frame(self, index: int) -> Dataset:
        """The same with its pixels, as a file of this frame alone would hold it.

        Raises InvalidInput when the pixel data ends before the frame.
        """
        frame = self.frame_header(index)
        if not self.has_pixels:
            return frame
        if DECODERS[frame.file_meta.TransferSyntaxUID] is Decoder.NONE:
            pixels: bytes | memoryview = self._native(frame, index)
        else:
            pixels = encapsulate([self._encoded(index)])
        frame.add_new("PixelData", self._header.pixels_vr, pixels)
        return frame

    def _native(self, frame: Dataset, index: int) -> bytes | memoryview:
        start, length = 0, self._header.pixels_length
        if self.frame_count > 1:  # what one frame holds is checked where it is decoded
            bits = needed(frame, "Rows") * needed(frame, "Columns") * needed(frame, "BitsAllocated")
            samples = 2 if text(frame, "PhotometricInterpretation") == "YBR_FULL_422" else None
            frame_bytes = bits * (samples or needed(frame, "SamplesPerPixel")) // 8
            if not 0 < frame_bytes * (index + 1) <= length:
                raise malformed("holds fewer frames than it declares")
            start, length = frame_bytes * index, frame_bytes
        return self._header.pixels(start, length)

    def _encoded(self, index: int) -> bytes:
        try:
            spans = self._fragments
            if spans is not None:
                start = spans[index] + _ITEM_HEADER_BYTES
                length = int.from_bytes(self._header.data[start - 4 : start], "little")
                return self._header.data[start : start + length]
            return self._frames[index]
        except Exception as error:  # pydicom raises almost anything on damaged pixel data
            raise malformed("holds compressed pixel data that is truncated or damaged") from error

    @cached_property
    def _fragments(self) -> list[int] | None:
        """Where the item of each frame starts; None where a frame may take several items."""
        source = io.BytesIO(self._header.data)
        source.seek(self._header.pixels_at)
        parse_basic_offsets(source)
        count, starts = parse_fragments(source)
        return starts if count == self.frame_count else None

    @cached_property
    def _frames(self) -> list[bytes]:
        source = io.BytesIO(self._header.data)
        source.seek(self._header.pixels_at)
        dataset = self._header.dataset
        tables = [
            bytes(dataset.get(key) or b"") for key in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
        ]
        return list(
            generate_frames(
                source,
                number_of_frames=self.frame_count,
                extended_offsets=(tables[0], tables[1]) if all(tables) else None,
            )
        )
