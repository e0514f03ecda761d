"""Who calls, and what he may call: tokens and client certificates against a written policy.

The policy is a TOML file; nothing is secret in it, since it holds the SHA-256 of each token:

    [roles.physician]
    allow = ["/medmesh.orchestrator.v1.DiagnosticService/*"]
    priority = "urgent"                             # the highest that it may ask for; routine when absent

    [identities.orchestrator]
    token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    certificate = "orchestrator.hospital.example"   # a subject alternative name, or the common name
    assertion_key = "orchestrator.pub"              # may call for others (`services.chassis.rpc.assertions`)
    allow = ["/medmesh.common.v1.ModelCatalogService/*"]    # for itself

    [identities.ward-3]
    certificate = "ward-3.hospital.example"
    roles = ["physician"]                           # what they allow, beside `allow`
    tenant = "surgery"                              # whose quota it uses; the identity's name when absent

    [anonymous]                                     # what everybody may call; beyond loopback health alone
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
from services.chassis.rpc.assertions import Verifier
from services.chassis.rpc.quotas import Quota
from services.chassis.rpc.request import Priority
from services.chassis.rpc.tokens import TokenVerifier
from services.chassis.settings import SettingsError

logger = logging.getLogger("medmesh.auth")

_HEALTH = "/grpc.health.v1.Health/"
ANONYMOUS_DEFAULT = (f"{_HEALTH}*",)
OPERATOR_METHODS = ("/medmesh.common.v1.ModelCatalogService/ReloadModels",)
"""What only an identity of the policy may call that is allowed it, never an anonymous caller; where there
is no policy, only a caller on this machine."""
_KEY = "MEDMESH_AUTH_POLICY"
_LOOK_AGAIN_S = 1.0
_OF_POLICY = ("token", "certificate")
"""How an identity is proven that the policy names."""


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
    roles: tuple[str, ...] = ()
    """Of the policy, as an identity provider's token gave them."""
    via: str = ""
    """The identity that called for this one; empty: nobody did."""
    deferred: bool = False
    """What it handed in there earlier is done now, and no quota has counted it yet."""


@dataclass(frozen=True)
class _Entry:
    name: str
    token_sha256: str
    certificate: str
    rights: _Rights
    tenant: str
    delegates: Verifier | None
    """Reads whom it calls for; None: it calls for nobody but itself."""

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
    def open(cls) -> Policy:
        """Everybody may call everything, also the methods of operators: the default, on loopback alone."""
        return cls(anonymous_operators=True)

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
            [_entry(name, table, roles, folder) for name, table in document.get("identities", {}).items()],
            _rights("anonymous", anonymous),
            roles=roles,
            tokens=tokens,
            quotas={name: Quota.read(name, table) for name, table in document.get("tenants", {}).items()},
        )

    def authorize(
        self,
        method: str,
        authorization: str | None,
        certificate_names: Iterable[str],
        assertion: str | None = None,
        *,
        service: str = "",
    ) -> Identity:
        """The caller's identity. Raises Unauthenticated or PermissionDenied.

        `authorization` is the metadata value of that name; `certificate_names` are those of the client's
        verified certificate; `assertion` says whom that client calls for, `service` who is called. A token
        that nobody has is refused even where an anonymous caller is let in.
        """
        identity = self._identify(authorization, certificate_names)
        if assertion is not None and not self._is_open:
            identity = self._behind(identity, assertion, service, method)
        if method in OPERATOR_METHODS and not self._anonymous_operators:
            if identity.kind == "none":
                raise Unauthenticated
            if not any(fnmatchcase(method, pattern) for pattern in identity.allow):
                raise PermissionDenied
            return identity
        # What everybody may call, an identity may call too.
        if any(fnmatchcase(method, pattern) for pattern in (*identity.allow, *self._anonymous.allow)):
            return identity
        if identity.kind == "none":
            raise Unauthenticated
        raise PermissionDenied

    def _behind(self, caller: Identity, assertion: str, service: str, method: str) -> Identity:
        """Whom `caller` calls for, with the rights that this policy gives that one."""
        delegates = next((e.delegates for e in self._entries if e.name == caller.name), None)
        if caller.kind == "none":
            raise Unauthenticated
        if caller.kind not in _OF_POLICY or delegates is None:
            raise PermissionDenied
        asserted = delegates.verify(assertion, service, method)
        entry = next((e for e in self._entries if e.name == asserted.name), None)
        rights = _Rights()
        if asserted.kind == "jwt":
            rights = self._of_roles(asserted.roles)
        elif asserted.kind in _OF_POLICY and entry is not None:
            rights = entry.rights
        return Identity(
            asserted.name,
            asserted.kind,
            rights.allow,
            asserted.tenant,
            rights.priority,
            asserted.roles,
            via=caller.name,
            deferred=asserted.deferred,
        )

    def _of_roles(self, roles: Iterable[str]) -> _Rights:
        return sum((self._roles[role] for role in roles if role in self._roles), _Rights())

    @property
    def _is_open(self) -> bool:
        return not self._entries and self._tokens is None

    @property
    def lets_strangers_in(self) -> bool:
        """Whether an anonymous caller may do more than ask for the health."""
        return not all(pattern.startswith(_HEALTH) for pattern in self._anonymous.allow)

    def _identify(self, authorization: str | None, certificate_names: Iterable[str]) -> Identity:
        if self._is_open:
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
        rights = self._of_roles(claims.roles)
        return Identity(
            claims.subject,
            "jwt",
            rights.allow,
            claims.tenant or claims.subject,
            rights.priority,
            claims.roles,
        )


class PolicyFile:
    """A policy that follows its file. Raises SettingsError where it cannot be used at the start."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[Policy], None] = lambda _: None,
        *,
        beyond_loopback: bool = False,
    ) -> None:
        """`beyond_loopback`: the server can be reached from other machines, and a policy that lets anonymous
        callers do more than ask for its health is refused.
        """
        self._path = path
        self._on_change = on_change
        self._beyond_loopback = beyond_loopback
        self._policy = self._read()
        self._seen = self._state()
        self._looked_at = time.monotonic()
        on_change(self._policy)

    def authorize(
        self,
        method: str,
        authorization: str | None,
        certificate_names: Iterable[str],
        assertion: str | None = None,
        *,
        service: str = "",
    ) -> Identity:
        """As `Policy.authorize`, by what the file says now."""
        if time.monotonic() - self._looked_at >= _LOOK_AGAIN_S:
            self._look_again()
        return self._policy.authorize(method, authorization, certificate_names, assertion, service=service)

    def _look_again(self) -> None:
        self._looked_at = time.monotonic()
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._policy = self._read()
        except SettingsError as error:
            logger.error("policy not taken", extra={"facts": {"problem": str(error)}})  # noqa: TRY400 - said whole
            return
        self._on_change(self._policy)
        logger.info("policy taken")

    def _read(self) -> Policy:
        policy = Policy.read(self._path)
        if self._beyond_loopback and policy.lets_strangers_in:
            raise SettingsError(
                _KEY, "anonymous.allow: beyond loopback nobody unknown may call anything but health"
            )
        return policy

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


def _entry(name: str, table: object, roles: Mapping[str, _Rights], folder: Path) -> _Entry:
    if not isinstance(table, dict):
        raise ValueError(f"identities.{name} must be a table")  # noqa: TRY004 - of the file, not of a call
    unknown = set(table) - {
        "token_sha256",
        "certificate",
        "allow",
        "priority",
        "roles",
        "tenant",
        "assertion_key",
    }
    if unknown:
        raise ValueError(f"identities.{name} has unknown keys: {', '.join(sorted(unknown))}")
    token, certificate = table.get("token_sha256", ""), table.get("certificate", "")
    if not token and not certificate:
        raise ValueError(f"identities.{name} needs token_sha256 or certificate")
    if token and (len(token) != 64 or set(token) - set("0123456789abcdef")):
        raise ValueError(f"identities.{name}.token_sha256 must be 64 lower-case hexadecimal digits")
    if token == hashlib.sha256(b"").hexdigest():  # of a file that was empty: everybody could show it
        raise ValueError(f"identities.{name}.token_sha256 is that of no token at all")
    own = table.get("roles", [])
    if not isinstance(own, list) or not all(role in roles for role in own):
        raise ValueError(f"identities.{name}.roles must be a list of roles of the policy")
    rights = _rights(f"identities.{name}", {"allow": [], **table} if own else table)
    rights = sum((roles[role] for role in own), rights)
    tenant = str(table.get("tenant") or name)
    return _Entry(name, token, certificate, rights, tenant, _verifier(name, table, folder))


def _verifier(name: str, table: Mapping[str, Any], folder: Path) -> Verifier | None:
    if "assertion_key" not in table:
        return None
    try:
        return Verifier.read(folder / str(table["assertion_key"]))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"identities.{name}.assertion_key must name an Ed25519 public key in PEM beside the policy"
        ) from error


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
