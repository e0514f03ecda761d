"""What is at a path that is no rpc."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from clients.gateway.mesh import Caller
from medmesh.rpcs import Rpc

Endpoint = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """One page: the method that it takes, and what answers."""

    method: str
    endpoint: Endpoint
    asks: Callable[[Request], Rpc] | None = None
    """The rpc that it calls for its caller: who has no right to that has none to the page. None: it calls
    none, or judges its callers itself."""


class Refused(Exception):  # noqa: N818 - named for what it is to the caller
    """A request that HTTP's own status answers, such as a precondition that failed."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def constant(body: str, kind: str, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Answers the same to everybody."""

    async def endpoint(_request: Request, _caller: Caller) -> Response:
        return Response(body, media_type=kind, headers=headers)

    return endpoint
