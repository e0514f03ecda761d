"""How a call failed, in the mesh's own terms, and as an HTTP problem (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from services.chassis.errors import MedmeshError, Reason
from services.chassis.rpc.status import to_status

PROBLEM = "application/problem+json"
_Detail = TypeVar("_Detail", bound=Message)

CLIENT_CLOSED_REQUEST = 499
"""Nobody reads the answer: what proxies log for a caller that went away."""
HTTP_STATUS: Mapping[str, int] = {
    "CANCELLED": CLIENT_CLOSED_REQUEST,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP's status for gRPC's codes, as the Connect protocol maps them; any other is 500."""


class Failure(Exception):  # noqa: N818 - named for what it is to the caller
    """A call that failed, with the `google.rpc.Status` that says how."""

    def __init__(self, status: Status, request_id: str) -> None:
        super().__init__(Code.Name(status.code))
        self.status = status
        self.request_id = request_id

    @classmethod
    def of(cls, error: MedmeshError, request_id: str) -> Failure:
        """A failure of the door itself, told as the services tell theirs."""
        return cls(to_status(error, request_id), request_id)

    @property
    def code(self) -> str:
        """Name of gRPC's status code."""
        return str(Code.Name(self.status.code))

    @property
    def reason(self) -> str:
        """The reason of docs/errors.md; empty where gRPC itself failed."""
        info = self.detail(error_details_pb2.ErrorInfo)
        return info.reason if info else ""

    @property
    def http_status(self) -> int:
        """Status of the HTTP answer."""
        if self.reason == Reason.INPUT_TOO_LARGE:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return HTTP_STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)

    @property
    def headers(self) -> dict[str, str]:
        """What the HTTP answer says of it beside its body."""
        headers = {}
        retry = self.detail(error_details_pb2.RetryInfo)
        if retry is not None:
            headers["retry-after"] = str(max(1, math.ceil(retry.retry_delay.ToTimedelta().total_seconds())))
        if self.http_status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        return headers

    def problem(self) -> dict[str, Any]:
        """The problem details; members beyond RFC 9457's are the mesh's `ErrorInfo` and `BadRequest`."""
        info = self.detail(error_details_pb2.ErrorInfo)
        bad = self.detail(error_details_pb2.BadRequest)
        problem = problem_of(self.http_status, self.status.message, self.request_id)
        if info is not None:
            problem["type"] = f"urn:medmesh:error:{info.reason}"
            problem["reason"] = info.reason
            if info.metadata:
                problem["metadata"] = dict(info.metadata)
        if bad is not None:
            problem["violations"] = [
                {"field": v.field, "description": v.description, "reason": v.reason}
                for v in bad.field_violations
            ]
        return problem

    def detail(self, kind: type[_Detail]) -> _Detail | None:
        """The detail of this class; None where it has none."""
        for packed in self.status.details:
            found = kind()
            if packed.Unpack(found):
                return found
        return None


def problem_of(status: int, detail: str, request_id: str) -> dict[str, Any]:
    """Problem details of a status alone."""
    known = status in HTTPStatus._value2member_map_
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase if known else "Client Closed Request",
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
