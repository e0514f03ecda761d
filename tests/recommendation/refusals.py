"""How the service refuses."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status


async def refused(call):
    """Status, reason and field of a refused call, and all that was sent about it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info) if detail.Is(ErrorInfo.DESCRIPTOR) else detail.Unpack(bad)
    field = bad.field_violations[0].field if bad.field_violations else ""
    return error.code(), info.reason, field, f"{error.details()}{status}"
