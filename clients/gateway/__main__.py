"""Runs the HTTP door, or one that stands on it, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from clients.gateway.settings import GatewaySettings
from services.chassis import environment, memory
from services.chassis.observability import log
from services.chassis.settings import SettingsError

if TYPE_CHECKING:
    from clients.gateway.server import Around

logger = logging.getLogger("medmesh.gateway")
Kind = TypeVar("Kind", bound=GatewaySettings)


def _nothing(_settings: GatewaySettings) -> Around:
    return lambda door: door


def main(
    kind: type[Kind] = GatewaySettings,  # type: ignore[assignment]
    front: Callable[[Kind], Around] = _nothing,
) -> None:
    """Reads the settings, serves, drains, and ends the process.

    A door that stands on this one gives its settings, and what makes the application in front.
    """
    name = kind.NAME
    memory.reuse_large_blocks()
    try:
        from clients.gateway.server import running_gateway
    except ModuleNotFoundError as error:
        sys.exit(f"{name} does not start: {error.name} is not installed; install medmesh[gateway]")
    from services.chassis.rpc.transport import BindError

    async def serve(settings: Kind, handler: logging.Handler) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        log.withhold_foreign_text(handler, loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with running_gateway(settings, around=front(settings)) as address:
            if settings.is_open_to_others:
                logger.warning("reachable from other machines: what a caller may do, the mesh's policy says")
            logger.info("serving", extra={"facts": {"address": address}})
            await stop.wait()
        logger.info("stopped")

    try:
        settings = kind.from_environment()
        handler = log.configure(name, settings.log_level)
        for sentence in environment.unknown(os.environ):
            logger.warning(sentence)
        asyncio.run(serve(settings, handler))
    except (SettingsError, BindError) as error:
        sys.exit(f"{name} does not start: {error}")


if __name__ == "__main__":
    main()
