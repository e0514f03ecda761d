"""Certificates end: which do within thirty days is told in the log once a day, and measured; one that has
ended already is refused at the start, by its name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medmesh.connection import Tls
from services.chassis.peers import TlsFiles
from services.chassis.settings import ListeningSettings, ServiceSettings, SettingsError

if TYPE_CHECKING:
    from cryptography import x509

logger = logging.getLogger("medmesh.tls")

WARNED_BEFORE_S = 30 * 86_400.0
_DAY_S = 86_400.0
_LOOK_S = 60.0
_KEYS = {
    "certificate": ServiceSettings.key("tls_certificate"),
    "client_authority": ServiceSettings.key("tls_client_ca"),
    "upstream_authority": ServiceSettings.key("tls_upstream_ca"),
    "certificate_as_caller": "MEDMESH_CLIENT_CERTIFICATE",
    "mesh_authority": "MEDMESH_CLIENT_CA",
    "peer_authority": "tls.ca",
}
OWN = "certificate"
"""The file with what is shown, each of whose certificates has to last; the others hold authorities, of which
one that has ended may lie beside its successor."""


class Certificates:
    """The certificates that one process shows and trusts, read from their files whenever they are asked."""

    def __init__(self, files: Mapping[str, Path | str | None]) -> None:
        """`files`: by what they are for, OWN or `…_authority`, in letters that may stand in a metric. Those
        that are None are left out.
        """
        self._files = {purpose: Path(path) for purpose, path in files.items() if path is not None}
        self._told_at = float("-inf")

    @classmethod
    def of(cls, settings: ListeningSettings, mesh: Tls | None = None) -> Certificates:
        """Those that the settings name; `mesh`: those of a door that calls the mesh as a client, too."""
        return cls(
            {
                OWN: settings.tls_certificate,
                "client_authority": settings.tls_client_ca,
                "upstream_authority": getattr(settings, "tls_upstream_ca", None),
                **_as_caller(mesh),
            }
        )

    @classmethod
    def of_client(cls, mesh: Tls) -> Certificates:
        """Those of a client of the mesh."""
        return cls(_as_caller(mesh))

    @classmethod
    def of_node(cls, files: TlsFiles, mesh: Tls | None) -> Certificates:
        """Those of a node with a configuration file, which calls the mesh as a client."""
        return cls({OWN: files.certificate, "peer_authority": files.ca, **_as_caller(mesh)})

    def check(self) -> None:
        """Raises SettingsError where one has ended, or has not begun, or cannot be read."""
        for purpose, path in self._files.items():
            try:
                found = _read(path)
            except OSError as error:
                raise SettingsError(_key(purpose), "the file cannot be read") from error
            except ValueError as error:
                raise SettingsError(_key(purpose), "the file is not a PEM certificate") from error
            unusable = [one for one in found if _unusable(one)]
            if unusable and (purpose.startswith(OWN) or len(unusable) == len(found)):
                raise SettingsError(_key(purpose), _unusable(unusable[0]))

    def remaining_s(self) -> Iterator[tuple[str, float]]:
        """Of each file the time until the first of its certificates ends, in seconds; negative: it has ended.
        Of authorities those that have ended count only where no other is left. A file that cannot be read is
        left out.
        """
        now = datetime.now(UTC)
        for purpose, path in self._files.items():
            try:
                left = [(one.not_valid_after_utc - now).total_seconds() for one in _read(path)]
            except (OSError, ValueError):
                continue
            lasting = [] if purpose.startswith(OWN) else [one for one in left if one > 0]
            yield purpose, min(lasting or left)

    def problem(self) -> str:
        """Which has ended, in one sentence; empty: none."""
        ended = [purpose for purpose, left_s in self.remaining_s() if left_s <= 0]
        return f"a certificate has ended ({', '.join(ended)})" if ended else ""

    def tell(self) -> None:
        """Logs what ends soon, or has ended: once a day, however often it is called."""
        if time.monotonic() - self._told_at < _DAY_S:
            return
        self._told_at = time.monotonic()
        for purpose, left_s in self.remaining_s():
            facts = {"certificate": purpose, "file": self._files[purpose].name, "days": int(left_s // _DAY_S)}
            if left_s <= 0:
                logger.error("a certificate has ended", extra={"facts": facts})
            elif left_s < WARNED_BEFORE_S:
                logger.warning("a certificate ends soon", extra={"facts": facts})

    async def follow(self) -> None:
        """Tells once a day, until cancelled."""
        while True:
            await asyncio.to_thread(self.tell)
            await asyncio.sleep(_LOOK_S)


def _as_caller(mesh: Tls | None) -> dict[str, Path | str | None]:
    return {f"{OWN}_as_caller": mesh.certificate, "mesh_authority": mesh.ca} if mesh else {}


def _key(purpose: str) -> str:
    return _KEYS.get(purpose, purpose)


def _read(path: Path) -> list[x509.Certificate]:
    """Raises OSError, ValueError."""
    from cryptography import x509  # with the first certificate: 8 MB

    return x509.load_pem_x509_certificates(path.read_bytes())


def _unusable(certificate: x509.Certificate) -> str:
    """Why it cannot be used today; empty: it can."""
    now, name = datetime.now(UTC), certificate.subject.rfc4514_string()
    if certificate.not_valid_after_utc < now:
        return f"the certificate {name} ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if certificate.not_valid_before_utc > now:
        return f"the certificate {name} begins at {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""
