"""`medmesh.orchestrator.v1.DiagnosticService`: hand over, answer; the stream sends each branch as it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from services.orchestrator.diagnosis import Diagnostician


class DiagnosticServicer(orchestrator_pb2_grpc.DiagnosticServiceServicer):
    """Answers both rpcs from one diagnostician."""

    def __init__(self, diagnostician: Diagnostician) -> None:
        self._diagnostician = diagnostician

    async def Diagnose(self, request: pb.DiagnoseRequest, context: Any) -> pb.DiagnoseResponse:
        diagnosis = await self._diagnostician.diagnose(request.case, lambda _: None)
        return pb.DiagnoseResponse(diagnosis=diagnosis)

    async def DiagnoseStream(
        self, request: pb.DiagnoseStreamRequest, context: Any
    ) -> AsyncIterator[pb.DiagnoseStreamResponse]:
        ended: asyncio.Queue[pb.Branch | None] = asyncio.Queue()
        work = asyncio.create_task(self._diagnostician.diagnose(request.case, ended.put_nowait))
        work.add_done_callback(lambda _: ended.put_nowait(None))
        try:
            while (branch := await ended.get()) is not None:
                yield pb.DiagnoseStreamResponse(branch=branch)
            yield pb.DiagnoseStreamResponse(diagnosis=await work)
        finally:
            # The caller has left, or the deadline has passed: nobody waits for the calls under way.
            work.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
