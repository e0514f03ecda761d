"""Who calls, and what he may call: tokens and client certificates against a written policy.

The policy is a TOML file; nothing is secret in it, since it holds the SHA-256 of each token:

    [roles.physician]
    allow = ["/medmesh.orchestrator.v1.DiagnosticService/*"]
    priority = "urgent"                             # the highest that it may ask for; routine when absent

    [identities.orchestrator]
    token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    certificate = "orchestrator.hospital.example"   # a subject alternative name, or the common name
    allow = ["/medmesh.imaging.v1.ImagingService/*"]
    priority = "urgent"                             # it passes on its callers' priorities

    [identities.ward-3]
    certificate = "ward-3.hospital.example"
    roles = ["physician"]                           # what they allow, beside `allow`
    tenant = "surgery"                              # whose quota it uses; the identity's name when absent

    [anonymous]                                     # what everybody may call
    allow = ["/grpc.health.v1.Health/*"]            # the default when the table is absent

`[tokens]` takes an identity provider's tokens (`services.chassis.rpc.tokens`), `[tenants]` bounds what each
may use (`services.chassis.rpc.quotas`). The file, and the keys that it names, are read again when they
change; a file that cannot be used then is logged, and what was read before stays in force.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.rpc.quotas import Quota
from services.chassis.rpc.request import Priority
from services.chassis.rpc.tokens import TokenVerifier
from services.chassis.settings import SettingsError

logger = logging.getLogger("medmesh.auth")

ANONYMOUS_DEFAULT = ("/grpc.health.v1.Health/*",)
OPERATOR_METHODS = ("/medmesh.common.v1.ModelCatalogService/ReloadModels",)
"""What only an identity of the policy may call that is allowed it, never an anonymous caller; where there
is no policy, only a caller on this machine."""
_KEY = "MEDMESH_AUTH_POLICY"
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Identity:
    """A caller that the policy knows."""

    name: str
    kind: str
    """How it was proven: `none`, `token` (of the policy), `jwt` or `certificate`."""
    allow: tuple[str, ...]
    """Patterns of full method names."""
    tenant: str = ""
    """Whose quota it uses. Of an anonymous caller: empty."""
    priority: Priority = Priority.ROUTINE
    """The highest that it may ask for."""


@dataclass(frozen=True)
class _Entry:
    name: str
    token_sha256: str
    certificate: str
    rights: _Rights
    tenant: str

    def identity(self, kind: str) -> Identity:
        return Identity(self.name, kind, self.rights.allow, self.tenant, self.rights.priority)


@dataclass(frozen=True)
class _Rights:
    """What a role, an identity or everybody may do."""

    allow: tuple[str, ...] = ()
    priority: Priority = Priority.ROUTINE

    def __add__(self, other: _Rights) -> _Rights:
        return _Rights((*self.allow, *other.allow), min(self.priority, other.priority))


class Policy:
    """The identities and the methods that each may call."""

    def __init__(
        self,
        entries: Iterable[_Entry] = (),
        anonymous: _Rights = _Rights(("*",), Priority.URGENT),
        *,
        roles: Mapping[str, _Rights] | None = None,
        tokens: TokenVerifier | None = None,
        quotas: Mapping[str, Quota] | None = None,
        anonymous_operators: bool = False,
    ) -> None:
        self._entries = tuple(entries)
        self._anonymous = Identity("anonymous", "none", anonymous.allow, priority=anonymous.priority)
        self._roles = roles or {}
        self._tokens = tokens
        self.quotas: Mapping[str, Quota] = quotas or {}
        """By tenant."""
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
        try:
            return cls._of(document, path.parent)
        except ValueError as error:
            raise SettingsError(_KEY, str(error)) from error

    @classmethod
    def _of(cls, document: Mapping[str, Any], folder: Path) -> Policy:
        tables = ("roles", "identities", "anonymous", "tokens", "tenants")
        if unknown := set(document) - set(tables):
            raise ValueError(f"unknown tables: {', '.join(sorted(unknown))}")
        for name in tables:
            if not isinstance(document.get(name, {}), dict):
                raise ValueError(f"{name} must be a table")  # noqa: TRY004 - of the file, not of a call
        roles = {name: _rights(f"roles.{name}", table) for name, table in document.get("roles", {}).items()}
        tokens = TokenVerifier.read(document["tokens"], folder) if "tokens" in document else None
        if tokens and (unheard := set(tokens.roles.values()) - set(roles)):
            raise ValueError(f"tokens.roles names roles that are not there: {', '.join(sorted(unheard))}")
        anonymous = document.get("anonymous", {"allow": list(ANONYMOUS_DEFAULT)})
        return cls(
            [_entry(name, table, roles) for name, table in document.get("identities", {}).items()],
            _rights("anonymous", anonymous),
            roles=roles,
            tokens=tokens,
            quotas={name: Quota.read(name, table) for name, table in document.get("tenants", {}).items()},
        )

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
        if not self._entries and self._tokens is None:
            return self._anonymous
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated
            return self._of_token(token)
        names = set(certificate_names)
        for entry in self._entries:
            if entry.certificate and entry.certificate in names:
                return entry.identity("certificate")
        return self._anonymous

    def _of_token(self, token: str) -> Identity:
        digest = hashlib.sha256(token.encode()).hexdigest()
        for entry in self._entries:
            if entry.token_sha256 and hmac.compare_digest(entry.token_sha256, digest):
                return entry.identity("token")
        if self._tokens is None:
            raise Unauthenticated
        claims = self._tokens.verify(token)
        rights = sum((self._roles[role] for role in claims.roles), _Rights())
        return Identity(claims.subject, "jwt", rights.allow, claims.tenant or claims.subject, rights.priority)


class PolicyFile:
    """A policy that follows its file. Raises SettingsError where it cannot be used at the start."""

    def __init__(self, path: Path, on_change: Callable[[Policy], None]) -> None:
        self._path = path
        self._on_change = on_change
        self._policy = Policy.read(path)
        self._seen = self._state()
        self._looked_at = time.monotonic()
        on_change(self._policy)

    def authorize(self, method: str, authorization: str | None, certificate_names: Iterable[str]) -> Identity:
        """As `Policy.authorize`, by what the file says now."""
        if time.monotonic() - self._looked_at >= _LOOK_AGAIN_S:
            self._look_again()
        return self._policy.authorize(method, authorization, certificate_names)

    def _look_again(self) -> None:
        self._looked_at = time.monotonic()
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._policy = Policy.read(self._path)
        except SettingsError as error:
            logger.error("policy not taken", extra={"facts": {"problem": str(error)}})  # noqa: TRY400 - said whole
            return
        self._on_change(self._policy)
        logger.info("policy taken")

    def _state(self) -> tuple[tuple[str, int, int], ...]:
        """Of the folder's files: keys lie beside the policy, and a mounted secret changes as a folder."""
        found = []
        try:
            for entry in os.scandir(self._path.parent):
                status = entry.stat()
                found.append((entry.name, status.st_mtime_ns, status.st_size))
        except OSError:
            return ()
        return tuple(sorted(found))


def certificate_names(auth_context: Mapping[str, Iterable[bytes]]) -> list[str]:
    """Names in the client certificate that gRPC has verified: alternative names, then the common name."""
    keys = ("x509_subject_alternative_name", "x509_common_name")
    return [name.decode("utf-8", "replace") for key in keys for name in auth_context.get(key, ())]


def _entry(name: str, table: object, roles: Mapping[str, _Rights]) -> _Entry:
    if not isinstance(table, dict):
        raise ValueError(f"identities.{name} must be a table")  # noqa: TRY004 - of the file, not of a call
    unknown = set(table) - {"token_sha256", "certificate", "allow", "priority", "roles", "tenant"}
    if unknown:
        raise ValueError(f"identities.{name} has unknown keys: {', '.join(sorted(unknown))}")
    token, certificate = table.get("token_sha256", ""), table.get("certificate", "")
    if not token and not certificate:
        raise ValueError(f"identities.{name} needs token_sha256 or certificate")
    if token and (len(token) != 64 or set(token) - set("0123456789abcdef")):
        raise ValueError(f"identities.{name}.token_sha256 must be 64 lower-case hexadecimal digits")
    own = table.get("roles", [])
    if not isinstance(own, list) or not all(role in roles for role in own):
        raise ValueError(f"identities.{name}.roles must be a list of roles of the policy")
    rights = _rights(f"identities.{name}", {"allow": [], **table} if own else table)
    rights = sum((roles[role] for role in own), rights)
    return _Entry(name, token, certificate, rights, str(table.get("tenant") or name))


def _rights(where: str, table: object) -> _Rights:
    allow = table.get("allow") if isinstance(table, dict) else None
    if (
        not isinstance(table, dict)
        or not isinstance(allow, list)
        or not all(isinstance(p, str) for p in allow)
    ):
        raise ValueError(f"{where}.allow must be a list of method patterns")
    words = {priority.name.lower(): priority for priority in Priority}
    priority = table.get("priority", "routine")
    if priority not in words:
        raise ValueError(f"{where}.priority must be one of {', '.join(words)}")
    return _Rights(tuple(allow), words[priority])
