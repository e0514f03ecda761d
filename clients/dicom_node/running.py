"""Runs a node as a process: log, signals, the sentence where it cannot start."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from clients.dicom_node.configuration import Configuration, ConfigurationError, load
from clients.dicom_node.database import LedgerError
from clients.dicom_node.node import Node
from medmesh import Client
from services.chassis.observability import log as mesh_log

FILE_VARIABLE = "MEDMESH_DICOM_NODE"
"""Names the configuration file where the command line does not."""
_WRONG, _FAILED = 2, 1


def configured(path: Path | None) -> Configuration:
    """The configuration of the file, of the environment's, or the defaults. Raises ConfigurationError,
    OSError.
    """
    named = path or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    return load(named) if named else Configuration()


def run(path: Path | None) -> int:
    """Runs until a signal ends it; the exit code."""
    os.umask(0o077)  # whatever it writes is patient data
    handler = mesh_log.configure("dicom_node", os.environ.get("MEDMESH_LOG_LEVEL") or "info")
    logging.getLogger().addHandler(
        handler
    )  # what libraries say, without their text: it may quote patient data
    logging.captureWarnings(capture=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with Client() as client:
            node = Node(configured(path), client)
            ended.wait()
            node.stop()
    except (ConfigurationError, LedgerError) as error:
        return _say(str(error), _WRONG)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or type(error).__name__}", _FAILED)
    return 0


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"medmesh: {sentence}.\n")
    return code
