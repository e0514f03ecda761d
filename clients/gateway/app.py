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
from services.chassis.errors import MedmeshError, PermissionDenied

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
        "/diagnose": Page("POST", partial(_diagnose, mesh, settings)),
        "/image": Page("POST", partial(_one, rpcs.ANALYZE_IMAGE, forms.image, mesh, settings)),
        "/note": Page("POST", partial(_one, rpcs.ANALYZE_NOTE, forms.note, mesh, settings)),
    }
    app: ASGIApp = Door(Application(mesh, settings, pages), settings)
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
        self._connect = Connect(self._rpcs, mesh, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # lifespan: there is nothing to start
        path = scope["path"]
        request = Request(scope, receive)
        caller = Caller.of(request.headers, self._settings)
        method = "POST" if path in self._rpcs else getattr(self._pages.get(path), "method", "")
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
                response = await self._pages[path].endpoint(request, caller)
                await response(scope, receive, send)
        except Failure as failure:
            await refuse(send, path, failure)
        except Refused as refused:
            await refuse_plainly(send, path, refused.status, refused.detail, caller.request_id)
        except MedmeshError as error:
            await refuse(send, path, Failure.of(error, caller.request_id))

    async def _call(self, rpc: rpcs.Rpc, request: Request, caller: Caller, send: Send) -> None:
        if rpc.name in routes.OPERATORS_ONLY and self._settings.is_open_to_others:
            raise PermissionDenied
        kind = media_type(request)
        if kind.startswith(_CONNECT_TYPES) or "connect-protocol-version" in request.headers:
            await self._connect(request.scope, request.receive, send)
        elif kind == calls.JSON:
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
    return JSONResponse({"status": "SERVING"})


async def _diagnose(mesh: Mesh, settings: GatewaySettings, request: Request, caller: Caller) -> Response:
    given = await forms.parts(request, settings)
    streamed = calls.wants_events(request)
    rpc = rpcs.DIAGNOSE_STREAM if streamed else rpcs.DIAGNOSE
    message = forms.diagnose(given, DiagnoseStreamRequest if streamed else DiagnoseRequest)
    del given
    return await calls.answered(rpc, message, request, caller, mesh)


async def _one(
    rpc: rpcs.Rpc,
    read: Callable[[forms.Parts], Message],
    mesh: Mesh,
    settings: GatewaySettings,
    request: Request,
    caller: Caller,
) -> Response:
    message = read(await forms.parts(request, settings))
    return await calls.answered(rpc, message, request, caller, mesh)
