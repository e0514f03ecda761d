"""Typed errors to `google.rpc.Status` and back: an error keeps its reason over every hop of the mesh."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from services.chassis.errors import (
    DOMAIN,
    PUBLIC,
    CorpusUnavailable,
    CorpusUnknown,
    DeadlineExceeded,
    InvalidInput,
    JobUnknown,
    MedmeshError,
    ModelFailed,
    ModelUnavailable,
    ModelUnknown,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    Reason,
    ReceiptNotWritten,
    Unauthenticated,
    UploadUnknown,
    UpstreamUnavailable,
    Violation,
)

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata key of the serialised `google.rpc.Status`."""
_RETRY_AFTER_S = (1.0, 3.0)
"""Drawn evenly between the two, so that those who were refused together do not come back together."""
_KEPT_COUNT = 256
"""Statuses that are kept of OVERLOADED, each with another time after which to come back."""
_FAULTS_OF_INPUT = frozenset(reason for reason in Reason if PUBLIC[reason].status == "INVALID_ARGUMENT")
_CLASSES: Mapping[Reason, type[MedmeshError]] = MappingProxyType(
    {
        kind.reason: kind
        for kind in (
            ModelUnknown,
            ModelUnavailable,
            ModelFailed,
            UploadUnknown,
            CorpusUnknown,
            CorpusUnavailable,
            JobUnknown,
            UpstreamUnavailable,
            ReceiptNotWritten,
            Overloaded,
            QuotaExceeded,
            DeadlineExceeded,
            Unauthenticated,
            PermissionDenied,
        )
    }
)
_BY_CODE: Mapping[grpc.StatusCode, type[MedmeshError]] = MappingProxyType(
    {
        grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
        grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
        grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
        grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    }
)


def to_status(error: MedmeshError, request_id: str) -> Status:
    """What the caller is told: the fixed sentence of the reason, ErrorInfo, and what fits the reason."""
    public = PUBLIC[error.reason]
    status = Status(code=Code.Value(public.status), message=public.sentence)
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    status.details.add().Pack(info)
    status.details.add().Pack(RequestInfo(request_id=request_id))
    if isinstance(error, InvalidInput):
        more = len(error.violations) - 1
        further = f" (and {more} more)" if more else ""
        status.message = f"{public.sentence} {error.field}: {error.description}{further}"
        violations = [
            BadRequest.FieldViolation(field=v.field, description=v.description, reason=v.reason)
            for v in error.violations
        ]
        status.details.add().Pack(BadRequest(field_violations=violations))
    if public.retryable:
        spread_s = random.uniform(*_RETRY_AFTER_S)  # noqa: S311 - spreads retries, guards nothing
        after_s = error.retry_after_s if isinstance(error, QuotaExceeded) else spread_s
        delay = Duration()
        delay.FromMilliseconds(math.ceil(after_s * 1e3))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


def to_bytes(error: MedmeshError, request_id: str) -> bytes:
    """As `to_status`, serialised; of what is told most often, all but the request id is made once."""
    own = Status()
    if error.reason != Reason.OVERLOADED or error.metadata:
        return bytes(to_status(error, request_id).SerializeToString())
    own.details.add().Pack(RequestInfo(request_id=request_id))
    # Serialised messages in a row are one message with the fields of both.
    own_part: bytes = own.SerializeToString()
    return _overloaded(random.randrange(_KEPT_COUNT)) + own_part  # noqa: S311 - as below


@cache
def _overloaded(_which: int) -> bytes:
    made = to_status(Overloaded(), "")
    kept = [detail for detail in made.details if not detail.Is(RequestInfo.DESCRIPTOR)]
    return bytes(Status(code=made.code, message=made.message, details=kept).SerializeToString())


def from_rpc_error(error: grpc.aio.AioRpcError, upstream: str) -> MedmeshError:
    """The typed error that `upstream` sent; where it sent none, the one that its status code stands for.

    A refused input keeps its fields and descriptions. INTERNAL comes back as a plain MedmeshError with the
    reason INTERNAL; what gRPC itself reports (connection lost, unknown method) is UpstreamUnavailable.
    """
    status = _details(error)
    info, violations = ErrorInfo(), []
    for detail in status.details if status else ():
        if detail.Is(ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(BadRequest.DESCRIPTOR):
            bad = BadRequest()
            detail.Unpack(bad)
            violations = [
                Violation(Reason(v.reason), v.field, v.description)
                for v in bad.field_violations
                if v.reason in _FAULTS_OF_INPUT
            ]
    metadata = {"upstream": upstream, **info.metadata}
    if info.domain == DOMAIN and info.reason in Reason.__members__:
        reason = Reason(info.reason)
        if violations and reason in _FAULTS_OF_INPUT:
            return InvalidInput.of(violations)
        return _CLASSES.get(reason, MedmeshError)(f"{upstream}: {PUBLIC[reason].sentence}", metadata=metadata)
    kind = _BY_CODE.get(error.code(), UpstreamUnavailable)
    return kind(f"{upstream} answered {error.code().name}", metadata=metadata)


def _details(error: grpc.aio.AioRpcError) -> Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return Status.FromString(value)
    return None


def code_name(error: MedmeshError) -> str:
    """Name of the gRPC status code of an error."""
    return PUBLIC[error.reason].status
