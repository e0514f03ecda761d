"""The HTTP door as an ASGI application, and what makes one of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from google.protobuf.message import Message
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from clients.gateway import api_page, calls, forms, routes
from clients.gateway.cds_hooks import pages as cds_hooks
from clients.gateway.connect import Connect
from clients.gateway.door import ROUTE, Door, refuse, refuse_plainly
from clients.gateway.failures import Failure
from clients.gateway.fhir import pages as fhir
from clients.gateway.forms import media_type
from clients.gateway.mesh import Caller, Mesh
from clients.gateway.pages import Page, Refused, constant
from clients.gateway.settings import GatewaySettings
from medmesh import rpcs
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseRequest, DiagnoseStreamRequest
from services.chassis.errors import MedmeshError

HTML = "text/html"

_CONNECT_TYPES = ("application/proto", "application/connect+", "application/grpc-web")
_ALLOWED_HEADERS = (
    *("authorization", "content-type", "prefer", "traceparent", "x-medmesh-priority", "x-request-id"),
    *("connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent"),
)
_EXPOSED_HEADERS = (
    *("retry-after", "x-request-id"),
    *("grpc-status", "grpc-message", "grpc-status-details-bin"),
)


def application(mesh: Mesh, settings: GatewaySettings) -> ASGIApp:
    """The whole door."""
    pages = {
        "/": Page("GET", constant(api_page.text(), HTML, {"content-security-policy": api_page.POLICY})),
        "/openapi.json": Page("GET", constant(api_page.DOCUMENT.read_text(encoding="utf-8"), calls.JSON)),
        **fhir.pages(mesh),
        **cds_hooks.pages(mesh, settings),
        "/healthz": Page("GET", _alive),
        "/readyz": Page("GET", partial(_ready, mesh)),
        "/diagnose": Page("POST", partial(_diagnose, mesh, settings), _diagnosing),
        "/image": _one(rpcs.ANALYZE_IMAGE, forms.image, mesh, settings),
        "/note": _one(rpcs.ANALYZE_NOTE, forms.note, mesh, settings),
    }
    inner = Application(mesh, settings, pages)
    app: ASGIApp = Door(inner, settings, mesh.gate, inner.routes)
    if settings.allowed_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
        )
    return app


class Application:
    """The rpcs and the pages, each by its path."""

    def __init__(self, mesh: Mesh, settings: GatewaySettings, pages: Mapping[str, Page]) -> None:
        self._mesh = mesh
        self._settings = settings
        self._pages = pages
        self._rpcs = routes.rpcs(mesh.servers)
        self.routes = {path: page.method for path, page in pages.items()} | dict.fromkeys(self._rpcs, "POST")
        """All that there is: path -> the method that it takes."""
        self._connect = Connect(self._rpcs, mesh, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # lifespan: there is nothing to start
        path = scope["path"]
        request = Request(scope, receive)
        caller = Caller.of(request.headers, self._settings)
        method = self.routes.get(path, "")
        if method:
            scope[ROUTE] = path
        try:
            if not method:
                detail = "Nothing is here: /openapi.json lists what there is."
                await refuse_plainly(send, path, HTTPStatus.NOT_FOUND, detail, caller.request_id)
            elif scope["method"] not in {method, "HEAD" if method == "GET" else method}:
                detail = f"This takes {method}; patient data does not belong into an address."
                await refuse_plainly(send, path, HTTPStatus.METHOD_NOT_ALLOWED, detail, caller.request_id)
            elif path in self._rpcs:
                await self._call(self._rpcs[path], request, caller, send)
            else:
                page = self._pages[path]
                if page.asks is not None:
                    self._mesh.admit(page.asks(request), caller)
                response = await page.endpoint(request, caller)
                await response(scope, receive, send)
        except Failure as failure:
            await refuse(send, path, failure)
        except Refused as refused:
            await refuse_plainly(send, path, refused.status, refused.detail, caller.request_id)
        except MedmeshError as error:
            await refuse(send, path, Failure.of(error, caller.request_id))

    async def _call(self, rpc: rpcs.Rpc, request: Request, caller: Caller, send: Send) -> None:
        kind = media_type(request)
        if kind.startswith(_CONNECT_TYPES) or "connect-protocol-version" in request.headers:
            try:
                if not rpc.method.client_streaming:  # else the endpoint judges, before it reads the stream
                    self._mesh.admit(rpc, caller)
            except Failure as failure:
                await self._connect.refuse(failure, request.scope, send)
            else:
                await self._connect(request.scope, request.receive, send)
            return
        self._mesh.admit(rpc, caller)
        if kind == calls.JSON:
            response = await calls.call(rpc, request, caller, self._mesh)
            await response(request.scope, request.receive, send)
        else:
            detail = "The body must be application/json, or that of a Connect or gRPC-Web client; /diagnose, "
            detail += "/image and /note take files and forms."
            await refuse_plainly(
                send, request.url.path, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, caller.request_id
            )


async def _alive(_request: Request, _caller: Caller) -> Response:
    return JSONResponse({"status": "SERVING"})


async def _ready(mesh: Mesh, _request: Request, _caller: Caller) -> Response:
    problem = await mesh.problem()
    if problem:
        return JSONResponse({"status": "NOT_SERVING", "orchestrator": problem}, 503)
    if problem := await mesh.gate.problem():
        return JSONResponse({"status": "NOT_SERVING", "audit": problem}, 503)
    return JSONResponse({"status": "SERVING"})


def _diagnosing(request: Request) -> rpcs.Rpc:
    return rpcs.DIAGNOSE_STREAM if calls.wants_events(request) else rpcs.DIAGNOSE


async def _diagnose(mesh: Mesh, settings: GatewaySettings, request: Request, caller: Caller) -> Response:
    given = await forms.parts(request, settings)
    rpc = _diagnosing(request)
    message = forms.diagnose(given, DiagnoseStreamRequest if rpc is rpcs.DIAGNOSE_STREAM else DiagnoseRequest)
    del given
    return await calls.answered(rpc, message, request, caller, mesh)


def _one(
    rpc: rpcs.Rpc, read: Callable[[forms.Parts], Message], mesh: Mesh, settings: GatewaySettings
) -> Page:
    """A page that asks for one call with what its form or its body holds."""

    async def endpoint(request: Request, caller: Caller) -> Response:
        message = read(await forms.parts(request, settings))
        return await calls.answered(rpc, message, request, caller, mesh)

    return Page("POST", endpoint, lambda _request: rpc)
