"""Jobs in their queue: handed in, looked after, diagnosed, told of. What the servicer and the workers do."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from clients.jobs import webhooks
from clients.jobs.webhooks import Endpoint
from services.chassis.errors import (
    InvalidInput,
    JobUnknown,
    MedmeshError,
    Overloaded,
    QuotaExceeded,
    Reason,
    UpstreamUnavailable,
)
from services.chassis.rpc.assertions import Caller
from services.queue.items import Claimed, Item, New, State
from services.queue.queue import Queue
from services.queue.worker import Ended, Failed, Outcome, Refused

logger = logging.getLogger("medmesh.jobs")

JOBS, MESSAGES = "jobs", "webhooks"
"""Names of the queues."""
MESSAGE_PAUSES_S = (5.0, 3600.0)
MESSAGE_ATTEMPTS = 16
"""With these pauses an endpoint that is down is tried for about five hours."""
_FULL_RETRY_S = 60.0
_NAMESPACE = uuid.UUID("9c2b2a4e-6f0e-4a5b-8f57-0d6b8a4f5a77")
_FOR_GOOD = frozenset(
    {
        Reason.INPUT_MISSING,
        Reason.INPUT_TOO_LARGE,
        Reason.INPUT_MALFORMED,
        Reason.INPUT_UNSUPPORTED,
        Reason.INPUT_INCONSISTENT,
        Reason.INPUT_OUT_OF_RANGE,
        Reason.MODEL_UNKNOWN,
    }
)
"""Reasons that are about the case itself: another attempt would not change them."""


@dataclass(frozen=True)
class Terms:
    """What a job was handed in with, beside its case; nothing of a patient."""

    digest: str
    """SHA-256 of the request, so that another one under the same id is told from a repetition."""
    identity: str
    """For whom the mesh is asked."""
    identity_kind: str
    webhook: str
    timeout_s: float
    roles: tuple[str, ...] = ()
    """Of an identity provider's user: those that he had when he handed it in."""

    def note(self) -> str:
        """As the queue keeps it."""
        return json.dumps(self.__dict__)

    @classmethod
    def of(cls, item: Item | Claimed) -> Terms:
        """From the queue."""
        terms = json.loads(item.note)
        return cls(**terms | {"roles": tuple(terms.get("roles", ()))})


@dataclass(frozen=True)
class Ask:
    """One attempt at a case."""

    request_id: str
    """Another for each attempt: under the same one the orchestrator gives the answer that it gave before."""
    case: bytes
    owner: Caller
    timeout_s: float


Diagnose = Callable[[Ask], Awaitable[tuple[bytes, str]]]
"""Gives the diagnosis, and why it lacks a branch that another attempt may have; empty: it lacks none."""


class Jobs:
    """The jobs of all tenants. Its methods block, but for the two that work."""

    def __init__(
        self,
        queue: Queue,
        endpoints: Mapping[str, Endpoint],
        diagnose: Diagnose,
        *,
        maximum_waiting_count: int,
        retention_s: float,
    ) -> None:
        self._queue = queue
        self._endpoints = endpoints
        self._diagnose = diagnose
        self._maximum_waiting_count = maximum_waiting_count
        self.retention_s = retention_s

    def submit(self, tenant: str, job_id: str, case: bytes, priority: int, terms: Terms) -> Item:
        """The job, which is on the disk. Raises InvalidInput, QuotaExceeded."""
        known = self._queue.item(tenant, job_id)
        if known is None:
            endpoint = self._endpoints.get(terms.webhook)
            if terms.webhook and (endpoint is None or not endpoint.is_open_to(tenant)):
                raise InvalidInput(
                    Reason.INPUT_UNSUPPORTED, "webhook", "is none that this door knows for this tenant"
                )
            if self._queue.count(State.WAITING, tenant=tenant) >= self._maximum_waiting_count:
                raise QuotaExceeded("too many jobs wait", retry_after_s=_FULL_RETRY_S)
            self._queue.add([New(job_id, case, tenant, priority, terms.note())])
            known = self.get(tenant, job_id)
        if Terms.of(known).digest != terms.digest:
            raise InvalidInput(Reason.INPUT_INCONSISTENT, "request_id", "is that of another job")
        return known

    def get(self, tenant: str, job_id: str) -> Item:
        """A job. Raises JobUnknown."""
        item = self._queue.item(tenant, job_id)
        if item is None:
            raise JobUnknown
        return item

    def newest(self, tenant: str, state: State | None, before: int, count: int) -> list[Item]:
        """Jobs from the newest on, those before an id."""
        return self._queue.items(tenant=tenant, state=state, before=before, count=count)

    def cancel(self, tenant: str, job_id: str) -> Item:
        """Cancels a job that has not ended. Raises JobUnknown."""
        self._queue.cancel(tenant, job_id)
        return self.get(tenant, job_id)

    def result(self, tenant: str, job_id: str) -> tuple[Item, bytes | None]:
        """A job, and its diagnosis where it has one. Raises JobUnknown."""
        item = self.get(tenant, job_id)
        return item, self._queue.result(item.id)

    def forget(self) -> int:
        """Removes what has been kept for long enough."""
        return self._queue.forget(time.time() - self.retention_s)

    async def work(self, claim: Claimed) -> Outcome:
        """One attempt at a job."""
        terms = Terms.of(claim)
        name = f"{claim.tenant}\n{claim.key}\n{claim.attempt}"
        ask = Ask(
            str(uuid.uuid5(_NAMESPACE, name)),
            claim.payload,
            Caller(terms.identity, terms.identity_kind, terms.roles, claim.tenant, deferred=True),
            terms.timeout_s,
        )
        try:
            result, passing = await self._diagnose(ask)
            done = self._ended(claim, terms, State.DONE, result, passing)
            # One that lacks a branch for what will pass is asked for again, and kept as it is in the end.
            return Failed(passing, done) if passing else done
        except Overloaded as error:
            return Refused(error.reason, 1.0)
        except QuotaExceeded as error:
            return Refused(error.reason, error.retry_after_s, of_tenant=True)
        except MedmeshError as error:
            failed = self._ended(claim, terms, State.FAILED, reason=error.reason)
            if error.reason in _FOR_GOOD:
                return failed
            return Failed(error.reason, failed, nobody_answers=isinstance(error, UpstreamUnavailable))
        except Exception:  # one job must not end the work on all
            logger.exception("a job failed in an unforeseen way")
            return Failed(Reason.INTERNAL, self._ended(claim, terms, State.FAILED, reason=Reason.INTERNAL))

    def _ended(
        self, claim: Claimed, terms: Terms, state: State, result: bytes | None = None, reason: str = ""
    ) -> Ended:
        then = {}
        if terms.webhook:
            told = "succeeded" if state is State.DONE else "failed"
            body = webhooks.message(claim.key, told, time.time())
            key = f"{claim.tenant}\n{claim.key}"
            then[MESSAGES] = [New(key, body, claim.tenant, note=terms.webhook)]
        return Ended(state, result, reason, then=then)

    async def tell(self, claim: Claimed) -> Outcome:
        """One attempt at telling an endpoint."""
        endpoint = self._endpoints.get(claim.note)
        if endpoint is None:
            return Ended(State.FAILED, reason="ENDPOINT_REMOVED")
        identifier = f"msg_{hashlib.sha256(claim.key.encode()).hexdigest()[:32]}"
        try:
            status = await asyncio.to_thread(
                webhooks.deliver, endpoint, identifier, int(time.time()), claim.payload
            )
        except (OSError, http.client.HTTPException):
            status = 0
        if 200 <= status < 300:
            return Ended(State.DONE)
        logger.warning(
            "webhook not delivered",
            extra={"facts": {"endpoint": endpoint.name, "status": status, "attempt": claim.attempt}},
        )
        failed = Ended(State.FAILED, reason=f"HTTP_{status}" if status else "NO_ANSWER")
        return failed if status == webhooks.GONE else Failed(failed.reason, failed)
