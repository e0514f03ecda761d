"""JSON Web Tokens (RFC 7519) of the hospital's own identity provider, verified against its public keys.

The part `[tokens]` of the policy (`services.chassis.rpc.auth`):

    [tokens]
    issuer = "https://login.hospital.example/realms/clinic"
    audience = "medmesh"
    keys = "jwks.json"              # a JWKS, or one public key in PEM; beside the policy
    algorithms = ["RS256", "ES256", "EdDSA"]    # the default; shared secrets (HS256) are not taken
    leeway_s = 30                   # how far the clocks may differ; the default
    roles_claim = "roles"           # the default; dots lead into objects: `realm_access.roles`
    tenant_claim = "tenant"         # the default
    [tokens.roles]                  # what the issuer calls a role of the policy; others are ignored
    "medmesh-physician" = "physician"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.chassis.errors import Unauthenticated

ALGORITHMS = ("RS256", "ES256", "EdDSA")
_LONGEST_TOKEN = 16_384
_KNOWN = {"issuer", "audience", "keys", "algorithms", "leeway_s", "roles_claim", "tenant_claim", "roles"}
_SANE = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_PEM = "-----BEGIN "


@dataclass(frozen=True)
class Claims:
    """What a verified token says of its bearer."""

    subject: str
    roles: tuple[str, ...]
    """Roles of the policy."""
    tenant: str
    """Empty: the token names none."""


@dataclass(frozen=True)
class TokenVerifier:
    """Verifies tokens of one issuer. Build it by `read`."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_s: float
    roles_claim: str
    tenant_claim: str
    roles: Mapping[str, str]
    """The issuer's name of a role -> the policy's."""
    keys: Mapping[str, Any] = field(repr=False)
    """By key id; a key without one under the empty string."""

    @classmethod
    def read(cls, table: Mapping[str, Any], folder: Path) -> TokenVerifier:
        """From the table `[tokens]`; `keys` is looked for in `folder`.

        Raises ValueError in a sentence that names the key of the table.
        """
        if unknown := set(table) - _KNOWN:
            raise ValueError(f"tokens has unknown keys: {', '.join(sorted(unknown))}")
        for name in ("issuer", "audience", "keys"):
            if not isinstance(table.get(name), str) or not table[name]:
                raise ValueError(f"tokens.{name} must be a text")
        algorithms = tuple(table.get("algorithms", ALGORITHMS))
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ValueError(f"tokens.algorithms must be out of {', '.join(ALGORITHMS)}")
        leeway_s = table.get("leeway_s", 30)
        if not isinstance(leeway_s, int | float) or not 0 <= leeway_s <= 600:
            raise ValueError("tokens.leeway_s must lie between 0 and 600")
        roles = table.get("roles", {})
        if not isinstance(roles, dict) or not all(isinstance(role, str) for role in roles.values()):
            raise ValueError("tokens.roles must be a table of texts")
        return cls(
            issuer=table["issuer"],
            audience=table["audience"],
            algorithms=algorithms,
            leeway_s=float(leeway_s),
            roles_claim=str(table.get("roles_claim", "roles")),
            tenant_claim=str(table.get("tenant_claim", "tenant")),
            roles=roles,
            keys=_keys(folder / table["keys"]),
        )

    def verify(self, token: str) -> Claims:
        """What the token says. Raises Unauthenticated, which says nothing of it."""
        if len(token) > _LONGEST_TOKEN:
            raise Unauthenticated
        import jwt  # here, as cryptography: 8 MB that a service without an identity provider does not need

        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=list(self.algorithms),
                issuer=self.issuer,
                audience=self.audience,
                leeway=self.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            # For the log, where a wrong clock would otherwise look like many wrong tokens.
            raise Unauthenticated("a signed token of another time: expired, or the clocks differ") from None
        except jwt.PyJWTError:
            raise Unauthenticated from None  # the cause's text may quote the token
        subject = claims["sub"]
        if not _SANE.fullmatch(subject):
            raise Unauthenticated
        said = _at(claims, self.roles_claim)
        named = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        tenant = _at(claims, self.tenant_claim)
        return Claims(
            subject=subject,
            roles=tuple(self.roles[name] for name in named if isinstance(name, str) and name in self.roles),
            tenant=tenant if isinstance(tenant, str) and _SANE.fullmatch(tenant) else "",
        )

    def _key(self, token: str) -> Any:
        import jwt

        identifier = jwt.get_unverified_header(token).get("kid", "")
        if identifier in self.keys:
            return self.keys[identifier]
        if not identifier and len(self.keys) == 1:
            return next(iter(self.keys.values()))
        raise jwt.InvalidKeyError


def _at(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _keys(path: Path) -> dict[str, Any]:
    import jwt

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError("tokens.keys: the file cannot be read") from error
    try:
        if text.lstrip().startswith(_PEM):
            from cryptography.hazmat.primitives.serialization import load_pem_public_key

            return {"": load_pem_public_key(text.encode())}
        keys = jwt.PyJWKSet.from_dict(json.loads(text)).keys
    except (ValueError, jwt.PyJWTError) as error:
        raise ValueError("tokens.keys: the file holds no public key in PEM and no JWKS") from error
    public = {key.key_id or "": key for key in keys if key.key_type != "oct"}
    if not public:
        raise ValueError("tokens.keys: the JWKS holds no public key")
    return public
