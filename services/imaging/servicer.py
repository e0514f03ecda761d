"""`medmesh.imaging.v1.ImagingService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from medmesh.imaging.v1 import deidentification_pb2 as deid_pb
from medmesh.imaging.v1 import imaging_pb2 as pb
from medmesh.imaging.v1 import imaging_pb2_grpc
from services.chassis.apart.calls import handed_over
from services.chassis.apart.parent import Apart
from services.chassis.errors import InvalidInput, Reason, UploadUnknown
from services.chassis.rpc import request as requests
from services.chassis.uploads.servicer import caller
from services.chassis.uploads.store import Uploads
from services.imaging.analysis import ImageAnalyzer
from services.imaging.convert import fill_analysis, options_from
from services.imaging.deidentification.convert import deidentification_message, deidentification_options
from services.imaging.deidentification.deidentifier import ImageDeidentifier
from services.imaging.images import FIELD
from services.imaging.results import ImageOptions
from services.imaging.sources import AddressReader

_ANALYZE_IMAGE = "/medmesh.imaging.v1.ImagingService/AnalyzeImage"
CHUNK_BYTES = 1024 * 1024
"""Of a file that is sent back; the contract allows 3 MiB."""


class ImagingServicer(imaging_pb2_grpc.ImagingServiceServicer):
    """Answers the rpcs from one analyzer and one de-identifier."""

    def __init__(
        self,
        analyzer: ImageAnalyzer,
        deidentifier: ImageDeidentifier,
        addresses: AddressReader,
        uploads: Uploads,
        apart: Apart | None = None,
        *,
        max_image_bytes: int,
    ) -> None:
        self._analyzer = analyzer
        self._deidentifier = deidentifier
        self._uploads = uploads
        self._addresses = addresses
        self._apart = apart
        self._max_image_bytes = max_image_bytes

    async def AnalyzeImage(self, request: pb.AnalyzeImageRequest, context: Any) -> pb.AnalyzeImageResponse:
        options = options_from(request.options)
        response, bare = pb.AnalyzeImageResponse(), None
        if any(source.WhichOneof("source") != "content" for source in request.sources):
            bare = pb.AnalyzeImageRequest(options=request.options)
        async with AsyncExitStack() as held:
            files = handed_over.get() or await self._files(request.sources, held)
            del request  # with its own copy of the files
            await self._fill(response.analysis, bare, options, files)
        return response

    async def AnalyzeImageStream(
        self, request_iterator: AsyncIterator[pb.AnalyzeImageStreamRequest], context: Any
    ) -> pb.AnalyzeImageStreamResponse:
        options, data = await self._collect(request_iterator)
        response = pb.AnalyzeImageStreamResponse()
        bare = pb.AnalyzeImageRequest(options=options)
        await self._fill(response.analysis, bare, options_from(options), [data])
        return response

    async def DeidentifyImage(
        self, request_iterator: AsyncIterator[deid_pb.DeidentifyImageRequest], context: Any
    ) -> AsyncIterator[deid_pb.DeidentifyImageResponse]:
        options, data = await self._collect(request_iterator, "chunk")
        done = await self._deidentifier.deidentify(data, deidentification_options(options))
        yield deid_pb.DeidentifyImageResponse(deidentification=deidentification_message(done))
        for start in range(0, len(done.data), CHUNK_BYTES):
            yield deid_pb.DeidentifyImageResponse(chunk=done.data[start : start + CHUNK_BYTES])

    async def _fill(
        self,
        analysis: pb.ImageAnalysis,
        bare: pb.AnalyzeImageRequest | None,
        options: ImageOptions,
        files: Sequence[bytes],
    ) -> None:
        """Writes what was found. Large files that no message held are analysed apart; `bare` is then the
        request without them. None: one held them, and the chassis has decided.
        """
        current = requests.current.get()
        if (
            bare is not None
            and self._apart is not None
            and current is not None
            and self._apart.takes(current, sum(map(len, files)))
        ):
            message = bare.SerializeToString()
            answer = await self._apart.answer(current, message, files, method=_ANALYZE_IMAGE)
            if answer is not None:
                analysis.CopyFrom(pb.AnalyzeImageResponse.FromString(answer).analysis)
                return
        fill_analysis(analysis, await self._analyzer.analyze(files, options))

    async def _files(self, sources: Sequence[pb.ImageSource], held: AsyncExitStack) -> Sequence[bytes]:
        """The bytes of each source; those of uploads count as in memory until `held` is closed."""
        files = []
        for index, source in enumerate(sources):
            kind = source.WhichOneof("source")
            if kind == "content":
                data = source.content
            elif kind == "uri":
                data = await self._analyzer.blocking(partial(self._addresses.read, source.uri))
            elif kind == "upload_id":
                files.append(await self._uploaded(source.upload_id, f"sources[{index}]", held))
                continue
            else:
                raise InvalidInput(Reason.INPUT_MISSING, f"sources[{index}]", "names no source")
            self._bound(len(data))
            files.append(data)
        if not files:
            raise InvalidInput(Reason.INPUT_MISSING, FIELD, "is empty: an image is needed")
        return files

    async def _uploaded(self, upload_id: str, field: str, held: AsyncExitStack) -> bytes:
        content = self._uploads.content(caller(), upload_id)
        try:
            return await self._analyzer.blocking(partial(held.enter_context, content))
        except UploadUnknown as error:
            raise InvalidInput(
                Reason.INPUT_MISSING,
                f"{field}.upload_id",
                "names no upload that this caller has here; it may have expired",
            ) from error
        except InvalidInput as error:
            raise error.within(field) from error

    async def _collect(self, messages: AsyncIterator[Any], field: str = FIELD) -> tuple[Any, bytes]:
        """The options of the first message, and the file in the others, which `field` names in errors."""
        options: Any = None
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
                options = message.options
                continue
            self._bound(len(data) + len(message.chunk), field)
            data += message.chunk
        if options is None:
            raise InvalidInput(Reason.INPUT_MISSING, "options", "are missing: the stream is empty")
        return options, bytes(data)

    def _bound(self, size: int, field: str = FIELD) -> None:
        """What the operator allows, which may be less than the contract's limit."""
        if size > self._max_image_bytes:
            raise InvalidInput(
                Reason.INPUT_TOO_LARGE, field, f"is larger than {self._max_image_bytes / 2**20:g} MiB"
            )
