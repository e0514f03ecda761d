"""The request in progress: its id, deadline and identity, for whoever calls on its behalf."""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase

from services.chassis.errors import PermissionDenied

REQUEST_ID_KEY = "x-request-id"
"""Metadata key of the request id, in requests and answers."""
PRINCIPAL_KEY = "x-medmesh-on-behalf-of"
"""Metadata key of whom a caller says that it calls for: for the log, and nothing is decided by it."""
PRIORITY_KEY = "x-medmesh-priority"
"""Metadata key of the priority that a caller asks for: the name of a `Priority`, in any case."""
_SANE_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
_SANE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Priority(IntEnum):
    """Who goes first where requests wait; the numbers are Triton's."""

    URGENT = 1
    ROUTINE = 2
    BULK = 3

    @classmethod
    def of(cls, word: str | None) -> Priority:
        """The priority of that name; of none, or of another word: ROUTINE."""
        return cls.__members__.get((word or "").upper(), cls.ROUTINE)


@dataclass
class Request:
    """One request in progress."""

    request_id: str
    """Id of the request, in every log line and span of it."""
    method: str
    """Full gRPC method, e.g. `/medmesh.imaging.v1.ImagingService/AnalyzeImage`."""
    deadline: float
    """When the answer is due, on `time.monotonic`'s clock, in seconds."""
    identity: str = "anonymous"
    """Name of the caller's identity in the policy."""
    identity_kind: str = "none"
    """How it was proven: `none`, `token`, `jwt` or `certificate`."""
    tenant: str = ""
    """Whose quota it uses; empty: nobody's."""
    allow: tuple[str, ...] = ()
    """Patterns of the full methods that the caller may call."""
    sharer: str = ""
    """Who shares the service with others where requests wait: a tenant, or a connection."""
    metered: str = ""
    """The tenant whose quota counts it here; empty: nobody's, or it was counted where its caller called."""
    priority: Priority = Priority.ROUTINE
    """Where it stands among those that wait: what its caller asked for, as far as it may."""
    roles: tuple[str, ...] = ()
    """The caller's roles, as an identity provider's token gave them."""
    deferred: bool = False
    """Of work that a caller handed in earlier, which no quota has counted yet."""
    usable_models: tuple[str, ...] | None = None
    """Patterns of the models that may compute for the caller's tenant; None: all."""
    facts: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Further facts for the log line: ids, sizes and names, never content."""
    models: set[str] = field(default_factory=set)
    """The models that computed something of the answer, as `name@version`."""

    @property
    def caller(self) -> str:
        """What belongs to the caller is kept under this: an identity provider's user of the same name as an
        identity of the policy is another one.
        """
        return f"jwt:{self.identity}" if self.identity_kind == "jwt" else self.identity

    def add(self, fact: str, amount: int) -> None:
        """Adds to a counted fact of the log line."""
        self.facts[fact] = int(self.facts.get(fact, 0)) + amount

    def permits(self, method: str) -> bool:
        """Whether the caller may call another method too."""
        return any(fnmatchcase(method, pattern) for pattern in self.allow)

    @property
    def remaining_s(self) -> float:
        """Time that is left, in seconds; negative when the deadline has passed."""
        return self.deadline - time.monotonic()


current: ContextVar[Request | None] = ContextVar("medmesh_request", default=None)
"""The request in progress; tasks and threads started by its handler inherit it."""


def remaining_s(timeout_s: float | None = None) -> float | None:
    """The smaller of `timeout_s` and what the current request has left, in seconds; None: unbounded."""
    request = current.get()
    bounds = [t for t in (timeout_s, request.remaining_s if request else None) if t is not None]
    return min(bounds) if bounds else None


def priority() -> Priority:
    """That of the current request; ROUTINE where there is none."""
    request = current.get()
    return Priority.ROUTINE if request is None else request.priority


def sharer() -> str:
    """Who the current request is of where callers share; empty where there is none."""
    request = current.get()
    return "" if request is None else request.sharer


def note(**facts: str | float | bool) -> None:
    """Adds facts (ids, sizes, names, never content) to the current request's log line, if there is one."""
    request = current.get()
    if request is not None:
        request.facts.update(facts)


def check_may_use(model: str) -> None:
    """Raises PermissionDenied where the model may not compute for the tenant of the current request."""
    request = current.get()
    patterns = request.usable_models if request is not None else None
    if patterns is not None and not any(fnmatchcase(model, pattern) for pattern in patterns):
        raise PermissionDenied(metadata={"model": model})


def used(model: str, version: str) -> None:
    """Notes that a model computed something of the current request's answer, if there is one."""
    request = current.get()
    if request is not None:
        request.models.add(f"{model}@{version}")


def is_sane_name(name: str) -> bool:
    """Whether `name` may stand in a log line: 1 to 64 letters, digits, dots, hyphens or underscores."""
    return bool(_SANE_NAME.fullmatch(name))


def accept_request_id(offered: str | None) -> str:
    """`offered` when it is 8 to 64 hexadecimal digits and hyphens, as a UUID or a trace id, else a fresh id.

    It goes into logs and spans: what a caller can spell words with could name a patient.
    """
    if offered is not None and _SANE_ID.fullmatch(offered):
        return offered
    return secrets.token_hex(16)
