"""The node: what listens, what analyses, what sends, over one spool and one ledger."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import IO

from pynetdicom.presentation import PresentationContext

from clients.dicom_node import overview
from clients.dicom_node.analyzing import Analyzer
from clients.dicom_node.arrivals import Arrivals
from clients.dicom_node.configuration import Configuration
from clients.dicom_node.database import Database
from clients.dicom_node.ledger import Ledger
from clients.dicom_node.outbox import Outbox
from clients.dicom_node.receiving import Receiver
from clients.dicom_node.sending import Sender
from clients.dicom_node.spool import Spool
from clients.dicom_node.web_server import WebServer
from medmesh import Client
from services.chassis import exclusive
from services.chassis.configuration_file import ConfigurationError

log = logging.getLogger("medmesh.dicom_node")

LEDGER = "ledger.sqlite"
_TIDY_S = 600.0
_GRACE_S = 20.0


class Node:
    """Runs from its making until `stop`."""

    def __init__(self, configuration: Configuration, client: Client) -> None:
        """Raises ConfigurationError where the spool is another node's, OSError where a port is taken."""
        self._configuration = configuration
        self._spool = Spool(configuration.node.spool)
        self._lock = _only_here(self._spool.folder)
        self.database = Database(self._spool.folder / LEDGER)
        ledger, outbox = Ledger(self.database), Outbox(self.database)
        left = self._spool.sweep(overview.files(self.database))
        if left:
            log.info("deleted what had not been taken when the node ended", extra={"facts": {"files": left}})
        self.arrivals = Arrivals(configuration, self._spool, ledger)
        self._analyzer = Analyzer(configuration, self._spool, ledger, client)
        self._sender = Sender(configuration, self._spool, outbox)
        self._receiver = Receiver(configuration, self.arrivals, outbox, self._spool.arriving)
        self._web = WebServer(configuration, self.arrivals) if configuration.node.web_listen else None
        self._ended = threading.Event()
        self._tidier = threading.Thread(target=self._tidy, name="tidy", daemon=True)
        self._analyzer.start()
        self._sender.start()
        self._tidier.start()
        ports = {"dimse_port": self.port, "web_port": self.web_port}
        log.info("listening", extra={"facts": ports | overview.counts(self.database)})

    @property
    def port(self) -> int:
        """Where C-STORE is taken."""
        return self._receiver.port

    @property
    def service_classes(self) -> list[PresentationContext]:
        """What is agreed on there with who may call."""
        return self._receiver.service_classes

    @property
    def web_port(self) -> int | None:
        """Where STOW-RS is taken; None: nowhere."""
        return self._web.port if self._web else None

    def stop(self) -> None:
        """Takes nothing more and ends what is under way; the rest waits in the spool for the next start."""
        self._ended.set()
        self._receiver.stop()
        if self._web is not None:
            self._web.stop()
        self._analyzer.stop(_GRACE_S)
        self._sender.stop(_GRACE_S)
        self._tidier.join(1)
        self.database.close()
        self._lock.close()

    def _tidy(self) -> None:
        while not self._ended.wait(_TIDY_S):
            try:
                for file in overview.outdated(
                    self.database, time.time() - self._configuration.node.keep_hours * 3600
                ):
                    for folder in (self._spool.objects, self._spool.results):
                        (folder / file).unlink(missing_ok=True)
            except Exception:
                log.exception("what is outdated could not be cleared away")


def _only_here(folder: Path) -> IO[bytes]:
    try:
        return exclusive.hold(folder / "lock")
    except exclusive.HeldError as error:
        raise ConfigurationError(
            f"node.spool: another node has {folder}; end it, or name another folder"
        ) from error
