"""The DIMSE services: C-ECHO, C-STORE and the answers to storage commitment, for those who may call."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import sys
import tempfile
import threading
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import pynetdicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from clients.dicom_node import commitment
from clients.dicom_node.arrivals import MEGABYTE, Announced, Arrivals, Refusal, Refused
from clients.dicom_node.configuration import PORT, Configuration, Peer
from clients.dicom_node.outbox import Outbox
from services.chassis.peers import because, endpoint

log = logging.getLogger("medmesh.dicom_node")

TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
    RLELossless,
]
"""All that the mesh reads but the deflated one, which inflates without a bound."""
assert DeflatedExplicitVRLittleEndian not in TRANSFER_SYNTAXES  # noqa: S101 - pydicom decides what the lists hold

SUCCESS = 0x0000
STATUSES = {  # PS3.4 table B.2-1
    Refusal.FULL: 0xA700,
    Refusal.INCOMPLETE: 0xA900,
    Refusal.INCONSISTENT: 0xA900,
    Refusal.COMPRESSED: 0xC000,
    Refusal.MALFORMED: 0xC000,
}
_PDU_LIMIT_BYTES = 1024 * 1024
"""Of one protocol data unit, whatever its sender says: those of an association request are below it, those
with data are agreed on.
"""
_PDU_BYTES = 65536
_IDLE_S = 60
_POLL_S = 0.05
"""How soon it notices that it is to end."""
CONNECTIONS_WAITING = 128
"""Not accepted yet: a caller too many is to be told so, and not to wait for the kernel's next try."""
_REJECTED_PERMANENT, _BY_SERVICE_USER = 0x01, 0x01
_CALLING_TITLE_UNKNOWN = 0x03

pynetdicom._config.LOG_HANDLER_LEVEL = "none"  # noqa: SLF001 - as below; its handlers would only format what nobody logs
pynetdicom._config.STORE_RECV_CHUNKED_DATASET = True  # noqa: SLF001 - the library's documented way to set it
"""What arrives goes to a file as it comes, and not to memory."""


class _Handler(RequestHandler):
    """As the library's, but does not believe a length that no unit here can have, and waits for no unit for
    ever. Says why TLS failed.
    """

    def _create_association(self) -> Any:
        association: Any = super()._create_association()
        self.request.settimeout(_IDLE_S)
        receive = association.dul.socket.recv

        def bounded(size: int) -> bytearray:
            if size > _PDU_LIMIT_BYTES:
                raise OSError("a protocol data unit is longer than any that was agreed on")
            try:
                data: bytearray = receive(size)
            except ssl.SSLError as error:
                facts = {"address": self.client_address[0], "because": because(error)}
                log.warning("TLS with a caller failed", extra={"facts": facts})
                raise
            return data

        association.dul.socket.recv = bounded
        return association


class _Server(ThreadedAssociationServer):
    """As the library's, but shakes hands in the association's own thread, so that a caller who says nothing
    holds up nobody else.
    """

    request_queue_size = CONNECTIONS_WAITING

    def get_request(self) -> Any:
        listening: Any = self.socket
        request, address = listening.accept()
        if self.ssl_context:
            request = self.ssl_context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def shutdown(self) -> None:
        """Without the library's bookkeeping of servers that it started itself."""
        BaseServer.shutdown(self)

    def handle_error(self, *_: Any) -> None:
        """Says where, not what: the library prints all of it."""
        log.warning("a connection failed", exc_info=sys.exc_info())


class Receiver:
    """The listening side of the node."""

    def __init__(
        self, configuration: Configuration, arrivals: Arrivals, outbox: Outbox, arriving: Path
    ) -> None:
        self._configuration = configuration
        self._arrivals = arrivals
        self._outbox = outbox
        self._limit_bytes = configuration.node.max_object_mb * MEGABYTE
        tempfile.tempdir = str(
            arriving
        )  # where the library puts what arrives: as private, and as large, as the spool
        self._server = self._start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def service_classes(self) -> list[PresentationContext]:
        """What may be agreed on with who may call."""
        return self._server.contexts

    def stop(self) -> None:
        """Takes no more associations, and ends those that there are."""
        self._server.shutdown()
        self._server.server_close()
        for association in self._server.active_associations:
            association.abort()

    def _start(self) -> ThreadedAssociationServer:
        node = self._configuration.node
        ae = AE(ae_title=node.ae_title)
        ae.maximum_associations = node.max_associations
        ae.maximum_pdu_size = _PDU_BYTES
        ae.require_called_aet = True
        ae.network_timeout = _IDLE_S
        ae.add_supported_context(Verification)
        # A destination calls back with its answer: it is the provider then, and we are the user.
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), TRANSFER_SYNTAXES)
        server = ae.make_server(
            endpoint(node.listen, "node.listen", PORT),
            ssl_context=self._configuration.tls.server_context(),
            evt_handlers=[
                (evt.EVT_REQUESTED, self._check_caller),
                (evt.EVT_DATA_RECV, self._count_bytes),
                (evt.EVT_DIMSE_RECV, self._begin_message),
                (evt.EVT_REJECTED, _log_rejected),
                (evt.EVT_CONN_CLOSE, _discard),
                (evt.EVT_C_ECHO, _echo),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_N_EVENT_REPORT, commitment.answered, [self._outbox]),
            ],
            server_class=_Server,
            request_handler=_Handler,
        )
        threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="dimse", daemon=True).start()
        return server

    def _check_caller(self, event: Any) -> None:
        """Rejects who may not call, before anything is agreed on."""
        association = event.assoc
        if self.peer(association) is None:
            association.acse.send_reject(_REJECTED_PERMANENT, _BY_SERVICE_USER, _CALLING_TITLE_UNKNOWN)
            evt.trigger(association, evt.EVT_REJECTED, {})
            association.kill()

    def peer(self, association: Any) -> Peer | None:
        """Who calls; None: nobody who may."""
        title = str(association.requestor.primitive.calling_ae_title).strip()
        address = association.requestor.address_info.address
        if not self._configuration.peers:  # then it listens on loopback only
            return Peer(ae_title=title)
        return next((peer for peer in self._configuration.peers if peer.allows(title, address)), None)

    def _begin_message(self, event: Any) -> None:
        """A message is whole: the next one is counted from 0."""
        event.assoc.message_bytes = 0

    def _count_bytes(self, event: Any) -> None:
        association = event.assoc
        association.message_bytes = getattr(association, "message_bytes", 0) + len(event.data)
        if association.message_bytes > self._limit_bytes:
            log.warning("an object is larger than node.max_object_mb: its association was ended")
            association.dul.socket.close()

    def _store(self, event: Any) -> int:
        request = event.request
        sender = str(event.assoc.requestor.ae_title).strip()
        announced = Announced(str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        try:
            self._arrivals.take(event.dataset_path, sender, announced)
        except Refused as refused:
            log.warning("an object was not taken", extra={"facts": {"because": refused.refusal.value}})
            return STATUSES[refused.refusal]
        return SUCCESS


def _discard(event: Any) -> None:
    """Deletes what had come of an object when its connection ended: the library leaves it."""
    file = getattr(event.assoc.dimse.message, "_data_set_file", None)
    if file is not None:
        file.close()
        Path(file.name).unlink(missing_ok=True)


def _echo(_event: Any) -> int:
    return SUCCESS


def _log_rejected(event: Any) -> None:
    address = event.assoc.requestor.address_info.address
    facts = {"address": str(ipaddress.ip_address(address.split("%")[0]))}
    log.warning(
        "an association was rejected: the caller is not in [[peers]], or there are too many",
        extra={"facts": facts},
    )
