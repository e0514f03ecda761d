"""What became of the cards: appended to a file, without anything of the patient.

A line has the service, the card's UUID, the outcome, the reason out of the door's own list, and times. What
a user wrote is left out: it could name the patient.
"""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from clients.gateway import json_form
from clients.gateway.cds_hooks.cards import OVERRIDE_REASONS
from services.chassis import exclusive
from services.chassis.append_only import append_line
from services.chassis.errors import InvalidInput, Reason

_OUTCOMES: Final = ("accepted", "overridden")
_MOST: Final = 100


def lines(body: bytes, service: str) -> list[dict[str, Any]]:
    """What is kept of a feedback. Raises InvalidInput."""
    document = json_form.document(body)
    given = document.get("feedback") if isinstance(document, dict) else None
    if not isinstance(given, list) or not 0 < len(given) <= _MOST:
        raise InvalidInput(Reason.INPUT_MALFORMED, "feedback", f"must be an array of 1 to {_MOST} objects")
    received = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        {"received": received, "service": service, **_line(item, f"feedback[{index}]")}
        for index, item in enumerate(given)
    ]


def keep(path: Path, kept: list[dict[str, Any]]) -> None:
    """Appends them. Raises HeldError where another process has the file, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        exclusive.take(file)
        for line in kept:
            append_line(file, json.dumps(line).encode(), durable=True)
    finally:
        os.close(file)


def _line(item: Any, place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidInput(Reason.INPUT_MALFORMED, place, "must be an object")
    outcome = item.get("outcome")
    if outcome not in _OUTCOMES:
        raise InvalidInput(
            Reason.INPUT_MALFORMED, f"{place}.outcome", f"must be one of {', '.join(_OUTCOMES)}"
        )
    kept = {
        "card": _uuid(item.get("card"), f"{place}.card"),
        "outcome": outcome,
        "time": _time(item.get("outcomeTimestamp"), f"{place}.outcomeTimestamp"),
    }
    suggestions = item.get("acceptedSuggestions") or []
    if outcome == "accepted" and isinstance(suggestions, list):
        kept["suggestions"] = [
            _uuid(
                one.get("id") if isinstance(one, dict) else None, f"{place}.acceptedSuggestions[{index}].id"
            )
            for index, one in enumerate(suggestions[:_MOST])
        ]
    override = item.get("overrideReason")
    if outcome == "overridden" and isinstance(override, dict):
        reason = override.get("reason")
        code = reason.get("code") if isinstance(reason, dict) else None
        kept["reason"] = code if isinstance(code, str) and code in OVERRIDE_REASONS else "other"
        kept["commented"] = bool(override.get("userComment"))
    return kept


def _uuid(value: Any, place: str) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(Reason.INPUT_MALFORMED, place, "must be a UUID") from None


def _time(value: Any, place: str) -> str:
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(Reason.INPUT_MALFORMED, place, "must be a time in ISO 8601") from None
