"""What an identifier is, and one that was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The identifiers of HIPAA's Safe Harbor, 45 CFR 164.514(b)(2), in its order; then the two that it has
    inside of others. The names are those of the contract's `IdentifierKind`, and of a model's entity types.
    """

    NAME = "NAME"
    LOCATION = "LOCATION"
    DATE = "DATE"
    PHONE = "PHONE"
    FAX = "FAX"
    EMAIL = "EMAIL"
    SSN = "SSN"
    MEDICAL_RECORD = "MEDICAL_RECORD"
    HEALTH_PLAN = "HEALTH_PLAN"
    ACCOUNT = "ACCOUNT"
    LICENCE = "LICENCE"
    VEHICLE = "VEHICLE"
    DEVICE = "DEVICE"
    URL = "URL"
    IP_ADDRESS = "IP_ADDRESS"
    BIOMETRIC = "BIOMETRIC"
    PHOTOGRAPH = "PHOTOGRAPH"
    OTHER = "OTHER"
    AGE = "AGE"
    ORGANISATION = "ORGANISATION"


class Origin(StrEnum):
    """What found an identifier."""

    RULE = "RULE"
    LIST = "LIST"
    MODEL = "MODEL"
    CALLER = "CALLER"
    REPEATED = "REPEATED"


@dataclass(frozen=True, slots=True)
class Found:
    """An identifier: characters `[start, end)` of a text, in code points."""

    start: int
    end: int
    kind: Kind
    confidence: float
    origin: Origin = Origin.RULE


def merged(found: list[Found]) -> list[Found]:
    """The same characters, each once, in order. Of those that overlap one remains, over all that any of them
    covers: nothing that was found by one is left by another. The surest gives it its kind, of equals the longest.
    """
    result: list[Found] = []
    for item in sorted(found, key=lambda item: (item.start, -item.end)):
        if result and item.start < result[-1].end:
            last = result[-1]
            best = max(last, item, key=lambda one: (one.confidence, one.end - one.start))
            end = max(last.end, item.end)
            result[-1] = Found(last.start, end, best.kind, best.confidence, best.origin)
        else:
            result.append(item)
    return result
