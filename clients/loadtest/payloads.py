"""What requests carry: files in the sizes that a profile asks for, varied so that no two are the same and no
cache can answer.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from clients.loadtest.calls import CALLS, Payload
from clients.loadtest.profile import Traffic

_SENTENCES = re.compile(r"[^.\n]*(?:\.|\n|$)\s*")
_NUMBER = re.compile(r"(?<![\w.])\d{1,2}(?![\w.])")
_LONGEST_SHIFT_DAYS = 300


class Payloads:
    """Makes the payloads of one traffic; reads its files once."""

    def __init__(self, traffic: Traffic) -> None:
        """OSError, ValueError: a file cannot be read, or does not hold what it should."""
        carried = traffic.parts if len(CALLS[traffic.call].carries) > 1 else CALLS[traffic.call].carries
        self.as_given: list[str] = []
        """What goes as it is, although it should vary: sentences for the report."""
        self._image = self._note = self._patient = None
        if "image" in carried:
            self._image = self._images(traffic)
        if "note" in carried:
            self._note = _notes(traffic)
        if "patient" in carried:
            self._patient = _patients(traffic)

    def next(self, random_: random.Random) -> Payload:
        """One more."""
        return Payload(
            image=self._image(random_) if self._image else b"",
            note=self._note(random_) if self._note else "",
            patient=self._patient(random_) if self._patient else b"",
        )

    def _images(self, traffic: Traffic) -> Callable[[random.Random], bytes]:
        from clients.loadtest import payload_images  # numpy, Pillow and pydicom: no other command needs them

        content = payload_images.sized(
            traffic.image.read_bytes(), traffic.image_side_px, traffic.image_format
        )
        varied = payload_images.variations(content) if traffic.vary else None
        if varied is None and traffic.vary:
            self.as_given.append(
                f"{traffic.name}: each request carries the same image, since {traffic.image.name} is neither "
                "PNG, nor JPEG, nor DICOM with plain pixels"
            )
        return varied or (lambda _: content)


def _notes(traffic: Traffic) -> Callable[[random.Random], str]:
    try:
        text = traffic.note.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{traffic.note} is not UTF-8 text") from None
    if not text.strip():
        raise ValueError(f"{traffic.note} has no text")
    sentences = [found for found in _SENTENCES.findall(text) if found]

    def note(random_: random.Random) -> str:
        order = random_.sample(sentences, len(sentences)) if traffic.vary else sentences
        whole = "".join(_separate(sentence) for sentence in order)
        if traffic.note_characters:
            length = round(math.exp(random_.uniform(*map(math.log, traffic.note_characters))))
            whole = whole * math.ceil(length / len(whole))
            whole = whole[: max(whole.rfind(" ", 0, length + 1), length // 2, 1)]
        if not traffic.vary:
            return whole
        # The order of five sentences repeats soon; a line in front does not.
        return (
            f"Line {random_.randrange(10**9)}. {_NUMBER.sub(lambda _: str(random_.randrange(1, 99)), whole)}"
        )

    return note


def _separate(sentence: str) -> str:
    return sentence if sentence[-1].isspace() else f"{sentence} "


def _patients(traffic: Traffic) -> Callable[[random.Random], bytes]:
    content = traffic.patient.read_bytes()
    if not traffic.vary:
        return lambda _: content
    try:
        bundle = json.loads(content)
    except ValueError:
        raise ValueError(f"{traffic.patient} is not JSON") from None
    patients, quantities = [], []
    for resource in _resources(bundle):
        if resource.get("resourceType") == "Patient" and _day(resource.get("birthDate")):
            patients.append((resource, resource["birthDate"]))
        quantity = resource.get("valueQuantity")
        if isinstance(quantity, dict) and type(quantity.get("value")) in {int, float}:
            quantities.append((quantity, quantity["value"]))
    if isinstance(bundle, dict):
        bundle["id"] = "varied"

    def patient(random_: random.Random) -> bytes:
        for resource, born in patients:
            days = random_.randrange(_LONGEST_SHIFT_DAYS)
            resource["birthDate"] = (date.fromisoformat(born) - timedelta(days=days)).isoformat()
        for quantity, value in quantities:
            quantity["value"] = round(value * random_.uniform(0.97, 1.03), 4)
        if isinstance(bundle, dict):
            bundle["id"] = f"load-{random_.randrange(10**12)}"
        return json.dumps(bundle, ensure_ascii=False).encode()

    return patient


def _resources(bundle: Any) -> list[dict[str, Any]]:
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    found = [entry.get("resource") for entry in entries or () if isinstance(entry, dict)]
    return [resource for resource in found if isinstance(resource, dict)]


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
