"""Sends results by MLLP, each until it is acknowledged or a person must look."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from clients.hl7_node import mllp
from clients.hl7_node.configuration import PORT, Configuration, Destination
from clients.hl7_node.faults import Fault
from clients.hl7_node.messages import header, message
from services.chassis.peers import endpoint
from services.queue.items import Claimed, State
from services.queue.pressure import pause_s
from services.queue.worker import Ended, Failed, Outcome, Refused

log = logging.getLogger("medmesh.hl7_node")

REFUSALS = 10
"""How often a destination may refuse a result before a person must look."""
_TIMEOUT_S = 30.0
_PAUSES_S = (1.0, 300.0)
_TAKEN = frozenset({"AA", "CA"})
_LONGEST_ANSWER_BYTES = 64 * 1024


class Unreachable(Exception):  # noqa: N818 - named for what happened
    """The destination does not answer: nothing that a result could be blamed for."""


class Sender:
    """What the worker of one destination's results does."""

    def __init__(self, configuration: Configuration, to: Destination) -> None:
        self._configuration = configuration
        self._to = to
        self._failures = 0

    async def work(self, claim: Claimed) -> Outcome:
        """One attempt at a result."""
        try:
            code = await self._send(claim.payload)
        except Unreachable:
            self._failures += 1
            facts = {"destination": self._to.name, "failures": self._failures}
            log.warning("a destination cannot be reached; trying again", extra={"facts": facts})
            return Refused("UNREACHABLE", pause_s(self._failures, *_PAUSES_S))
        self._failures = 0
        if code in _TAKEN:
            return Ended(State.DONE)
        log.warning(
            "a destination refused a result", extra={"facts": {"destination": self._to.name, "code": code}}
        )
        reason = f"REFUSED: {code}"
        return Failed(reason, Ended(State.FAILED, reason=reason, keep_payload=True))

    async def _send(self, result: bytes) -> str:
        """The code of its acknowledgement (MSA-1). Raises Unreachable."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reader, writer = await connect(self._configuration, self._to)
            try:
                writer.write(mllp.framed(result))
                async with asyncio.timeout(_TIMEOUT_S):
                    await writer.drain()
                answer = await mllp.read(reader, idle_s=_TIMEOUT_S, stall_s=_TIMEOUT_S)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        except (OSError, mllp.BlockError):
            raise Unreachable from None
        if answer is None:
            raise Unreachable
        return _code(answer, header(result).raw(10))


async def connect(
    configuration: Configuration, to: Destination
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a destination. Raises OSError."""
    host, port = endpoint(to.address, "destinations.address", PORT)
    context = configuration.tls.client_context() if to.tls else None
    return await asyncio.open_connection(host, port, ssl=context, limit=_LONGEST_ANSWER_BYTES)


def _code(answer: bytes, control_id: str) -> str:
    """MSA-1 of an answer to this control id; a word where it is no such answer."""
    try:
        msa = next(message(answer, header(answer), "8859/1").named("MSA"), None)
        if msa is None or msa.text(2) != control_id:
            return "another message's answer"
        code = msa.text(1)
    except Fault:
        return "no acknowledgement"
    return code if code in {"AA", "AE", "AR", "CA", "CE", "CR"} else "an unknown code"
