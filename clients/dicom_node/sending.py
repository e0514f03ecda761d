"""Sends results by C-STORE or STOW-RS: again, with growing pauses, until they are there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from clients.dicom_node import commitment
from clients.dicom_node.analyzing import pause_s
from clients.dicom_node.configuration import PORT, Configuration, Destination
from clients.dicom_node.outbox import Delivery, Outbox
from clients.dicom_node.outcomes import Refused, Unreachable
from clients.dicom_node.spool import Spool
from clients.dicom_node.web_client import Archive
from services.chassis.peers import endpoint

log = logging.getLogger("medmesh.dicom_node")

REFUSALS = 10
"""How often a destination may refuse an object before a person must look."""
_AT_ONCE = 50
"""Results in one association."""
_LOOK_S = 0.25
_TIMEOUT_S = 30
_COMMITMENT_WAIT_S = 2.0
"""How long an association stays open for the answer; most archives open one of their own for it."""
_OUT_OF_RESOURCES = range(0xA700, 0xA800)


class Sender:
    """One thread for each destination, so that one that is down holds up no other."""

    def __init__(self, configuration: Configuration, spool: Spool, outbox: Outbox) -> None:
        """Raises ConfigurationError where the files of `[tls]` cannot be used."""
        if any(to.tls for to in configuration.destinations):
            configuration.tls.client_context()  # each association reads them anew: they may be renewed
        self._configuration = configuration
        self._spool = spool
        self._outbox = outbox
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(to,), name=f"to-{to.name}", daemon=True)
            for to in configuration.destinations
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """Ends after the object that is under way."""
        self._ended.set()
        until = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, to: Destination) -> None:
        failures = 0
        while not self._ended.is_set():
            try:
                due = self._outbox.deliveries(to.name, time.time(), _AT_ONCE)
                if due:
                    self._send(to, due)
                failures = 0
                if len(due) < _AT_ONCE:
                    self._ended.wait(_LOOK_S)
            except Unreachable:
                facts = {"destination": to.name, "waiting": len(due)}
                log.warning("a destination cannot be reached; trying again", extra={"facts": facts})
                self._ended.wait(pause_s(failures))
                failures += 1
            except Exception:
                log.exception("sending failed; trying again")
                self._ended.wait(pause_s(failures))
                failures += 1

    def _send(self, to: Destination, due: Sequence[Delivery]) -> None:
        if to.url:
            archive = Archive(to.url, to.token_file, self._configuration.tls.ca)
            for one in due:
                self._each(one, archive.store)
            return
        asks = to.commitment
        answered = threading.Event()
        association = associate(
            self._configuration, to, _classes(self._spool, due), asks=asks, answered=(self._outbox, answered)
        )
        try:
            sent = []
            for one in due:
                if self._each(one, lambda path: _store(association, path), leave_open=asks):
                    sent.append(one)
                if self._ended.is_set():
                    break
            if asks and sent:
                if commitment.ask(association, sent, self._spool, self._outbox):
                    answered.wait(_COMMITMENT_WAIT_S)
                else:
                    for one in sent:
                        self._refused(
                            one, Refused("NO_COMMITMENT: the destination does not offer storage commitment")
                        )
        finally:
            association.release()

    def _each(self, one: Delivery, send: Any, *, leave_open: bool = False) -> bool:
        try:
            send(self._spool.results / one.file)
        except Refused as refused:
            self._refused(one, refused)
            return False
        if not leave_open:
            self._outbox.delivered(one)
        return True

    def _refused(self, one: Delivery, refused: Refused) -> None:
        log.warning(
            "a destination refused a result",
            extra={"facts": {"destination": one.destination, "why": str(refused)}},
        )
        ends = refused.for_ever or one.attempts + 1 >= REFUSALS
        self._outbox.not_delivered(one, str(refused), None if ends else time.time() + pause_s(one.attempts))


def associate(
    configuration: Configuration,
    to: Destination,
    classes: Sequence[UID],
    *,
    asks: bool = False,
    answered: tuple[Outbox, threading.Event] | None = None,
) -> Association:
    """An association with the destination. Raises Unreachable."""
    ae = AE(ae_title=configuration.node.ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = _TIMEOUT_S
    for uid in classes:
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    handlers: list[Any] = []
    if asks:
        ae.add_requested_context(StorageCommitmentPushModel)
    if answered is not None:
        handlers = [(evt.EVT_N_EVENT_REPORT, _committed, list(answered))]
    host, port = endpoint(to.address, "destinations.address", PORT)
    context = configuration.tls.client_context() if to.tls else None
    association = ae.associate(
        host,
        port,
        ae_title=to.ae_title,
        evt_handlers=handlers,
        tls_args=(context, host) if context else None,
    )
    if not association.is_established:
        raise Unreachable
    return association


def echo(configuration: Configuration, to: Destination) -> bool:
    """Whether the destination answers C-ECHO. Raises Unreachable."""
    association = associate(configuration, to, [Verification])
    try:
        status = association.send_c_echo()
        return bool("Status" in status and status.Status == 0)
    finally:
        association.release()


def _committed(event: evt.Event, outbox: Outbox, answered: threading.Event) -> tuple[int, None]:
    answer = commitment.answered(event, outbox)
    answered.set()
    return answer


def _store(association: Association, path: Path) -> None:
    dataset = dcmread(path)
    if not association.is_established:
        raise Unreachable
    try:
        status = association.send_c_store(dataset)
    except ValueError:  # no presentation context of its class was accepted
        name = UID(dataset.SOPClassUID).name
        raise Refused(
            f"NOT_TAKEN: the destination takes no {name}; leave it out of `results`", for_ever=True
        ) from None
    except RuntimeError:
        raise Unreachable from None
    if "Status" not in status:  # it hung up
        raise Unreachable
    if status.Status != 0 and status.Status >> 12 != 0xB:
        if status.Status in _OUT_OF_RESOURCES:
            raise Unreachable
        raise Refused(f"REFUSED: status {status.Status:04X}")


def _classes(spool: Spool, due: Sequence[Delivery]) -> list[UID]:
    found = {
        dcmread(spool.results / one.file, stop_before_pixels=True, specific_tags=["SOPClassUID"]).SOPClassUID
        for one in due
    }
    return sorted(found)
