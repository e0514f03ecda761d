"""From a block that arrived to its acknowledgement, which says that the message is kept only once it is."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import time
import uuid
from datetime import UTC, datetime

from clients.hl7_node.acknowledging import acknowledgement
from clients.hl7_node.cases import case
from clients.hl7_node.configuration import Node
from clients.hl7_node.faults import Condition, Fault
from clients.hl7_node.messages import Header, header, message
from services.queue.items import New, State
from services.queue.queue import Queue

log = logging.getLogger("medmesh.hl7_node")

_NAMESPACE = uuid.UUID("0b3c3f52-6a6e-4c57-9a39-6f1f3f3a7c11")
_COUNT_S = 1.0
"""For how long a count of what waits is believed."""
_MEGABYTE = 1024 * 1024
_TENANT = ""


class Arrivals:
    """Takes messages into their queue. Its methods block, and may be called from several threads."""

    def __init__(self, node: Node, queue: Queue) -> None:
        self._node = node
        self._queue = queue
        self._counted = (-_COUNT_S, 0)

    def take(self, block: bytes) -> bytes | None:
        """Makes the message durable, or keeps nothing of it. The acknowledgement to send; None: none is
        wanted.

        A message under a control id that its sender has used is acknowledged where it is the same one, and
        not taken again.
        """
        of, fault = Header(), None
        try:
            of = header(block)
            of.check()
            self._keep(block, of)
        except Fault as found:
            fault = found
        except (sqlite3.Error, OSError):
            log.exception("a message could not be kept")
            fault = Fault(Condition.INTERNAL, "the message could not be kept: send it again later")
        except Exception:  # whoever sent it is told, and the connection goes on
            log.exception("a message could not be dealt with")
            fault = Fault(Condition.INTERNAL, "the message could not be dealt with")
        if fault is not None:
            place = "-".join(str(part) for part in fault.location or ())
            facts = {"because": fault.sentence, "condition": fault.condition.code, "place": place}
            log.warning("a message was not taken", extra={"facts": facts})
        return acknowledgement(of, fault, datetime.now(UTC))

    def too_long(self, beginning: bytes) -> bytes | None:
        """The answer to a block that is longer than the limit."""
        try:
            of = header(beginning)
        except Fault:
            of = Header()
        sentence = f"the message is longer than {self._node.max_message_kb} kB"
        log.warning("a message was not taken", extra={"facts": {"because": sentence}})
        return acknowledgement(of, Fault(Condition.DATA, sentence), datetime.now(UTC))

    def _keep(self, block: bytes, of: Header) -> None:
        case(message(block, of, self._node.character_set))  # what could not be read later is not taken now
        key, digest = identity(of), _digest(block)
        known = self._queue.item(_TENANT, key)
        if known is None:
            self._refuse_when_full()
            self._queue.add([New(key, block, _TENANT, note=digest)])
            known = self._queue.item(_TENANT, key)
        if known is not None and known.note != digest:
            raise Fault(Condition.DUPLICATE, "the control id is that of another message", ("MSH", 1, 10))

    def _refuse_when_full(self) -> None:
        counted, count = self._counted
        if time.monotonic() - counted >= _COUNT_S:
            count = self._queue.count(State.WAITING, State.RUNNING)
            self._counted = (time.monotonic(), count)
        status = os.statvfs(self._node.folder)
        full = status.f_bavail * status.f_frsize < self._node.min_free_mb * _MEGABYTE
        if full or count >= self._node.max_waiting:
            raise Fault(
                Condition.INTERNAL, "too many messages wait, or the disk is nearly full: send it again later"
            )


def identity(of: Header) -> str:
    """What names a message: its sender's application and facility, and its control id; as a UUID."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(of.raw(number) for number in (3, 4, 10))))


def _digest(block: bytes) -> str:
    """Of all but MSH, whose time of sending may be another one when it is sent again."""
    body = block.lstrip(b"\r\n ").replace(b"\n", b"\r").partition(b"\r")[2]
    return hashlib.sha256(body.strip(b"\r")).hexdigest()
