"""Whom the door itself turns away, before any of his body is read, and the line of that in the audit log.

Of what is refused here no service hears: without a line of the door's own, nobody would know who tried.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.gateway import routes
from clients.gateway.failures import Failure
from clients.gateway.settings import GatewaySettings
from services.chassis.errors import MedmeshError, PermissionDenied, Unauthenticated
from services.chassis.observability.audit import AuditLog
from services.chassis.rpc import request as requests
from services.chassis.rpc.auth import Policy, PolicyFile
from services.chassis.rpc.refusals import Refusals
from services.chassis.rpc.status import code_name

COUNTED = "counted"
"""Fact of a request whose refusal shares a line with others that are alike."""
_NOBODY = {"identity": "anonymous", "identity_kind": "none", "tenant": ""}
"""As in the lines of services: who is refused counts as nobody known."""


@dataclass
class DoorRequest(requests.Request):
    """A request in progress at the door, and the calls that it was let in for."""

    admitted: set[tuple[str, str | None]] = field(default_factory=set, repr=False)
    """Each rpc with the credentials that it was judged by. Nothing else of a request decides, so the verdict
    holds until it ends, and for no other rpc and no other credentials.
    """


class Gate:
    """Judges callers by the door's own policy, where it has one. The services judge them as well."""

    def __init__(
        self, settings: GatewaySettings, *, presents_certificate: bool, audit: AuditLog | None = None
    ) -> None:
        """`presents_certificate`: to the services, which know a call without a token by it. Raises
        SettingsError where the policy cannot be used.
        """
        self._settings = settings
        self._presents_certificate = presents_certificate
        self._audit = audit
        self._refusals = Refusals(audit.write if audit is not None else None)
        self._policy = (
            PolicyFile(settings.auth_policy, beyond_loopback=settings.is_open_to_others)
            if settings.auth_policy
            else Policy.open()
        )

    def admit(self, rpc: str, authorization: str | None, request_id: str) -> None:
        """Raises Failure where the caller may not make the call, `rpc` as `package.Service/Method`.

        A call is judged before its body is read, and nothing is asked of the mesh without: what the request
        in progress was let in for is not judged again.
        """
        current = requests.current.get()
        request = current if isinstance(current, DoorRequest) else None
        if request is not None and (rpc, authorization) in request.admitted:
            return
        began = time.monotonic()
        try:
            if self._presents_certificate and authorization is None:
                raise Unauthenticated
            identity = self._policy.authorize(f"/{rpc}", authorization, ())
            if rpc in routes.OPERATORS_ONLY and self._settings.is_open_to_others:
                raise PermissionDenied
        except MedmeshError as error:
            raise self.refused(f"/{rpc}", error, request_id, time.monotonic() - began) from None
        if request is not None:
            request.admitted.add((rpc, authorization))
            request.sharer = identity.tenant or request.sharer

    def refused(self, method: str, error: MedmeshError, request_id: str, elapsed_s: float = 0.0) -> Failure:
        """The failure for the caller of what was refused, once it is in the audit log. `method` is a name
        of the door's own, such as a route, and nothing of the caller's.
        """
        facts = {
            "method": method,
            "status": code_name(error),
            "reason": error.reason.value,
            **_NOBODY,
        }
        if self._refusals.are_many:
            self._refusals.count(facts, elapsed_s)
            requests.note(**{COUNTED: True})
        else:
            self._refusals.told()
            self._write({"request_id": request_id, **facts, "elapsed_ms": round(elapsed_s * 1e3, 1)})
        return Failure.of(error, request_id)

    async def problem(self) -> str:
        """Why refusals cannot be audited now; empty: they can."""
        return await self._audit.problem() if self._audit is not None else ""

    def close(self) -> None:
        """Writes what was counted and not yet told."""
        self._refusals.tell()

    def _write(self, record: Mapping[str, object]) -> None:
        if self._audit is not None:
            self._audit.write(record)
