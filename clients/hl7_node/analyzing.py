"""Asks the mesh about one message, and makes what is to be sent of the answer."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from clients.hl7_node import results
from clients.hl7_node.cases import Case, case
from clients.hl7_node.configuration import Configuration
from clients.hl7_node.faults import Fault
from clients.hl7_node.messages import Message, header, message
from medmesh import InvalidInput, MedmeshError, NotFound
from medmesh.aio.client import AsyncClient
from services.queue.items import Claimed, New, State
from services.queue.pressure import pause_s
from services.queue.worker import Ended, Failed, Outcome, Refused

log = logging.getLogger("medmesh.hl7_node")

MESSAGES = "hl7_messages"
"""Name of the queue of what was taken."""
ATTEMPTS = 8
"""Of what failed in a way that is not known to pass, and of what was at work when the node died."""
NOTHING_TO_READ = "NOTHING_TO_READ"
_PAUSES_S = (1.0, 300.0)


def results_queue(destination: str) -> str:
    """Name of the queue of what is to be sent there."""
    return f"hl7_results:{destination}"


class Analyzer:
    """What the worker of the queue of messages does."""

    def __init__(self, configuration: Configuration, client: AsyncClient) -> None:
        self._configuration = configuration
        self._client = client
        self._failures = 0
        """How often in succession the mesh was not there, or was busy."""

    async def work(self, claim: Claimed) -> Outcome:
        """One attempt at a message: it ends with results in the queues of their destinations, or a reason."""
        started = time.monotonic()
        try:
            source = message(claim.payload, header(claim.payload), self._configuration.node.character_set)
            asked = case(source)
            if asked.is_empty:
                log.info("there is nothing to read in a message", extra={"facts": {"message": claim.key}})
                return Ended(State.DONE, reason=NOTHING_TO_READ)
            report = await self._ask(claim.key, asked)
            then = self._messages(report, source, asked, claim.key)
        except MedmeshError as error:
            return self._failed(claim.key, error)
        except Fault as fault:  # its configuration was another one when it was taken
            return _parked(fault.sentence)
        except Exception:  # one message must not end the work on all
            log.exception("a message could not be dealt with", extra={"facts": {"message": claim.key}})
            return Failed("INTERNAL", _parked("INTERNAL"))
        self._failures = 0
        facts = {"message": claim.key, "observations": report.count, "destinations": len(then)}
        log.info("read", extra={"facts": facts | {"elapsed_ms": round(1000 * (time.monotonic() - started))}})
        return Ended(State.DONE, then=then)

    async def _ask(self, key: str, asked: Case) -> results.Report:
        timeout_s = self._configuration.node.timeout_s
        if asked.orders:
            # What is said beside the orders is not read: the check is of drugs against a record.
            check = await self._client.check_medications(
                asked.bundle(), asked.orders, timeout_s=timeout_s, request_id=key
            )
            return results.of_check(check, asked)
        diagnosis = await self._client.diagnose(
            note=asked.note or None,
            patient=asked.bundle() if asked.record else None,
            timeout_s=timeout_s,
            request_id=key,
        )
        return results.of_diagnosis(diagnosis, asked)

    def _messages(
        self, report: results.Report, source: Message, asked: Case, key: str
    ) -> dict[str, list[New]]:
        now, node = datetime.now(UTC), self._configuration.node
        return {
            results_queue(to.name): [New(key, results.message(report, source, asked, key, now, node, to))]
            for to in self._configuration.destinations
        }

    def _failed(self, key: str, error: MedmeshError) -> Outcome:
        facts = {"message": key, "reason": error.reason, "request_id": error.request_id}
        log.warning("the mesh did not read a message", extra={"facts": facts})
        said = f"{error.reason}: {error.message}" if error.reason else error.message
        if isinstance(error, InvalidInput | NotFound):
            return _parked(said)
        if error.status.name in {"INTERNAL", "UNKNOWN"}:
            return Failed(said, _parked(said))
        self._failures += 1  # the mesh, the network or a policy: nothing that the message could be blamed for
        return Refused(said, max(pause_s(self._failures, *_PAUSES_S), error.retry_after_s or 0.0))


def _parked(reason: str) -> Ended:
    return Ended(State.FAILED, reason=reason, keep_payload=True)
