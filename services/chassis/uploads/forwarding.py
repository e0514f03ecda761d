"""An upload of a caller -> the same upload at another service of the mesh, for as long as a call needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from medmesh.common.v1 import upload_pb2 as pb
from medmesh.common.v1.upload_pb2_grpc import UploadServiceStub
from services.chassis.errors import MedmeshError
from services.chassis.uploads.servicer import MAXIMUM_CALL_BYTES, caller
from services.chassis.uploads.store import Uploads
from services.chassis.upstream.call import Upstream

CHUNK_BYTES = 2 * 1024 * 1024
_CANCEL_S = 2.0


class Forwarder:
    """Hands uploads of the caller in progress on to one upstream, whose calls must all reach one replica."""

    def __init__(self, uploads: Uploads, upstream: Upstream) -> None:
        self._uploads = uploads
        self._upstream = upstream
        self._stub = UploadServiceStub(upstream.channel)

    @asynccontextmanager
    async def forwarded(self, upload_id: str, timeout_s: float) -> AsyncIterator[str]:
        """The id of the same upload at the upstream, where it is deleted at the end of the block.

        Raises UploadUnknown, InvalidInput when parts are still missing, and what `Upstream.call` raises.
        """
        owner = caller()
        size = (await asyncio.to_thread(self._uploads.complete, owner, upload_id)).size_bytes
        started = await self._upstream.call(
            self._stub.StartUpload, pb.StartUploadRequest(size_bytes=size), timeout_s=timeout_s, safe=False
        )
        theirs = started.upload.upload_id
        try:
            for start in range(0, size, MAXIMUM_CALL_BYTES):
                end = min(start + MAXIMUM_CALL_BYTES, size)
                await self._upstream.call(
                    self._stub.WriteUpload,
                    self._chunks(owner, upload_id, theirs, start, end),
                    timeout_s=timeout_s,
                    safe=False,
                )
            yield theirs
        finally:
            with suppress(MedmeshError):  # it expires there in any case
                await self._upstream.call(
                    self._stub.CancelUpload, pb.CancelUploadRequest(upload_id=theirs), timeout_s=_CANCEL_S
                )

    async def _chunks(
        self, owner: str, upload_id: str, theirs: str, start: int, end: int
    ) -> AsyncIterator[pb.WriteUploadRequest]:
        for offset in range(start, end, CHUNK_BYTES):
            length = min(CHUNK_BYTES, end - offset)
            chunk = await asyncio.to_thread(self._uploads.part, owner, upload_id, offset, length)
            yield pb.WriteUploadRequest(upload_id=theirs, offset_bytes=offset, chunk=chunk)
