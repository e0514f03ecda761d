"""`medmesh.common.v1.UploadService`: convert, call, convert."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc

from medmesh.common.v1 import upload_pb2 as pb
from medmesh.common.v1 import upload_pb2_grpc
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc import request as requests
from services.chassis.settings import SettingsError
from services.chassis.uploads.settings import UploadSettings
from services.chassis.uploads.store import Upload, Uploads

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["UploadService"]
MAXIMUM_CALL_BYTES = 64 * 1024 * 1024
"""Of all chunks of one call of WriteUpload; they count as held until it ends."""
_SWEEPS_PER_EXPIRY = 10


async def serve_uploads(
    settings: UploadSettings, server: grpc.aio.Server, resources: AsyncExitStack
) -> Uploads:
    """Adds the servicer to `server`; the store and what sweeps it end with `resources`."""
    try:
        uploads = Uploads(settings)
    except OSError as error:
        raise SettingsError(settings.key("upload_folder"), "the folder cannot be written") from error
    resources.callback(uploads.close)
    sweeping = asyncio.create_task(_sweep(uploads, settings.upload_expiry_s / _SWEEPS_PER_EXPIRY))
    resources.callback(sweeping.cancel)
    upload_pb2_grpc.add_UploadServiceServicer_to_server(UploadServicer(uploads), server)
    return uploads


def caller() -> str:
    """Who owns the uploads of the request in progress."""
    request = requests.current.get()
    return "" if request is None else request.caller


class UploadServicer(upload_pb2_grpc.UploadServiceServicer):
    """Takes uploads into a store."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def StartUpload(self, request: pb.StartUploadRequest, context: Any) -> pb.StartUploadResponse:
        upload = await asyncio.to_thread(self._uploads.start, caller(), request.size_bytes)
        return pb.StartUploadResponse(upload=_message(upload))

    async def WriteUpload(
        self, request_iterator: AsyncIterator[pb.WriteUploadRequest], context: Any
    ) -> pb.WriteUploadResponse:
        upload_id, upload, taken = "", None, 0
        async for message in request_iterator:
            if upload_id and message.upload_id not in {"", upload_id}:
                raise InvalidInput(Reason.INPUT_INCONSISTENT, "upload_id", "is not that of the first message")
            upload_id = upload_id or message.upload_id
            chunk = message.chunk
            taken += len(chunk)
            if taken > MAXIMUM_CALL_BYTES:
                raise InvalidInput(
                    Reason.INPUT_TOO_LARGE,
                    "chunk",
                    f"exceeds the {MAXIMUM_CALL_BYTES / 2**20:g} MiB of one call; go on in another",
                )
            upload = await asyncio.to_thread(
                self._uploads.write, caller(), upload_id, message.offset_bytes, chunk
            )
        if upload is None:
            raise InvalidInput(Reason.INPUT_MISSING, "chunk", "is missing: the stream is empty")
        return pb.WriteUploadResponse(upload=_message(upload))

    async def QueryUpload(self, request: pb.QueryUploadRequest, context: Any) -> pb.QueryUploadResponse:
        upload = await asyncio.to_thread(self._uploads.query, caller(), request.upload_id)
        return pb.QueryUploadResponse(upload=_message(upload))

    async def CancelUpload(self, request: pb.CancelUploadRequest, context: Any) -> pb.CancelUploadResponse:
        await asyncio.to_thread(self._uploads.cancel, caller(), request.upload_id)
        return pb.CancelUploadResponse()


def _message(upload: Upload) -> pb.Upload:
    message = pb.Upload(
        upload_id=upload.upload_id, size_bytes=upload.size_bytes, committed_bytes=upload.committed_bytes
    )
    message.expire_time.FromNanoseconds(int((time.time() + upload.expires_in_s) * 1e9))
    return message


async def _sweep(uploads: Uploads, pause_s: float) -> None:
    while True:
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(uploads.sweep)
