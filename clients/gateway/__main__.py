"""Runs the HTTP door until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from clients.gateway.settings import GatewaySettings
from services.chassis import environment, memory
from services.chassis.observability import log
from services.chassis.settings import SettingsError

logger = logging.getLogger("medmesh.gateway")


def main() -> None:
    """Reads the settings, serves, drains, and ends the process."""
    memory.return_large_blocks()
    try:
        from clients.gateway.server import running_gateway
    except ModuleNotFoundError as error:
        sys.exit(f"gateway does not start: {error.name} is not installed; install medmesh[gateway]")
    from services.chassis.rpc.transport import BindError

    async def serve(settings: GatewaySettings, handler: logging.Handler) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        log.withhold_foreign_text(handler, loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with running_gateway(settings) as address:
            if settings.is_open_to_others:
                logger.warning("reachable from other machines: what a caller may do, the mesh's policy says")
            logger.info("serving", extra={"facts": {"address": address}})
            await stop.wait()
        logger.info("stopped")

    try:
        settings = GatewaySettings.from_environment()
        handler = log.configure("gateway", settings.log_level)
        for sentence in environment.unknown(os.environ):
            logger.warning(sentence)
        asyncio.run(serve(settings, handler))
    except (SettingsError, BindError) as error:
        sys.exit(f"gateway does not start: {error}")


if __name__ == "__main__":
    main()
