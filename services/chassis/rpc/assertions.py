"""The caller's rights on the way from one service to the next: signed, for one method, for a minute.

An assertion is a JSON Web Token (EdDSA) in the metadata `x-medmesh-assertion`, beside the credentials of the
service that calls. It names the caller, how he was proven, his roles and his tenant, and the service and the
method that it is for. The service that is called takes it only from an identity whose entry in its policy has
the key (`assertion_key`), and applies the rights that its own policy gives the caller alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from services.chassis import ed25519
from services.chassis.errors import Unauthenticated
from services.chassis.settings import AssertingSettings, SettingsError

if TYPE_CHECKING:  # 8 MB, which a service without keys does not load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY = "x-medmesh-assertion"
LIFETIME_S = 60
_CLOCKS_DIFFER_S = 10
_ALGORITHM = "EdDSA"


@dataclass(frozen=True)
class Caller:
    """Whom a service calls for."""

    name: str
    kind: str
    """How he was proven to the service that he called: `none`, `token`, `jwt` or `certificate`."""
    roles: tuple[str, ...]
    """Of the policy; what an identity provider's token gave him."""
    tenant: str
    deferred: bool = False
    """Whether what is asked now was handed in earlier, so that no quota has counted it yet."""


@dataclass(frozen=True)
class Signer:
    """Makes the assertions of one service."""

    _key: Ed25519PrivateKey

    @classmethod
    def read(cls, path: Path) -> Self:
        """From an unencrypted Ed25519 key in PEM. Raises OSError, ValueError."""
        return cls(ed25519.private_key(path))

    def sign(self, caller: Caller, service: str, method: str) -> str:
        """The assertion for one method (`/package.Service/Method`) of one service, in some 0.15 ms."""
        import jwt

        now = int(time.time())
        claims = {
            "sub": caller.name,
            "kind": caller.kind,
            "roles": caller.roles,
            "tenant": caller.tenant,
            "aud": service,
            "method": method,
            "iat": now,
            "exp": now + LIFETIME_S,
        } | ({"deferred": True} if caller.deferred else {})
        return jwt.encode(claims, self._key, _ALGORITHM)


def signer(settings: AssertingSettings) -> Signer | None:
    """That of a service, where it has a key. Raises SettingsError."""
    if settings.assertion_key is None:
        return None
    try:
        return Signer.read(settings.assertion_key)
    except (OSError, ValueError) as error:
        raise SettingsError(
            settings.key("assertion_key"),
            "the file holds no unencrypted Ed25519 key in PEM, or cannot be read",
        ) from error


@dataclass(frozen=True)
class Verifier:
    """Reads the assertions of one service."""

    _key: Ed25519PublicKey

    @classmethod
    def read(cls, path: Path) -> Self:
        """From an Ed25519 public key in PEM. Raises OSError, ValueError."""
        return cls(ed25519.public_key(path))

    def verify(self, assertion: str, service: str, method: str) -> Caller:
        """Whom the call is for. Raises Unauthenticated, which says of no cause but clocks that differ."""
        import jwt

        try:
            claims = jwt.decode(
                assertion,
                self._key,
                algorithms=[_ALGORITHM],
                audience=service,
                leeway=_CLOCKS_DIFFER_S,
                options={"require": ["exp", "iat", "aud", "sub", "kind", "roles", "tenant", "method"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            # It is signed, so the service that made it may know: its branch fails, and nobody sees why else.
            sentence = f"an assertion of another time: the clocks differ by more than {_CLOCKS_DIFFER_S} s"
            raise Unauthenticated(sentence, metadata={"cause": "CLOCKS_DIFFER"}) from None
        except jwt.PyJWTError:
            raise Unauthenticated from None
        if claims["method"] != method or claims["exp"] - claims["iat"] > LIFETIME_S:
            raise Unauthenticated
        return Caller(
            claims["sub"],
            claims["kind"],
            tuple(claims["roles"]),
            claims["tenant"],
            deferred=claims.get("deferred") is True,
        )
