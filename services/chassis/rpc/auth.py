"""Who calls, and what he may call: bearer tokens and client certificates against a written policy.

The policy is a TOML file; nothing is secret in it, since it holds the SHA-256 of each token:

    [identities.orchestrator]
    token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    certificate = "orchestrator.hospital.example"   # a subject alternative name, or the common name
    allow = ["/medmesh.imaging.v1.ImagingService/*"]

    [anonymous]                                     # what everybody may call
    allow = ["/grpc.health.v1.Health/*"]            # the default when the table is absent
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.settings import SettingsError

ANONYMOUS_DEFAULT = ("/grpc.health.v1.Health/*",)
OPERATOR_METHODS = ("/medmesh.common.v1.ModelCatalogService/ReloadModels",)
"""What only an identity of the policy may call that is allowed it, never an anonymous caller; where there
is no policy, only a caller on this machine."""
_KEY = "MEDMESH_AUTH_POLICY"


@dataclass(frozen=True)
class Identity:
    """A caller that the policy knows."""

    name: str
    kind: str
    """How it was proven: `none`, `token` or `certificate`."""
    allow: tuple[str, ...]
    """Patterns of full method names."""


@dataclass(frozen=True)
class _Entry:
    name: str
    token_sha256: str
    certificate: str
    allow: tuple[str, ...]


class Policy:
    """The identities and the methods that each may call."""

    def __init__(
        self,
        entries: Iterable[_Entry] = (),
        anonymous: tuple[str, ...] = ("*",),
        *,
        anonymous_operators: bool = False,
    ) -> None:
        self._entries = tuple(entries)
        self._anonymous = Identity("anonymous", "none", anonymous)
        self._anonymous_operators = anonymous_operators

    @classmethod
    def open(cls, *, operators: bool = True) -> Policy:
        """Everybody may call everything: the default, on loopback or behind another guard.

        `operators`: the methods of operators too, which is right on loopback alone.
        """
        return cls(anonymous_operators=operators)

    @classmethod
    def read(cls, path: Path) -> Policy:
        """Reads the file. Raises SettingsError when it cannot be used."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(_KEY, "the file cannot be read") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(_KEY, "the file is not valid TOML") from error
        unknown = set(document) - {"identities", "anonymous"}
        if unknown:
            raise SettingsError(_KEY, f"unknown tables: {', '.join(sorted(unknown))}")
        identities = document.get("identities", {})
        anonymous = document.get("anonymous", {"allow": list(ANONYMOUS_DEFAULT)})
        if not isinstance(identities, dict) or not isinstance(anonymous, dict):
            raise SettingsError(_KEY, "identities and anonymous must be tables")
        entries = [_entry(name, table) for name, table in identities.items()]
        return cls(entries, _allow("anonymous", anonymous))

    def authorize(self, method: str, authorization: str | None, certificate_names: Iterable[str]) -> Identity:
        """The caller's identity. Raises Unauthenticated or PermissionDenied.

        `authorization` is the metadata value of that name; `certificate_names` are those of the client's
        verified certificate. A token that nobody has is refused even where an anonymous caller is let in.
        """
        identity = self._identify(authorization, certificate_names)
        if method in OPERATOR_METHODS and not self._anonymous_operators:
            if identity is self._anonymous:
                raise Unauthenticated
            if not any(fnmatchcase(method, pattern) for pattern in identity.allow):
                raise PermissionDenied
            return identity
        # What everybody may call, an identity may call too.
        if any(fnmatchcase(method, pattern) for pattern in (*identity.allow, *self._anonymous.allow)):
            return identity
        if identity is self._anonymous:
            raise Unauthenticated
        raise PermissionDenied

    def _identify(self, authorization: str | None, certificate_names: Iterable[str]) -> Identity:
        if not self._entries:
            return self._anonymous
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            digest = hashlib.sha256(token.encode()).hexdigest()
            if scheme.lower() == "bearer":
                for entry in self._entries:
                    if entry.token_sha256 and hmac.compare_digest(entry.token_sha256, digest):
                        return Identity(entry.name, "token", entry.allow)
            raise Unauthenticated
        names = set(certificate_names)
        for entry in self._entries:
            if entry.certificate and entry.certificate in names:
                return Identity(entry.name, "certificate", entry.allow)
        return self._anonymous


def certificate_names(auth_context: Mapping[str, Iterable[bytes]]) -> list[str]:
    """Names in the client certificate that gRPC has verified: alternative names, then the common name."""
    keys = ("x509_subject_alternative_name", "x509_common_name")
    return [name.decode("utf-8", "replace") for key in keys for name in auth_context.get(key, ())]


def _entry(name: str, table: object) -> _Entry:
    if not isinstance(table, dict):
        raise SettingsError(_KEY, f"identities.{name} must be a table")
    unknown = set(table) - {"token_sha256", "certificate", "allow"}
    if unknown:
        raise SettingsError(_KEY, f"identities.{name} has unknown keys: {', '.join(sorted(unknown))}")
    token, certificate = table.get("token_sha256", ""), table.get("certificate", "")
    if not token and not certificate:
        raise SettingsError(_KEY, f"identities.{name} needs token_sha256 or certificate")
    if token and (len(token) != 64 or set(token) - set("0123456789abcdef")):
        raise SettingsError(_KEY, f"identities.{name}.token_sha256 must be 64 lower-case hexadecimal digits")
    return _Entry(name, token, certificate, _allow(f"identities.{name}", table))


def _allow(where: str, table: Mapping[str, object]) -> tuple[str, ...]:
    allow = table.get("allow")
    if not isinstance(allow, list) or not all(isinstance(p, str) for p in allow):
        raise SettingsError(_KEY, f"{where}.allow must be a list of method patterns")
    return tuple(allow)
