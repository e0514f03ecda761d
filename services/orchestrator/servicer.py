"""`medmesh.orchestrator.v1.DiagnosticService`: check, hand over, answer; branches as they end by stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from medmesh.orchestrator.v1.receipt_pb2 import InputDigest
from services.chassis.off_loop import off_loop
from services.chassis.rpc import request as requests
from services.orchestrator import intake
from services.orchestrator.diagnosis import Diagnostician, Listeners
from services.orchestrator.note_privacy import Deidentify, protect
from services.orchestrator.receipts.digests import input_digests
from services.orchestrator.receipts.statement import new_salt
from services.orchestrator.repeats import Repeats, Request

SHORT_BYTES = 512 * 1024
"""Of a smaller request the inputs are digested at once: so many bytes take half a millisecond."""


class DiagnosticServicer(orchestrator_pb2_grpc.DiagnosticServiceServicer):
    """Answers both rpcs from one diagnostician."""

    def __init__(
        self, diagnostician: Diagnostician, repeats: Repeats, deidentify: Deidentify | None = None
    ) -> None:
        """`deidentify`: None where notes are read as they come."""
        self._diagnostician = diagnostician
        self._repeats = repeats
        self._deidentify = deidentify

    async def Diagnose(self, request: pb.DiagnoseRequest, context: Any) -> pb.DiagnoseResponse:
        return pb.DiagnoseResponse(diagnosis=await self._answer(request, Listeners()))

    async def DiagnoseStream(
        self, request: pb.DiagnoseStreamRequest, context: Any
    ) -> AsyncIterator[pb.DiagnoseStreamResponse]:
        told: asyncio.Queue[pb.DiagnoseStreamResponse | None] = asyncio.Queue()
        listeners = Listeners(
            lambda branch: told.put_nowait(pb.DiagnoseStreamResponse(branch=branch)),
            lambda sentence: told.put_nowait(pb.DiagnoseStreamResponse(draft_sentence=sentence)),
        )
        work = asyncio.create_task(self._answer(request, listeners))
        work.add_done_callback(lambda _: told.put_nowait(None))
        is_known = True
        try:
            while (event := await told.get()) is not None:
                is_known = False
                yield event
            diagnosis = await work
            if is_known:  # the answer to the same request before
                for branch in diagnosis.branches:
                    if branch.state != pb.Branch.STATE_NOT_REQUESTED:
                        yield pb.DiagnoseStreamResponse(branch=branch)
            yield pb.DiagnoseStreamResponse(diagnosis=diagnosis)
        finally:
            # The caller has left, or the deadline has passed: nobody waits for the calls under way.
            work.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])

    async def _answer(
        self, request: pb.DiagnoseRequest | pb.DiagnoseStreamRequest, listeners: Listeners
    ) -> pb.Diagnosis:
        case = request.case
        current = requests.current.get()
        request_bytes = int(current.facts.get("request_bytes", 0)) if current is not None else 0
        intake.check(case, request_bytes)
        if self._deidentify is not None:
            await protect(case, self._deidentify, self._diagnostician.remaining_s())
        salt = request.receipt_salt or new_salt()

        async def digests(salt: str) -> Sequence[InputDigest]:
            return await off_loop(request_bytes < SHORT_BYTES, None, input_digests, case, bytes.fromhex(salt))

        async def compute(inputs: asyncio.Task[Sequence[InputDigest]]) -> pb.Diagnosis:
            return await self._diagnostician.diagnose(case, salt, inputs, listeners)

        if request.HasField("request_id"):
            caller = (current.tenant, current.caller) if current is not None else ("", "")
            key = (*caller, request.request_id.lower())
            return await self._repeats.answer(Request(key, salt, _wants(request), digests), compute)
        inputs = asyncio.create_task(digests(salt))
        try:
            return await compute(inputs)
        finally:
            inputs.cancel()


def _wants(request: pb.DiagnoseRequest | pb.DiagnoseStreamRequest) -> tuple[Any, ...]:
    """What of a request changes the answer and is no input: the pictures that are drawn, the receipt's salt,
    what must not fail, and images that are not in the message itself.
    """
    return (
        request.receipt_salt,
        frozenset(request.case.required_branches),
        *(
            (
                image.options.include_heat_map,
                image.options.include_overlay,
                tuple(
                    source.uri or source.upload_id
                    for source in image.sources
                    if source.WhichOneof("source") != "content"
                ),
                len(image.sources),
            )
            for image in request.case.images
        ),
    )
