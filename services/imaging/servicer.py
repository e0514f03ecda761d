"""`medmesh.imaging.v1.ImagingService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.errors import InvalidInput, Reason
from services.imaging.analysis import ImageAnalyzer, ImageOptions
from services.imaging.convert import analysis_message, options_from

MAX_CHUNK_BYTES = 3 * 1024 * 1024


class ImagingServicer(imaging_pb2_grpc.ImagingServiceServicer):
    """Answers both rpcs from one analyzer."""

    def __init__(
        self,
        analyzer: ImageAnalyzer,
        provenance: Callable[[str], Awaitable[Provenance]],
        *,
        max_image_bytes: int,
    ) -> None:
        self._analyzer = analyzer
        self._provenance = provenance
        self._max_image_bytes = max_image_bytes

    async def AnalyzeImage(self, request: pb.AnalyzeImageRequest, context: Any) -> pb.AnalyzeImageResponse:
        options = options_from(request.options)
        _bound(len(request.image), self._max_image_bytes)
        return pb.AnalyzeImageResponse(analysis=await self._analyze(request.image, options))

    async def AnalyzeImageStream(
        self, request_iterator: AsyncIterator[pb.AnalyzeImageStreamRequest], context: Any
    ) -> pb.AnalyzeImageStreamResponse:
        options, data = await self._collect(request_iterator)
        return pb.AnalyzeImageStreamResponse(analysis=await self._analyze(data, options))

    async def _analyze(self, data: bytes, options: ImageOptions) -> pb.ImageAnalysis:
        analysis = await self._analyzer.analyze(data, options)
        return analysis_message(analysis, await self._provenance(analysis.model))

    async def _collect(
        self, messages: AsyncIterator[pb.AnalyzeImageStreamRequest]
    ) -> tuple[ImageOptions, bytes]:
        options: ImageOptions | None = None
        data = bytearray()
        async for message in messages:
            part = message.WhichOneof("part")
            if (options is None) != (part == "options"):
                raise InvalidInput(
                    Reason.INPUT_INCONSISTENT,
                    "options",
                    "stand in the first message of the stream and in no other",
                )
            if options is None:
                options = options_from(message.options)
                continue
            if len(message.chunk) > MAX_CHUNK_BYTES:
                raise InvalidInput(
                    Reason.INPUT_TOO_LARGE, "chunk", f"is larger than {MAX_CHUNK_BYTES / 2**20:g} MiB"
                )
            _bound(len(data) + len(message.chunk), self._max_image_bytes)
            data += message.chunk
        if options is None:
            raise InvalidInput(Reason.INPUT_MISSING, "options", "are missing: the stream is empty")
        return options, bytes(data)


def _bound(size: int, limit: int) -> None:
    if size > limit:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "image", f"is larger than {limit / 2**20:g} MiB")
