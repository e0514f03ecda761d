"""The settings of the console."""

from __future__ import annotations

from dataclasses import dataclass

from clients.gateway.settings import GatewaySettings


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings(GatewaySettings):
    """What the console is told: what the HTTP door is, which it stands on."""

    listen: str = "127.0.0.1:8081"
    """Address and port to listen on. Port 0 takes a free one."""
