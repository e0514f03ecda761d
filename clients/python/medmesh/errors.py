"""The errors of the client, read from the `google.rpc.Status` that the mesh sends.

    MedmeshError
    ├── InvalidInput        the input is invalid; `violations` names each field
    ├── NotFound            no model, or no upload, has that name
    ├── Unavailable         the service, or a model that it needs, does not answer
    ├── Overloaded          too many requests wait; `retry_after_s` says when to come back
    ├── DeadlineExceeded    the deadline was too short
    ├── Unauthenticated     no valid identity
    ├── PermissionDenied    the identity may not do this
    └── InternalError       everything else; quote `request_id`

The gRPC error is the cause (`__cause__`) of each. `reason` is the name of an `ErrorReason` of the contracts:
docs/errors.md says of each what to do.
"""

# ruff: noqa: N818  # named for what went wrong, as the services name theirs

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from medmesh.common.v1.reasons_pb2 import ERROR_REASON_UNSPECIFIED, ErrorReason
from medmesh.connection import REQUEST_ID_HEADER, Call

Detail = TypeVar("Detail", bound=Message)

DETAILS_HEADER = "grpc-status-details-bin"
"""Trailing metadata key under which gRPC carries the `google.rpc.Status`."""


@dataclass(frozen=True)
class Violation:
    """One field of the request that is at fault."""

    field: str
    """Its path, e.g. `case.images[0].sources[0].content`."""
    description: str
    """What is wrong and what would be right."""


class MedmeshError(Exception):
    """Base of the client's errors. `str(error)` is one sentence for people; it never quotes the input."""

    retryable = False
    """Whether the same call may succeed later."""

    def __init__(
        self,
        message: str,
        *,
        status: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        request_id: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """The status code of gRPC."""
        self.reason = reason
        """Stable name of what went wrong (docs/errors.md), e.g. `MODEL_UNAVAILABLE`. Empty when the mesh sent
        none."""
        self.request_id = request_id
        """Id of the request, also in every log line and span of it. Empty when no service answered."""
        self.metadata: Mapping[str, str] = dict(metadata or {})
        """Further facts, e.g. the model's name."""
        self.violations = violations
        """The fields that are at fault; empty unless the input is."""
        self.retry_after_s = retry_after_s
        """Seconds after which to try again. None: the mesh did not say."""

    @property
    def reason_code(self) -> int:
        """`reason` as a value of the contracts' `ErrorReason`; 0 where it is empty, or of a newer mesh."""
        try:
            return ErrorReason.Value(f"ERROR_REASON_{self.reason}")
        except ValueError:
            return ERROR_REASON_UNSPECIFIED


class InvalidInput(MedmeshError):
    """The input is invalid."""

    @property
    def field(self) -> str:
        """Path of the first field at fault, e.g. `case.note`. Empty when the mesh named none."""
        return self.violations[0].field if self.violations else ""


class NotFound(MedmeshError):
    """No model, or no upload of the caller, has that name."""


class Unavailable(MedmeshError):
    """The service, or a model that it needs, does not answer."""

    retryable = True


class Overloaded(MedmeshError):
    """Too many requests wait."""

    retryable = True


class DeadlineExceeded(MedmeshError):
    """The deadline was too short."""

    retryable = True


class Unauthenticated(MedmeshError):
    """The call carried no valid identity."""


class PermissionDenied(MedmeshError):
    """The identity may not do this."""


class InternalError(MedmeshError):
    """The mesh failed, or answered with a status that its contract does not have."""


BY_STATUS: Mapping[grpc.StatusCode, type[MedmeshError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}


def from_rpc_error(error: grpc.RpcError, call: Call) -> MedmeshError:
    """The typed error of a failed call; the caller raises it `from error`."""
    trailing = dict(error.trailing_metadata() or ())
    error_class = BY_STATUS.get(error.code(), InternalError)
    status = _status(trailing.get(DETAILS_HEADER))
    if status is None:
        return error_class(_own_sentence(error, call), status=error.code(), request_id=call.request_id)
    info = _first(status, error_details_pb2.ErrorInfo)
    bad_request = _first(status, error_details_pb2.BadRequest)
    retry = _first(status, error_details_pb2.RetryInfo)
    request = _first(status, error_details_pb2.RequestInfo)
    violations = (
        tuple(Violation(v.field, v.description) for v in bad_request.field_violations) if bad_request else ()
    )
    sent_id = trailing.get(REQUEST_ID_HEADER) or (request.request_id if request else "")
    return error_class(
        _sentence(status.message, violations),
        status=error.code(),
        reason=info.reason if info else "",
        request_id=str(sent_id or call.request_id),
        metadata=info.metadata if info else None,
        violations=violations,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _status(details: str | bytes | None) -> status_pb2.Status | None:
    if not isinstance(details, bytes):
        return None
    try:
        return status_pb2.Status.FromString(details)
    except DecodeError:
        return None


def _first(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for packed in status.details:
        detail = kind()
        if packed.Is(detail.DESCRIPTOR) and packed.Unpack(detail):
            return detail
    return None


def _sentence(message: str, violations: Iterable[Violation]) -> str:
    return "; ".join(f"{v.field}: {v.description}" for v in violations) or message


def _own_sentence(error: grpc.RpcError, call: Call) -> str:
    """What to say where gRPC itself failed: its own text names sockets, not the remedy."""
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return f"nothing answers at {call.target}, or its TLS settings differ"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"{call.target} did not answer within {call.timeout_s:g} s"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"the service at {call.target} does not have this call: is it the right address?"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return (
            f"{call.target} refused the call: it is overloaded, or the message exceeds its limit "
            "(64 MiB of images, 8 MiB of a record)"
        )
    return f"the call to {call.target} failed ({code.name if code else 'no status'})"
