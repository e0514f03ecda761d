"""Uploads: what exceeds a message is sent ahead in chunks, from where a broken connection left it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from medmesh import images
from medmesh.aio.calls import AsyncCalls
from medmesh.common.v1 import upload_pb2 as pb
from medmesh.errors import MedmeshError, Unavailable
from medmesh.imaging.v1.imaging_pb2 import ImageSource
from medmesh.rpcs import upload_rpc
from medmesh.waiting import in_thread

CANCEL_TIMEOUT_S = 5.0
"""Of the deletion after a call; what is not deleted expires."""


class AsyncUploads:
    """Uploads to the services of the mesh."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    @asynccontextmanager
    async def within(
        self, limit_bytes: int, of: Sequence[images.Files], service: str, timeout_s: float | None
    ) -> AsyncIterator[list[images.Files]]:
        """The images as one message can carry them: above `limit_bytes` together, each that is above
        `images.UNARY_LIMIT_BYTES` is uploaded, and deleted at the end of the block.
        """
        sizes = [await in_thread(images.size_bytes, files) for files in of]
        uploaded: list[ImageSource] = []
        sent: list[images.Files] = []
        try:
            for files, size in zip(of, sizes, strict=True):
                if sum(sizes) > limit_bytes and size > images.UNARY_LIMIT_BYTES:
                    uploaded.append(await self.upload(files, service, timeout_s))
                    sent.append([uploaded[-1]])
                else:
                    sent.append(files)
            yield sent
        finally:
            for source in uploaded:
                with suppress(MedmeshError):
                    await self.cancel(source, service, CANCEL_TIMEOUT_S)

    async def upload(self, files: images.Files, service: str, timeout_s: float | None) -> ImageSource:
        """Sends the files of one image, and returns the source that stands for them."""
        with await in_thread(images.opened, files) as content:
            start = pb.StartUploadRequest(size_bytes=content.size_bytes)
            started: pb.StartUploadResponse = await self._calls.unary(
                upload_rpc(service, "StartUpload"), start, timeout_s
            )
            source = ImageSource(upload_id=started.upload.upload_id)
            try:
                await self._write(content, started.upload, service, timeout_s)
            except BaseException:
                with suppress(MedmeshError):
                    await self.cancel(source, service, CANCEL_TIMEOUT_S)
                raise
        return source

    async def cancel(self, source: ImageSource, service: str, timeout_s: float | None) -> None:
        """Deletes an upload."""
        request = pb.CancelUploadRequest(upload_id=source.upload_id)
        await self._calls.unary(upload_rpc(service, "CancelUpload"), request, timeout_s)

    async def _write(
        self, content: images.Content, upload: pb.Upload, service: str, timeout_s: float | None
    ) -> None:
        """Writes all of it, a stretch a call; after a break it goes on from what has arrived."""
        committed, failures = 0, 0
        while committed < upload.size_bytes:
            start, end = committed, min(committed + images.UPLOAD_CALL_BYTES, upload.size_bytes)
            parts = partial(images.upload_parts, content, upload.upload_id, start, end)
            try:
                answer: pb.WriteUploadResponse = await self._calls.from_stream(
                    upload_rpc(service, "WriteUpload"), parts, timeout_s
                )
                committed = answer.upload.committed_bytes
            except Unavailable as error:
                failures += 1
                if error.reason or failures >= self._calls.attempts:
                    raise
                query = pb.QueryUploadRequest(upload_id=upload.upload_id)
                asked: pb.QueryUploadResponse = await self._calls.unary(
                    upload_rpc(service, "QueryUpload"), query, timeout_s
                )
                committed = asked.upload.committed_bytes
            if committed > start:
                failures = 0
