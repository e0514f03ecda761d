"""A FHIR resource or bundle -> the same without what identifies a patient, by the names of its elements.

What `elements.tsv` names is removed, kept or mapped; dates are moved; every other text is left for
whoever reads texts, so that an element that nobody thought of is read and not trusted. Pure: the texts
are handed out and put back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from services.clinical.date_shift import shift_days
from services.clinical.fhir.bounded_json import Node
from services.clinical.tables import rows

_TABLE = Path(__file__).with_name("elements.tsv")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(T.*)?)?)?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,40})/([^/?]+)(?:/_history/[^/]+)?")
_SAMPLES = re.compile(r"(?:[-+.\dELU]+\s+)+[-+.\dELU]+\s*")
"""SampledData: numbers with spaces between them, which base64 does not have."""
_OLDEST_YEARS = 89
_LIKE_TEXT = ("text/",)


class Change(StrEnum):
    """What was done to an element; the contract's names."""

    REMOVED = "removed"
    ID_MAPPED = "id_mapped"
    DATE_SHIFTED = "date_shifted"
    TEXT_DEIDENTIFIED = "text_deidentified"
    GENERALISED = "generalised"


@dataclass
class Text:
    """A text that is still to be read, and where it goes back to."""

    holder: Any
    """The object or list that holds it."""
    place: str | int
    element: str
    text: str
    encoded: bool = False
    """Whether it stands there in base64."""


@dataclass
class Cleaned:
    """A resource whose structured elements are done; its texts are not."""

    root: Any
    texts: list[Text] = field(default_factory=list)
    known: list[tuple[str, str]] = field(default_factory=list)
    """Kind and value of what was removed, to be looked for in the texts."""
    changes: Counter[tuple[str, Change]] = field(default_factory=Counter)

    def put_back(self, texts: Sequence[str]) -> None:
        """Puts the texts where they came from; those that differ are counted."""
        for one, new in zip(self.texts, texts, strict=True):
            if new != one.text:
                self.changes[one.element, Change.TEXT_DEIDENTIFIED] += 1
                one.holder[one.place] = base64.b64encode(new.encode()).decode() if one.encoded else new


def cleaned(root: Node, key: bytes, patient: str) -> Cleaned:
    """`root` as `bounded_json.parse` gives it, which is changed in place. InvalidInput: it is no resource."""
    if not isinstance(root.value, dict) or not isinstance(root.value.get("resourceType"), str):
        root.refuse("must be a FHIR resource")
    return _Cleaner(key, patient or _only_patient(root.value), _latest_year(root.value)).run(root.value)


class _Cleaner:
    def __init__(self, key: bytes, patient: str, latest_year: int) -> None:
        self._key = key
        self._days = shift_days(key, patient)
        self._latest_year = latest_year

    def run(self, root: dict[str, Any]) -> Cleaned:
        self._done = Cleaned(root)
        self._object(root, "")
        return self._done

    def _object(self, value: dict[str, Any], place: str) -> None:
        kind = value.get("resourceType")
        if isinstance(kind, str) and _NAME.fullmatch(kind):
            place = kind
        if "contentType" in value or "data" in value:
            self._attachment(value, place)
        if "reference" in value and "display" in value:
            self._remove(value, "display", f"{place}.display")
        for name in list(value):
            said = _NAME.fullmatch(name.removeprefix("_"))
            self._member(value, name, f"{place}.{name}" if said else "(unknown)")

    def _member(self, holder: dict[str, Any], name: str, place: str) -> None:
        value = holder[name]
        rule, kind = _elements().get(name.removeprefix("_"), ("", ""))
        if rule == "remove":
            if kind:
                self._done.known += [(kind, text) for text in _texts_in(value) if len(text) > 2]
            self._remove(holder, name, place)
        elif name.startswith("_") or not _NAME.fullmatch(name):
            self._remove(holder, name, place)  # extensions of a primitive, or no element of FHIR
        elif name == "data" and isinstance(value, str):
            return  # see `_attachment`
        elif name == "url" and isinstance(value, str) and _NAME.fullmatch(value):
            return  # the type alone, as in a transaction's request
        elif rule == "id" and isinstance(value, str):
            self._map(holder, name, place)
        elif name == "birthDate" and isinstance(value, str):
            self._birth(holder, place)
        elif name == "text" and isinstance(value, dict) and "div" in value:
            self._remove(holder, name, place)  # the narrative repeats what the elements say
        elif rule == "keep" and not isinstance(value, dict | list):
            return
        else:
            self._value(holder, name, place)

    def _value(self, holder: Any, at: Any, place: str) -> None:
        value = holder[at]
        if isinstance(value, dict):
            if _is_high_age(value):
                value["value"] = _OLDEST_YEARS + 1
                self._done.changes[place, Change.GENERALISED] += 1
            self._object(value, place)
        elif isinstance(value, list):
            for index in range(len(value)):
                self._value(value, index, place)
        elif isinstance(value, str) and value.strip():
            if _DATE.fullmatch(value):
                self._date(holder, at, place)
            elif not _is_display_of_a_code(holder, at):
                self._done.texts.append(Text(holder, at, place, value))

    def _remove(self, holder: dict[str, Any], name: str, place: str) -> None:
        del holder[name]
        self._done.changes[place, Change.REMOVED] += 1

    def _map(self, holder: dict[str, Any], name: str, place: str) -> None:
        holder[name] = self._mapped(holder[name])
        self._done.changes[place, Change.ID_MAPPED] += 1

    def _mapped(self, value: str) -> str:
        """An id, a reference or an address; the same thing has one id in all of them."""
        if value.startswith("#"):
            return "#" + self._id(value[1:])
        if value.startswith("urn:uuid:"):
            return "urn:uuid:" + self._id(value.removeprefix("urn:uuid:"))
        found = _REFERENCE.fullmatch(value)
        if found:
            return f"{found[1]}/{self._id(found[2])}"
        return self._id(value)

    def _id(self, value: str) -> str:
        digest = hmac.digest(self._key, f"id|{value.lower()}".encode(), hashlib.sha256)
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def _date(self, holder: Any, at: Any, place: str) -> None:
        moved = self._moved(holder[at])
        if moved is None:
            holder[at] = holder[at][:4]
            self._done.changes[place, Change.GENERALISED] += 1
        else:
            holder[at] = moved
            self._done.changes[place, Change.DATE_SHIFTED] += 1

    def _moved(self, written: str) -> str | None:
        """None: it names no day, or none that there is."""
        found = _DATE.fullmatch(written)
        if found is None or found[3] is None:
            return None
        try:
            day = date(int(found[1]), int(found[2]), int(found[3])) + timedelta(self._days)
        except (ValueError, OverflowError):
            return None
        return day.isoformat() + (found[4] or "")

    def _birth(self, holder: dict[str, Any], place: str) -> None:
        year = holder["birthDate"][:4]
        if year.isdigit() and self._latest_year - int(year) <= _OLDEST_YEARS:
            holder["birthDate"] = year
        else:  # over 89, or not to be told
            del holder["birthDate"]
        self._done.changes[place, Change.GENERALISED] += 1

    def _attachment(self, value: dict[str, Any], place: str) -> None:
        """Of attachments texts alone are read; other files and addresses go."""
        data = value.get("data")
        if "url" in value and "contentType" in value:
            self._remove(value, "url", f"{place}.url")
        if not isinstance(data, str) or _SAMPLES.fullmatch(data):
            return
        try:
            if not str(value.get("contentType", "")).startswith(_LIKE_TEXT):
                raise ValueError  # noqa: TRY301  # goes as what is damaged goes
            text = base64.b64decode(data, validate=True).decode("utf-8")
        except (ValueError, binascii.Error):
            self._remove(value, "data", f"{place}.data")
            return
        if text.strip():
            self._done.texts.append(Text(value, "data", f"{place}.data", text, encoded=True))


@cache
def _elements() -> dict[str, tuple[str, str]]:
    return {name: (rule, kind) for name, rule, kind in rows(_TABLE, 3)}


def _texts_in(value: Any) -> Iterator[str]:
    """The values of a removed element that name somebody: not its uses, systems and dates."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in {"family", "given", "text", "value", "line", "city", "postalCode"}:
                yield from _texts_in(one)


def _is_display_of_a_code(holder: Any, at: Any) -> bool:
    """Whether it is the name of a code in a coding system: of the system's words, not of a person's."""
    return at == "display" and isinstance(holder, dict) and "code" in holder and "system" in holder


def _is_high_age(value: dict[str, Any]) -> bool:
    number = value.get("value")
    in_years = value.get("code") == "a" or value.get("unit") in {"a", "year", "years", "yr"}
    return in_years and isinstance(number, int | float) and number > _OLDEST_YEARS


def _resources(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield root
    entries = root.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _only_patient(root: dict[str, Any]) -> str:
    ids = {str(one.get("id", "")) for one in _resources(root) if one.get("resourceType") == "Patient"}
    return ids.pop() if len(ids) == 1 else ""


def _latest_year(value: Any) -> int:
    """Of all dates in it; what a birth is held against."""
    if isinstance(value, str):
        found = _DATE.fullmatch(value)
        year = int(found[1]) if found else 0
        return year if year < date.today().year + 1 else 0  # noqa: DTZ011  # a year, wherever one is
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_latest_year, members), default=0)
