"""What a call and its end carry between a service and its second process."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from services.chassis.errors import MedmeshError
from services.chassis.observability.observed import Observed
from services.chassis.rpc.request import Request

COMMAND = "apart"
"""Argument of a service's module that makes it the second process; after it, the descriptor of its socket."""

handed_over: ContextVar[Sequence[bytes]] = ContextVar("medmesh_handed_over", default=())
"""In the second process: the files of the request in progress that its message does not hold."""


@dataclass(frozen=True)
class Call:
    """A request that was let in."""

    request: Request
    traceparent: dict[str, str]
    """Metadata of the span that the call's spans are children of; empty: it is not traced."""


@dataclass
class Reply:
    """How it ended. Its answer is the frame's body."""

    request: Request | None = None
    """With what the handler noted of it; None: it was cancelled."""
    error: MedmeshError | None = None
    observed: Observed = field(default_factory=Observed)
