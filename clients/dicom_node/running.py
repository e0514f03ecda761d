"""Runs a node as a process: settings, log, signals, the sentence where it cannot start."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from clients.dicom_node.configuration import Configuration, check, load
from clients.dicom_node.database import LedgerError
from clients.dicom_node.node import Node
from clients.dicom_node.settings import DicomNodeSettings
from medmesh import Client
from services.chassis import environment as variables
from services.chassis.certificates import Certificates
from services.chassis.configuration_file import ConfigurationError
from services.chassis.observability import log
from services.chassis.settings import SettingsError

logger = logging.getLogger("medmesh.dicom_node")

_LOOK_S = 0.5
"""A signal that comes just before the main thread sleeps, or to another thread, does not wake it."""


def configured(path: Path | None, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration of the file (else of the environment's, else the defaults), with what the
    environment says in its place.

    Raises ConfigurationError, SettingsError, OSError.
    """
    given = os.environ if environment is None else environment
    settings = DicomNodeSettings.from_environment(given)
    file = path or settings.dicom_configuration
    configuration = Configuration() if file is None else load(file)
    node = dataclasses.replace(
        configuration.node,
        listen=settings.listen if given.get("MEDMESH_LISTEN") else configuration.node.listen,
        spool=settings.dicom_spool or configuration.node.spool,
        insecure=settings.insecure or configuration.node.insecure,
    )
    return check(dataclasses.replace(configuration, node=node))


def run(path: Path | None) -> None:
    """Runs until a signal ends it; ends the process with a sentence where it cannot start."""
    os.umask(0o077)  # whatever it writes is patient data
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        configuration = configured(path)
        handler = log.configure("dicom_node", DicomNodeSettings.from_environment().log_level)
        logging.getLogger().addHandler(handler)  # of libraries without the text: it may quote patient data
        logging.captureWarnings(capture=True)
        for sentence in variables.unknown(os.environ):
            logger.warning(sentence)
        with Client() as client:
            certificates = Certificates.of_node(configuration.tls, client.connection.tls)
            certificates.check()
            node = Node(configuration, client)
            while not ended.wait(_LOOK_S):
                certificates.tell()
            node.stop()
        logger.info("stopped")
    except (ConfigurationError, LedgerError, SettingsError) as error:
        sys.exit(f"dicom-node does not start: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"dicom-node does not start: {where}{error.strerror or type(error).__name__}")
