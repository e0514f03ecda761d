"""Uploads that a case names lie here; the imaging service gets them for as long as it reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis
from medmesh.orchestrator.v1.orchestrator_pb2 import CaseImage
from services.chassis.errors import InvalidInput, Reason, UploadUnknown
from services.chassis.uploads.forwarding import Forwarder

AnalyzeImage = Callable[[CaseImage, float], Awaitable[ImageAnalysis]]


def with_uploads(analyze: AnalyzeImage, analyze_there: AnalyzeImage, forwarder: Forwarder) -> AnalyzeImage:
    """`analyze`; where the request names uploads, `analyze_there`, at the replica that the forwarder hands
    them to. Changes the request's sources.

    Raises InvalidInput (`sources[i].upload_id`) beside what `analyze` raises.
    """

    async def call(request: CaseImage, timeout_s: float) -> ImageAnalysis:
        names_upload = any(source.WhichOneof("source") == "upload_id" for source in request.sources)
        async with AsyncExitStack() as handed_on:
            for index, source in enumerate(request.sources):
                if source.WhichOneof("source") != "upload_id":
                    continue
                try:
                    source.upload_id = await handed_on.enter_async_context(
                        forwarder.forwarded(source.upload_id, timeout_s)
                    )
                except UploadUnknown as error:
                    raise InvalidInput(
                        Reason.INPUT_MISSING,
                        f"sources[{index}].upload_id",
                        "names no upload that this caller has here; it may have expired",
                    ) from error
                except InvalidInput as error:
                    raise error.within(f"sources[{index}]") from error
            return await (analyze_there if names_upload else analyze)(request, timeout_s)

    return call
