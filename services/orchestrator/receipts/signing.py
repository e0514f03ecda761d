"""Seals a statement into a DSSE envelope, with an Ed25519 signature where there is a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medmesh import receipt as receipts
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, ReceiptStatement, Signature
from services.chassis import ed25519

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer:
    """Signs with one key; without one it seals unsigned."""

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self._key = key
        self._key_id = receipts.key_id(key.public_key()) if key is not None else ""

    @classmethod
    def read(cls, path: Path) -> Signer:
        """The signer of a key file: PEM, PKCS #8, Ed25519, not encrypted.

        Raises OSError where it cannot be read, ValueError where it is no such key.
        """
        return cls(ed25519.private_key(path))

    def seal(self, statement: ReceiptStatement) -> EvidenceReceipt:
        """The statement's bytes in an envelope. From here on only these bytes count."""
        payload = receipts.payload_of(statement)
        envelope = EvidenceReceipt(payload_type=receipts.PAYLOAD_TYPE, payload=payload)
        if self._key is not None:
            signed = self._key.sign(receipts.pre_authentication_encoding(receipts.PAYLOAD_TYPE, payload))
            envelope.signatures.append(Signature(keyid=self._key_id, sig=signed))
        return envelope
