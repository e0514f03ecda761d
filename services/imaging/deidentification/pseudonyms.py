"""What stands in the place of identifiers: the same key makes the same of the same, and nobody without it
can tell what it was made of.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, timedelta

from services.clinical.date_shift import shift_days

_ROOT = "2.25."
"""Identifiers made of UUIDs (PS3.5 B.2)."""


@dataclass(frozen=True)
class Pseudonyms:
    """Of one patient under one key."""

    key: bytes
    patient: str
    """Whatever tells patients apart."""

    def uid(self, uid: str) -> str:
        """A unique identifier for `uid`: the UUID (version 8, RFC 9562) that the key makes of it."""
        digest = bytearray(self._mac("uid", uid)[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return _ROOT + str(int.from_bytes(digest))

    @property
    def patient_id(self) -> str:
        """Stands for the patient: 16 characters."""
        return "P" + self._mac("patient", self.patient).hex()[:15].upper()

    def shifted(self, written: str) -> str | None:
        """A date or date-time of DICOM (`YYYYMMDD…`) moved, its time of day kept; None: it is no date."""
        try:
            before = date(int(written[:4]), int(written[4:6]), int(written[6:8]))
            moved = before + timedelta(shift_days(self.key, self.patient))
        except (ValueError, OverflowError):
            return None
        return moved.isoformat().replace("-", "") + written[8:]

    def _mac(self, purpose: str, value: str) -> bytes:
        return hmac.digest(self.key, f"medmesh:{purpose}:{value}".encode(), hashlib.sha256)
