"""What is at a path that is no rpc."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from clients.gateway.mesh import Caller

Endpoint = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """One page: the method that it takes, and what answers."""

    method: str
    endpoint: Endpoint


def constant(body: str, kind: str, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Answers the same to everybody."""

    async def endpoint(_request: Request, _caller: Caller) -> Response:
        return Response(body, media_type=kind, headers=headers)

    return endpoint
