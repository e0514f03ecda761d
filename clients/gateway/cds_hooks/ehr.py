"""Which EHR calls: its JWT, checked against the public keys that were agreed on.

The file that `MEDMESH_CDS_CLIENTS` names:

    audience = "https://door.hospital.example/cds-services"

    [ehr.main]
    issuer = "https://ehr.hospital.example"
    keys = "ehr.jwks.json"             # a JWKS, beside the file; the token's own `jku` is not followed
    mesh_token_file = "ehr.token"      # the token under which the mesh's policy knows this EHR; optional

The token of an EHR says nothing to the mesh's policy. What the EHR may call there, the policy says of the
identity whose token stands in the file.
"""

from __future__ import annotations

import json
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jwt

from services.chassis.errors import Unauthenticated
from services.chassis.settings import SettingsError

ALGORITHMS: Final = ("ES384", "RS384", "ES256", "RS256")
_LEEWAY_S: Final = 30
_LONGEST_TOKEN: Final = 16_384
_MOST_REMEMBERED: Final = 100_000
_CLAIMS: Final = ("iss", "aud", "exp", "iat", "jti")
_KEY: Final = "MEDMESH_CDS_CLIENTS"


@dataclass
class Ehrs:
    """The EHRs that may call."""

    audience: str
    _keys: dict[str, dict[str, Any]]
    """By issuer, by key id."""
    _token_files: dict[str, Path]
    _seen: dict[tuple[str, str], float] = field(default_factory=dict)
    """Tokens that were used, until they expire: each is good once."""

    @classmethod
    def read(cls, path: Path) -> Ehrs:
        """Reads the file. Raises SettingsError."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
            entries = document["ehr"].values()
            keys = {entry["issuer"]: _keys(path.parent / entry["keys"]) for entry in entries}
            files = {
                entry["issuer"]: path.parent / entry["mesh_token_file"]
                for entry in entries
                if "mesh_token_file" in entry
            }
            return cls(str(document["audience"]).rstrip("/"), keys, files)
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(_KEY, "the file, or one that it names, cannot be read") from error
        except (KeyError, TypeError, AttributeError, ValueError, jwt.PyJWTError) as error:
            raise SettingsError(
                _KEY, "must have audience and, for each EHR, a table with issuer and keys (a JWKS)"
            ) from error

    def mesh_token(self, authorization: str, service: str) -> str | None:
        """The token under which the mesh knows the caller, None where it has none.

        Raises Unauthenticated, which says nothing of what is wrong.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > _LONGEST_TOKEN:
            raise Unauthenticated
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
            claims = jwt.decode(
                token,
                self._keys[issuer][header["kid"]],
                algorithms=list(ALGORITHMS),
                issuer=issuer,
                audience=[self.audience, f"{self.audience}/{service}"],
                leeway=_LEEWAY_S,
                options={"require": list(_CLAIMS)},
            )
        except (jwt.PyJWTError, KeyError, TypeError):
            raise Unauthenticated from None  # the cause's text may quote the token
        self._use(issuer, str(claims["jti"]), float(claims["exp"]))
        file = self._token_files.get(issuer)
        return file.read_text(encoding="utf-8").strip() if file is not None else None

    def _use(self, issuer: str, identifier: str, expires: float) -> None:
        now = time.time()
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen = {key: until for key, until in self._seen.items() if until > now}
        if (issuer, identifier) in self._seen or len(self._seen) >= _MOST_REMEMBERED:
            raise Unauthenticated
        self._seen[issuer, identifier] = expires + _LEEWAY_S


def _keys(path: Path) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict(json.loads(path.read_text(encoding="utf-8"))).keys
    found = {key.key_id: key.key for key in keys if key.key_id}
    if not found:
        raise ValueError("no key with an id")
    return found
