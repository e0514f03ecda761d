"""Runs a node as a process: settings, log, signals, the sentence where it cannot start."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from clients.hl7_node.configuration import Configuration, check, load
from clients.hl7_node.node import Node
from clients.hl7_node.settings import Hl7NodeSettings
from medmesh.aio.client import AsyncClient
from services.chassis import environment as variables
from services.chassis.certificates import Certificates
from services.chassis.configuration_file import ConfigurationError
from services.chassis.observability import log
from services.chassis.settings import SettingsError
from services.queue.database import DatabaseError

logger = logging.getLogger("medmesh.hl7_node")


def configured(path: Path | None, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration of the file (else of the environment's, else the defaults), with what the
    environment says in its place.

    Raises ConfigurationError, SettingsError, OSError.
    """
    given = os.environ if environment is None else environment
    settings = Hl7NodeSettings.from_environment(given)
    file = path or settings.hl7_configuration
    configuration = Configuration() if file is None else load(file)
    node = dataclasses.replace(
        configuration.node,
        listen=settings.listen if given.get("MEDMESH_LISTEN") else configuration.node.listen,
        folder=settings.hl7_folder or configuration.node.folder,
        insecure=settings.insecure or configuration.node.insecure,
    )
    return check(dataclasses.replace(configuration, node=node))


def run(path: Path | None) -> None:
    """Runs until a signal ends it; ends the process with a sentence where it cannot start."""
    os.umask(0o077)  # whatever it writes is patient data
    try:
        configuration = configured(path)
        handler = log.configure("hl7_node", Hl7NodeSettings.from_environment().log_level)
        for sentence in variables.unknown(os.environ):
            logger.warning(sentence)
        asyncio.run(_until_signal(configuration, handler))
        logger.info("stopped")
    except (ConfigurationError, DatabaseError, SettingsError) as error:
        sys.exit(f"hl7-node does not start: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"hl7-node does not start: {where}{error.strerror or type(error).__name__}")


async def _until_signal(configuration: Configuration, handler: logging.Handler) -> None:
    loop = asyncio.get_running_loop()
    log.withhold_foreign_text(handler, loop)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with AsyncClient() as client:
        certificates = Certificates.of_node(configuration.tls, client.connection.tls)
        certificates.check()
        node = Node(configuration, client)
        await node.start()
        following = asyncio.create_task(certificates.follow())
        await ended.wait()
        following.cancel()
        await node.stop()
