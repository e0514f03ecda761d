"""`medmesh.imaging.v1.ImagingService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.errors import InvalidInput, Reason
from services.imaging.analysis import ImageAnalyzer, ImageOptions
from services.imaging.convert import analysis_message, options_from
from services.imaging.images import FIELD, too_large, unsupported
from services.imaging.sources import AddressReader


class ImagingServicer(imaging_pb2_grpc.ImagingServiceServicer):
    """Answers both rpcs from one analyzer."""

    def __init__(self, analyzer: ImageAnalyzer, addresses: AddressReader, *, max_image_bytes: int) -> None:
        self._analyzer = analyzer
        self._addresses = addresses
        self._max_image_bytes = max_image_bytes

    async def AnalyzeImage(self, request: pb.AnalyzeImageRequest, context: Any) -> pb.AnalyzeImageResponse:
        options = options_from(request.options)
        files = await self._files(request.sources)
        response = pb.AnalyzeImageResponse()
        response.analysis.CopyFrom(analysis_message(await self._analyzer.analyze(files, options)))
        return response

    async def AnalyzeImageStream(
        self, request_iterator: AsyncIterator[pb.AnalyzeImageStreamRequest], context: Any
    ) -> pb.AnalyzeImageStreamResponse:
        options, data = await self._collect(request_iterator)
        response = pb.AnalyzeImageStreamResponse()
        response.analysis.CopyFrom(analysis_message(await self._analyzer.analyze([data], options)))
        return response

    async def _files(self, sources: Sequence[pb.ImageSource]) -> Sequence[bytes]:
        """The bytes of each source, within the limits of one file."""
        files = []
        for index, source in enumerate(sources):
            kind = source.WhichOneof("source")
            if kind == "content":
                data = source.content
            elif kind == "uri":
                data = await self._analyzer.blocking(partial(self._addresses.read, source.uri))
            elif kind == "upload_id":
                raise InvalidInput(
                    Reason.INPUT_UNSUPPORTED, f"sources[{index}].upload_id", "uploads are not taken here"
                )
            else:
                raise InvalidInput(Reason.INPUT_MISSING, f"sources[{index}]", "names no source")
            self._bound(len(data))
            files.append(data)
        if not files:
            raise InvalidInput(Reason.INPUT_MISSING, FIELD, "is empty: an image is needed")
        if len(files) > 1:
            raise unsupported("has more than one file: series are not read")
        return files

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
            self._bound(len(data) + len(message.chunk))
            data += message.chunk
        if options is None:
            raise InvalidInput(Reason.INPUT_MISSING, "options", "are missing: the stream is empty")
        return options, bytes(data)

    def _bound(self, size: int) -> None:
        """What the operator allows, which may be less than the contract's limit."""
        if size > self._max_image_bytes:
            raise too_large(f"is larger than {self._max_image_bytes / 2**20:g} MiB")
