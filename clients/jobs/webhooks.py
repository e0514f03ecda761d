"""Endpoints that are told when a job ends, in the format of Standard Webhooks (standardwebhooks.com).

An address never comes from a caller: the operator lists the endpoints, and a job names one. So nobody can
make this process call what only it can reach.

    [ris]
    url = "https://ris.hospital.example/hooks/medmesh"
    secret_file = "ris.secret"        # `whsec_` and 24 to 64 bytes in base64; beside this file
    tenants = ["surgery"]             # who may name it; everybody where it is absent
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.chassis.settings import SettingsError, is_loopback

_KEY = "MEDMESH_WEBHOOKS"
_PREFIX = "whsec_"
_SECRET_BYTES = (24, 64)
_TIMEOUT_S = 15.0
GONE = 410
"""An endpoint that answers so wants no more of this message (Standard Webhooks)."""


@dataclass(frozen=True)
class Endpoint:
    """Where a message goes."""

    name: str
    url: str
    secret: bytes = field(repr=False)
    tenants: tuple[str, ...] | None = None
    """Who may name it; None: everybody."""

    def is_open_to(self, tenant: str) -> bool:
        """Whether a job of the tenant may name it."""
        return self.tenants is None or tenant in self.tenants


def read(path: Path | None) -> Mapping[str, Endpoint]:
    """The endpoints by name. Raises SettingsError."""
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _endpoint(name, table, path.parent) for name, table in document.items()}
    except OSError as error:
        raise SettingsError(_KEY, "the file, or a secret beside it, cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(_KEY, "the file is not valid TOML") from error
    except ValueError as error:
        raise SettingsError(_KEY, str(error)) from None


def _endpoint(name: str, table: Any, folder: Path) -> Endpoint:
    if not isinstance(table, dict) or set(table) - {"url", "secret_file", "tenants"}:
        raise ValueError(f"{name} must be a table of url, secret_file and tenants")
    parts = urlsplit(str(table.get("url", "")))
    if not parts.hostname or parts.username or parts.fragment:
        raise ValueError(f"{name}.url must be an address without a user's name")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError(f"{name}.url must begin with https://, or be on this machine")
    tenants = table.get("tenants")
    if tenants is not None and not (isinstance(tenants, list) and all(isinstance(t, str) for t in tenants)):
        raise ValueError(f"{name}.tenants must be a list of texts")
    text = (folder / str(table.get("secret_file", ""))).read_text(encoding="ascii").strip()
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not _SECRET_BYTES[0] <= len(secret) <= _SECRET_BYTES[1]:
        raise ValueError(f"{name}.secret_file must hold whsec_ and 24 to 64 bytes in base64")
    return Endpoint(name, parts.geturl(), secret, None if tenants is None else tuple(tenants))


def message(job_id: str, state: str, ended: float) -> bytes:
    """What an endpoint is told: which job ended, and how. Nothing of the patient."""
    time = datetime.fromtimestamp(ended, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"type": f"job.{state}", "timestamp": time, "data": {"job_id": job_id, "state": state}}
    ).encode()


def signature(secret: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA-256 of id, time and body, in base64."""
    signed = f"{identifier}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def deliver(endpoint: Endpoint, identifier: str, timestamp: int, body: bytes) -> int:
    """Posts a message and returns the status; OSError and HTTPException where none came.

    Straight to the address: no proxy, no redirect, and of the answer nothing but its status is read.
    """
    parts = urlsplit(endpoint.url)
    kind: Any = http.client.HTTPConnection
    options: dict[str, Any] = {"timeout": _TIMEOUT_S}
    if parts.scheme == "https":
        kind, options["context"] = http.client.HTTPSConnection, ssl.create_default_context()
    connection = kind(parts.hostname, parts.port, **options)
    try:
        connection.request(
            "POST",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "medmesh",
                "webhook-id": identifier,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(endpoint.secret, identifier, timestamp, body),
            },
        )
        status: int = connection.getresponse().status
        return status
    finally:
        connection.close()
