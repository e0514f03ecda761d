"""A model's signature: `signature.json` in its folder, over the digest of every other file there.

It is a DSSE envelope as that of a receipt, so openssl and jq verify it too (docs/model-folder.md).
Whoever trusts no key takes every model; whoever trusts some takes those alone that one of them has
signed, as they were signed.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from medmesh.receipt import key_id, pre_authentication_encoding
from services.chassis import ed25519
from services.chassis.models.card import Problem
from services.chassis.models.checks import sha256
from services.chassis.models.repository import CARD, CONFIG
from services.chassis.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE = "signature.json"
PAYLOAD_TYPE = "application/vnd.medmesh.model+json"
NOT_SIGNED = "is not signed"
"""What is told of a file that has been added to what was signed."""
_MAXIMUM_COUNT = 10_000
_MAXIMUM_BYTES = 4 * 1024 * 1024
_SIGN = "sign the model as it is, if it is as it should be: `medmesh models sign`"
_RESTORE = f"put back what was signed, or {_SIGN}"


def sign(folder: Path, key: Ed25519PrivateKey) -> int:
    """Signs a model's folder as it is now; how many files that covers. Raises OSError, ValueError."""
    files = _digests(folder)
    payload = json.dumps({"model": folder.name, "files": files}, indent=1, sort_keys=True).encode()
    made = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(made).decode()}],
    }
    written = folder / f".{FILE}.new"
    written.write_text(json.dumps(envelope, indent=2) + "\n", encoding="utf-8")
    written.replace(folder / FILE)
    return len(files)


def signers(folder: Path) -> list[str]:
    """Ids of the keys that a model's signature names, verified or not; none: it is not signed."""
    try:
        return [str(one["keyid"]) for one in _envelope(folder)["signatures"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


class TrustedKeys:
    """The keys of whom models are taken from."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Self | None:
        """From PEM files; None: no key is named. Raises SettingsError."""
        keys = []
        for path in paths:
            try:
                keys.append(ed25519.public_key(path))
            except (OSError, ValueError) as error:
                told = str(error) if isinstance(error, ValueError) else "the file cannot be read"
                raise SettingsError(ServiceSettings.key("model_keys"), told) from error
        return cls(keys) if keys else None

    def problems(self, folder: Path) -> list[Problem]:
        """Why a model's folder is not as one of the keys has signed it; empty: it is. Blocks: files are
        digested.
        """
        try:
            envelope = _envelope(folder)
        except FileNotFoundError:
            return [Problem(FILE, "is missing: the model is not signed", _SIGN)]
        except (OSError, ValueError):
            return [Problem(FILE, "cannot be read as a signature", _SIGN)]
        try:
            payload = self._verified(envelope)
            if payload is None:
                return [Problem(FILE, "is of none of the keys that MEDMESH_MODEL_KEYS names", _SIGN)]
            signed = json.loads(payload)
            name, files = str(signed["model"]), dict(signed["files"])
        except (ValueError, KeyError, TypeError):
            return [Problem(FILE, "cannot be read as a signature", _SIGN)]
        if name != folder.name:
            return [Problem(FILE, "is of another model", _SIGN)]
        try:
            return list(_differences(files, _digests(folder)))
        except ValueError as error:
            return [Problem(FILE, str(error), "take out what is not the model's")]
        except OSError as error:
            return [
                Problem(FILE, f"cannot be held against the folder ({error.strerror})", "see its permissions")
            ]

    def _verified(self, envelope: Mapping[str, Any]) -> bytes | None:
        """What one of the keys has signed; None: nothing."""
        from cryptography.exceptions import InvalidSignature

        payload = base64.b64decode(envelope["payload"], validate=True)
        for one in envelope["signatures"]:
            key = self._keys.get(one["keyid"])
            if key is not None and envelope["payloadType"] == PAYLOAD_TYPE:
                try:
                    key.verify(
                        base64.b64decode(one["sig"], validate=True),
                        pre_authentication_encoding(PAYLOAD_TYPE, payload),
                    )
                except InvalidSignature:
                    continue
                return payload
        return None


def _envelope(folder: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    path = folder / FILE
    if path.stat().st_size > _MAXIMUM_BYTES:
        raise ValueError("it is too large")
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - a file, not an argument
    return found


def _digests(folder: Path) -> dict[str, str]:
    """By path in the folder. Hidden files are no part of a model: nothing reads them but by a name in the
    card, with a digest beside it. Raises OSError, ValueError.
    """
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if not name.startswith(".") and relative != FILE:
                found[relative] = sha256(path)
        if len(found) > _MAXIMUM_COUNT:
            raise ValueError(f"covers more than {_MAXIMUM_COUNT} files")
    return found


def _differences(signed: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Problem]:
    for name in sorted(signed.keys() | found.keys()):
        if name not in found:
            if not _may_lie_elsewhere(name):
                yield Problem(name, "is missing, and was signed", _RESTORE)
        elif name not in signed:
            yield Problem(name, NOT_SIGNED, _RESTORE)
        elif signed[name] != found[name]:
            yield Problem(name, "is not as it was signed", _RESTORE)


def _may_lie_elsewhere(name: str) -> bool:
    """Weights and configurations may be on Triton's machine alone; whoever needs them here says so
    himself.
    """
    path = Path(name)
    return path.name != CARD and (name == CONFIG or path.parent.name.isdigit() or path.parts[0] == "configs")
