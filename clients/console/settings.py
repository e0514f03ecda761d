"""The settings of the console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from clients.gateway.settings import GatewaySettings
from services.chassis.settings import bounded


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings(GatewaySettings):
    """What the console is told: what the HTTP door is, which it stands on, and who lets people in."""

    NAME: ClassVar[str] = "console"

    listen: str = "127.0.0.1:8081"
    """Address and port to listen on. Port 0 takes a free one."""

    oidc_issuer: str = ""
    """Issuer of the identity provider that people sign in at, as it calls itself, e.g.
    `https://login.hospital.example/realms/clinic`. Empty: no login."""
    oidc_client_id: str = "medmesh-console"
    """The console's name at the identity provider."""
    oidc_client_secret_file: Path | None = None
    """File with its secret there. Unset: a public client, which PKCE alone guards."""
    oidc_scope: str = "openid profile"
    """Scopes that are asked for, separated by spaces."""
    oidc_resource: str = ""
    """Resource that the access token is to be for (RFC 8707). Empty: the provider knows."""
    session_s: float = bounded(28_800.0, 1.0, 604_800.0)
    """Longest time that a login lasts, in seconds."""

    @property
    def origin(self) -> str:
        """Where browsers reach it: the first of the allowed origins, else the address that it listens on."""
        scheme = "https" if self.tls_certificate else "http"
        return self.allowed_origins[0] if self.allowed_origins else f"{scheme}://{self.listen}"
