"""By how many days a patient's dates are moved: the same in notes, images and records of one patient under
one key.
"""

from __future__ import annotations

import hashlib
import hmac

MIN_KEY_BYTES = 16
"""Of the secret that shifts and pseudonyms hang on."""
LEAST_DAYS, MOST_DAYS = 30, 364


def shift_days(key: bytes, patient: str) -> int:
    """30 to 364 days, forward (positive) or back; nobody without the key can tell which.

    `patient`: whatever tells patients apart; empty: one shift for all that do not say.
    """
    digest = hmac.digest(key, f"shift|{patient}".encode(), hashlib.sha256)
    number = int.from_bytes(digest[:8], "big")
    days = LEAST_DAYS + number // 2 % (MOST_DAYS - LEAST_DAYS + 1)
    return days if number % 2 else -days
