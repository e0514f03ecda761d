"""What every request passes before it is answered: origin, size, place, request id; and its line in the log.

The log has the route and never the address as it came: what a caller writes there could name a patient.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Container, Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clients.gateway.failures import PROBLEM, Failure, problem_of
from clients.gateway.fhir.outcome import FHIR_JSON, PREFIX, outcome
from clients.gateway.gate import COUNTED, DoorRequest, Gate
from clients.gateway.settings import GatewaySettings
from services.chassis.errors import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    PermissionDenied,
    Reason,
)
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.incoming import Pace
from services.chassis.rpc.request import (
    PRIORITY_KEY,
    REQUEST_ID_KEY,
    Priority,
    accept_request_id,
    current,
)
from services.chassis.settings import is_loopback

logger = logging.getLogger("medmesh.gateway")

_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_FOREIGN = "Pages of this origin may not call the mesh: MEDMESH_ALLOWED_ORIGINS lists those that may."
PROBES = frozenset({"/healthz", "/readyz"})
"""What is answered however many requests are at work, and not logged."""
ROUTE = "medmesh.route"
"""Key of the scope under which the application says which of its routes was taken."""


class Door:
    """The outermost application."""

    def __init__(self, inner: ASGIApp, settings: GatewaySettings, gate: Gate, routes: Container[str]) -> None:
        """`routes`: the paths that there are."""
        self._inner = inner
        self._settings = settings
        self._gate = gate
        self.routes = routes
        self.admission = Admission(
            settings.maximum_in_flight_count,
            settings.maximum_queue_count,
            settings.maximum_held_bytes,
            settings.bytes_per_place,
            settings.bytes_per_second_beside_others,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._inner(scope, receive, send)
            return
        began = time.monotonic()
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        request_id = accept_request_id(headers.get(REQUEST_ID_KEY))
        # What is within sees the id that was accepted, whoever made it.
        scope["headers"] = [
            *((key, value) for key, value in scope["headers"] if key != REQUEST_ID_KEY.encode()),
            (REQUEST_ID_KEY.encode(), request_id.encode()),
        ]
        answer = _Answer(send, request_id)
        request = DoorRequest(
            request_id,
            scope["method"],
            began + self._settings.maximum_deadline_s,
            sharer=(scope.get("client") or ("", 0))[0],
            priority=Priority.of(headers.get(PRIORITY_KEY)),
        )
        in_progress = current.set(request)
        async with AsyncExitStack() as held:
            body = _Body(receive, self._settings, self.admission, request, held)
            try:
                if is_foreign(headers, self._settings):
                    route = scope["path"] if scope["path"] in self.routes else "none"
                    self._gate.refused(route, PermissionDenied(), request_id)
                    await refuse_plainly(answer, scope["path"], 403, _FOREIGN, request_id)
                    return
                body.expect(headers.get("content-length", ""))
                await held.enter_async_context(self.admission.place(request, 0))
                await self._inner(scope, body, answer)
            except MedmeshError as error:
                if not answer.begun:
                    await refuse(answer, scope["path"], Failure.of(error, request_id))
            except Exception:
                logger.exception("unexpected")  # the formatter leaves the text out
                if answer.begun:
                    raise
                await refuse(answer, scope["path"], Failure.of(MedmeshError(), request_id))
            finally:
                if COUNTED not in request.facts:
                    self._tell(scope, body, answer, time.monotonic() - began)
                current.reset(in_progress)

    def _tell(self, scope: Scope, body: _Body, answer: _Answer, elapsed_s: float) -> None:
        """The request's line in the log."""
        facts = {
            "method": scope["method"] if scope["method"] in _METHODS else "other",
            "route": scope.get(ROUTE, "none"),
            "status": answer.status,
            "request_bytes": body.count,
            "response_bytes": answer.count,
            "elapsed_ms": round(elapsed_s * 1e3, 1),
        }
        logger.info("request", extra={"facts": facts})


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class _Body:
    """`receive`, with the body held to its size, its turn and its pace, and counted."""

    def __init__(
        self,
        receive: Receive,
        settings: GatewaySettings,
        admission: Admission,
        request: DoorRequest,
        held: AsyncExitStack,
    ) -> None:
        self._receive = receive
        self._settings = settings
        self._admission = admission
        self._request = request
        self._held = held
        self._pace = Pace(settings.maximum_stall_s, settings.minimum_bytes_per_second)
        self._waited_s = 0.0
        self._announced = 0
        self._begun = self._ended = False
        self.count = 0

    def expect(self, content_length: str) -> None:
        """Refuses what is too large before any of it is read."""
        if content_length.isascii() and content_length.isdigit():
            self._announced = int(content_length[:12])
            self._check(self._announced)

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        if not self._begun:
            self._begun = True
            await self._begin()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._pace.patience_s(self.count, self._waited_s)):
                message = await self._receive()
        except TimeoutError as error:
            raise DeadlineExceeded("the caller stalled") from error
        self._waited_s += time.monotonic() - began
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.count += size
            self._check(self.count)
            if self.count > self._announced:
                self._held.enter_context(self._admission.holding(size, self._request.sharer))
                self._admission.inflow.took(self._request.sharer, size, 0)
            self._ended = not message.get("more_body", False)
        return message

    async def _begin(self) -> None:
        """Waits for the caller's turn, and holds the body's room in memory. He was judged by now: both go by
        his tenant, where the door knows him.

        A body is one message, as it becomes one: its pieces take the event loop but a moment each, what is
        then made of 16 MB some tens of milliseconds.
        """
        sharer, inflow = self._request.sharer, self._admission.inflow
        try:
            async with asyncio.timeout(self._request.remaining_s):
                assumed = await inflow.turn(sharer)
        except TimeoutError as error:
            raise DeadlineExceeded("its turn did not come") from error
        inflow.took(sharer, self._announced, assumed)
        self._held.enter_context(self._admission.holding(self._announced, sharer))

    def _check(self, size: int) -> None:
        limit = self._settings.maximum_request_bytes
        if size > limit:
            described = f"is larger than {limit} bytes; upload large images (UploadService)"
            raise InvalidInput(Reason.INPUT_TOO_LARGE, "request", described)


class _Answer:
    """`send`, which notes what was answered and adds what every answer carries."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.begun = False
        self.status = 0
        self.count = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            own = {key for key, _ in message.get("headers", ())}
            added = [*_HEADERS, (REQUEST_ID_KEY.encode(), self._request_id.encode())]
            message["headers"] = [
                *message.get("headers", ()),
                *(pair for pair in added if pair[0] not in own),
            ]
        elif message["type"] == "http.response.body":
            self.count += len(message.get("body", b""))
        await self._send(message)


async def refuse(send: Send, path: str, failure: Failure) -> None:
    """Answers with the failure, in the form of the path."""
    await respond(send, path, failure.problem(), failure.headers)


async def refuse_plainly(send: Send, path: str, status: int, detail: str, request_id: str) -> None:
    """Answers with a problem that is HTTP's alone."""
    await respond(send, path, problem_of(status, detail, request_id), {})


async def respond(send: Send, path: str, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Sends a problem; below FHIR's paths as an OperationOutcome."""
    fhir = path.startswith(PREFIX)
    body = json.dumps(outcome(problem) if fhir else problem, ensure_ascii=False).encode()
    lines = {
        "content-type": FHIR_JSON if fhir else PROBLEM,
        "content-length": str(len(body)),
        **headers,
    }
    encoded = [(key.encode(), value.encode()) for key, value in lines.items()]
    await send({"type": "http.response.start", "status": problem["status"], "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def is_foreign(headers: Mapping[str, str], settings: GatewaySettings) -> bool:
    """Whether a page of another origin asks, whose reader did not mean to call the mesh.

    A page that this door served itself names it as its host; only a host of this machine proves that, since
    any name can be made to resolve here.
    """
    origin = headers.get("origin")
    if origin is None or origin in settings.allowed_origins:
        return False
    host = headers.get("host", "")
    parts = urlsplit(origin)
    return parts.netloc != host or not is_loopback(parts.hostname or "")
