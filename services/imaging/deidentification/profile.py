"""What the basic profile of DICOM PS3.15 Annex E does to each attribute, with the options that keep more.

The table is data (`basic_profile.tsv`, table E.1-1; `safe_private.tsv`, table E.3.10-1); what stands in
no table is decided in `attributes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from importlib.resources import files

from services.imaging.deidentification.changes import Action


class Option(Enum):
    """The options of the profile that are offered: column of the table, code and meaning in CID 7050."""

    RETAIN_FULL_DATES = (
        "retain_longitudinal_full_dates",
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
    )
    RETAIN_MODIFIED_DATES = (
        "retain_longitudinal_modified_dates",
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    )
    RETAIN_PATIENT_CHARACTERISTICS = (
        "retain_patient_characteristics",
        "113108",
        "Retain Patient Characteristics Option",
    )
    RETAIN_DEVICE_IDENTITY = ("retain_device_identity", "113109", "Retain Device Identity Option")
    RETAIN_UIDS = ("retain_uids", "113110", "Retain UIDs Option")
    RETAIN_SAFE_PRIVATE = ("retain_safe_private", "113111", "Retain Safe Private Option")
    RETAIN_INSTITUTION_IDENTITY = (
        "retain_institution_identity",
        "113112",
        "Retain Institution Identity Option",
    )
    CLEAN_DESCRIPTORS = ("clean_descriptors", "113105", "Clean Descriptors Option")

    @property
    def column(self) -> str:
        """Its column of the table."""
        return self.value[0]

    @property
    def code(self) -> tuple[str, str]:
        """Code of the coding scheme DCM, and its meaning."""
        return self.value[1], self.value[2]


class Rule(StrEnum):
    """An action code of the table, a choice between several already made."""

    REMOVE = "X"
    EMPTY = "Z"
    REPLACE = "D"
    MAP_UID = "U"
    CLEAN = "C"
    KEEP = "K"

    @property
    def action(self) -> Action:
        """What is reported of it."""
        return _REPORTED[self]


_REPORTED: Mapping[Rule, Action] = {
    Rule.REMOVE: Action.REMOVED,
    Rule.EMPTY: Action.EMPTIED,
    Rule.REPLACE: Action.REPLACED,
    Rule.MAP_UID: Action.UID_MAPPED,
    Rule.CLEAN: Action.CLEANED,
}

_CHOSEN = {
    "X/Z": Rule.EMPTY,
    "X/D": Rule.REPLACE,
    "Z/D": Rule.REPLACE,
    "X/Z/D": Rule.REPLACE,
    "X/Z/U*": Rule.CLEAN,
}
"""Where the table leaves a choice to what the object's definition needs, that which fits every object: a
value that says nothing; of a sequence of references its items, with the identifiers in them mapped.
"""


@dataclass(frozen=True)
class Profile:
    """The rules of one choice of options."""

    rules: Mapping[int, Rule]
    """By tag."""
    options: frozenset[Option]

    def rule(self, tag: int) -> Rule | None:
        """None: the tag is not in the table."""
        return self.rules.get(tag)


@cache
def profile(options: frozenset[Option]) -> Profile:
    """The basic profile with these options; where two speak of an attribute, that which keeps more."""
    rules = {}
    for tag, row in _table().items():
        said = [row[option.column] for option in options if row[option.column]]
        code = "K" if "K" in said else "C" if said else row["basic"]
        rules[tag] = _CHOSEN[code] if code in _CHOSEN else Rule(code)
    return Profile(rules, options)


def is_embedded_graphic(tag: int) -> bool:
    """Whether it belongs to an overlay (60xx) or a curve (50xx), of which the table names some attributes and
    which mean nothing without them.
    """
    group = tag >> 16
    return group & 0xFF00 in {0x5000, 0x6000} and not group & 1


@cache
def names() -> Mapping[int, str]:
    """The table's name of each tag in it."""
    return {tag: row["name"] for tag, row in _table().items()}


@cache
def safe_private() -> Mapping[tuple[int, int, str], str]:
    """Value representation of the private attributes that are known to be safe, by group, last byte of the
    element and creator.
    """
    return {
        (int(row["group"], 16), int(row["element"], 16), row["creator"]): row["vr"]
        for row in _rows("safe_private.tsv")
    }


@cache
def _table() -> Mapping[int, Mapping[str, str]]:
    return {int(row["tag"], 16): row for row in _rows("basic_profile.tsv") if "x" not in row["tag"]}


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    header, *lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [dict(zip(header, line, strict=True)) for line in lines]
