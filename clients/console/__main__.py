"""Runs the console until SIGTERM or SIGINT: the HTTP door with the page in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.console.settings import ConsoleSettings
from clients.gateway.__main__ import main

if TYPE_CHECKING:
    from clients.gateway.server import Around


def serve() -> None:
    """Serves until it is told to stop."""
    main(ConsoleSettings, _page)


def _page(settings: ConsoleSettings) -> Around:
    from clients.console.login import Login
    from clients.console.page import Console

    return lambda door: Console(Login(door, settings))


if __name__ == "__main__":
    serve()
