"""How a call ends that is not answered: the status of its error, and what its log line says of it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NoReturn

import grpc

from services.chassis.errors import InvalidInput, MedmeshError, Reason
from services.chassis.rpc import request as requests
from services.chassis.rpc import status
from services.chassis.rpc.incoming import let_go
from services.chassis.rpc.inflow import Inflow
from services.chassis.rpc.request import Request

_READ_OUT_S = 1.0
_READ_OUT_OF_THOSE_LET_IN_S = 5.0
"""Of a caller who may call and is to come back: a large file takes its time on a busy machine."""


class Outcome:
    """How a request ended, for its log line."""

    def __init__(self) -> None:
        self.code = "OK"
        self.reason = ""
        self.error: BaseException | None = None


async def answer_error(
    error: BaseException,
    current: Request,
    context: grpc.aio.ServicerContext,
    raw: Any,
    outcome: Outcome,
    inflow: Inflow | None,
) -> NoReturn:
    """Ends the call with the status of `error`; raises AbortError, or what has to go through. `inflow`: of a
    caller who streams.
    """
    if isinstance(error, grpc.aio.AbortError):
        code = context.code()
        outcome.code = code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode(code).name
        outcome.reason = "ABORTED_BY_HANDLER"
        raise error
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        # Cancelled by the caller, by its deadline, or by the drain: nobody listens any more.
        outcome.code = "DEADLINE_EXCEEDED" if current.remaining_s <= 0 else "CANCELLED"
        outcome.reason = outcome.code
        raise error
    known = typed(error)
    if known is None:
        known, outcome.error = MedmeshError(), error
    elif known.reason in {Reason.INTERNAL, Reason.MODEL_FAILED}:
        outcome.error = error
    # What is left of the refused request's frames holds the request; the lines of the traceback stay.
    traceback.clear_frames(error.__traceback__)
    answer = status.to_status(known, current.request_id)
    code = getattr(grpc.StatusCode, status.code_name(known))
    outcome.code, outcome.reason = code.name, known.reason
    current.facts |= {f"error_{key}": value for key, value in known.metadata.items()}
    if isinstance(known, InvalidInput):
        current.facts["error_field"] = known.field
    else:
        current.facts["error_detail"] = str(known)
    details = (
        (requests.REQUEST_ID_KEY, current.request_id),
        (status.DETAILS_KEY, answer.SerializeToString()),
    )
    if current.remaining_s > 0 and inflow is not None:
        patience_s = _READ_OUT_OF_THOSE_LET_IN_S if known.reason is Reason.OVERLOADED else _READ_OUT_S
        await _read_out(raw, patience_s, inflow, current.sharer)
    else:
        await let_go(raw)
    await context.abort(code, answer.message, details)
    raise AssertionError("unreachable: abort raises")


async def _read_out(raw: AsyncIterator[bytes], seconds: float, inflow: Inflow, sharer: str) -> None:
    """Takes what a streaming caller is still sending, for so long, so that it reads the answer.

    A grpc.aio client whose write meets a call that has ended shows `Internal error from Core` to its user in
    place of the status (grpc issue 36066). What is read so counts, and delays the caller's other messages.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for part in raw:
                inflow.took(sharer, len(part), 0)
    await let_go(raw)


def typed(error: BaseException) -> MedmeshError | None:
    """The typed error in `error`; of a task group's errors the first, provided that all are typed."""
    if isinstance(error, MedmeshError):
        return error
    if isinstance(error, BaseExceptionGroup):
        inner = [typed(e) for e in error.exceptions]
        return inner[0] if all(inner) else None
    return None
