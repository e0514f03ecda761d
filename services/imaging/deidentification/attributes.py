"""A data set -> the same without what identifies, in place, nested items too.

An attribute of table E.1-1 is treated as the profile says. Of the others everything that is a number, a
registered identifier or a code of the standard stays; a text stays where all of its words are terms
(`vocabulary`), and goes otherwise, since people write names into whatever field there is. The standard
asks for less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from services.imaging.deidentification import vocabulary
from services.imaging.deidentification.changes import Action, Cause, Changes
from services.imaging.deidentification.profile import (
    Option,
    Profile,
    Rule,
    is_embedded_graphic,
    safe_private,
)
from services.imaging.deidentification.pseudonyms import Pseudonyms

_DATES = frozenset({"DA", "DT", "TM"})
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "DS", "IS"})
_WORDS_OF_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_DUMMIES: Mapping[str, Any] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0",
    "UR": "http://removed.invalid", "OB": b"\0\0", "UN": b"\0\0", "AT": 0,
    **dict.fromkeys(_NUMBERS - {"AT", "DS", "IS"}, 0),
    **dict.fromkeys(("OD", "OF", "OL", "OV", "OW"), bytes(8)),
}  # fmt: skip
"""Values that say nothing, by representation; of texts `REMOVED`."""
_BYTES_THAT_STAY = frozenset(
    {
        *map(Tag, ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "WaveformData", "LUTData")),
        *map(Tag, ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")),
        *(
            Tag(f"{segmented}{colour}PaletteColorLookupTableData")
            for segmented in ("", "Segmented")
            for colour in ("Red", "Green", "Blue")
        ),
    }
)
"""Attributes of bytes that are pictures, signals or tables of numbers; any other may hold a file of its
own.
"""
_SCHEME = Tag("CodingSchemeDesignator")
_PSEUDONYMS = frozenset(map(Tag, ("PatientID", "PatientName")))
_PATIENT_AGE = Tag("PatientAge")
_OLDEST_YEARS = 89
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_CODE_PARTS = frozenset(map(Tag, ("CodeValue", "CodeMeaning", "CodingSchemeDesignator")))
_DATE_OR_TIME = re.compile(r"[\d.:+\- ]*")


class Cleaner:
    """Takes out what identifies one patient, and counts what it did."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, changes: Changes) -> None:
        self._profile = profile
        self._pseudonyms = pseudonyms
        self._changes = changes
        self._by_rule: Mapping[Rule, Callable[[Dataset, DataElement], None]] = {
            Rule.REMOVE: lambda dataset, element: self._remove(dataset, element.tag, Cause.PROFILE),
            Rule.EMPTY: self._empty,
            Rule.REPLACE: self._replace,
            Rule.MAP_UID: self._map_uids,
            Rule.CLEAN: self._clean,
            Rule.KEEP: self._keep,
        }

    def clean(self, dataset: Dataset) -> None:
        """Cleans the data set where it stands, and all items in it. Never raises on what a file holds."""
        code = self._is_known_code(dataset)
        for tag in list(dataset.keys()):
            if not (code and tag in _CODE_PARTS):
                self._element(dataset, Tag(tag))

    def _element(self, dataset: Dataset, tag: BaseTag) -> None:
        if tag.element == 0:
            del dataset[tag]  # a group's length, which is written anew
            return
        if tag.is_private:
            self._private(dataset, tag)
            return
        if is_embedded_graphic(tag):
            self._remove(dataset, tag, Cause.EMBEDDED)
            return
        rule = self._profile.rule(tag)
        if rule is None and not dictionary_has_tag(tag):
            self._remove(dataset, tag, Cause.UNKNOWN)
            return
        element = _read(dataset, tag)
        if element is None:
            self._remove(dataset, tag, Cause.UNKNOWN)
        elif rule is None:
            self._unlisted(dataset, element)
        else:
            self._by_rule[rule](dataset, element)

    def _private(self, dataset: Dataset, tag: BaseTag) -> None:
        """Private attributes stay where the option is asked for and the table says that they are safe."""
        if tag.element <= 0xFF:
            return  # a creator: goes with its block, see `finish`
        safe = False
        if Option.RETAIN_SAFE_PRIVATE in self._profile.options:
            creator = _read(dataset, Tag(tag.group, tag.element >> 8))
            key = (tag.group, tag.element & 0xFF, str(creator.value).strip() if creator is not None else "")
            element = _read(dataset, tag)
            if key in safe_private() and element is not None and element.VR != "SQ":
                safe = self._says_nothing(element)
        if not safe:
            self._remove(dataset, tag, Cause.PRIVATE)

    def finish(self, dataset: Dataset) -> None:
        """Removes the creators of private blocks that are empty now, in nested items too."""
        for element in list(dataset):
            if element.VR == "SQ":
                for item in element.value:
                    self.finish(item)
            tag = element.tag
            if tag.is_private and tag.element <= 0xFF:
                block = range(tag.element << 8, (tag.element << 8) + 0x100)
                if not any(Tag(tag.group, one) in dataset for one in block):
                    self._remove(dataset, tag, Cause.PRIVATE)

    def _remove(self, dataset: Dataset, tag: BaseTag, cause: Cause) -> None:
        del dataset[tag]
        self._count(tag, Action.REMOVED, cause)

    def _empty(self, dataset: Dataset, element: DataElement) -> None:
        if element.tag in _PSEUDONYMS:
            self._replace(dataset, element)
            return
        if not element.is_empty:
            self._count(element.tag, Action.EMPTIED, Cause.PROFILE)
        element.value = (
            Sequence() if element.VR == "SQ" else b"" if element.VR in _WORDS_OF_BYTES | {"UN"} else None
        )

    def _replace(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)
            self._count(element.tag, Action.CLEANED, Cause.PROFILE)
            return
        if element.VR == "UI":
            self._map_uids(dataset, element)
            return
        if element.is_empty:
            return
        stands_for = self._pseudonyms.patient_id if element.tag in _PSEUDONYMS else "REMOVED"
        element.value = _DUMMIES.get(element.VR, stands_for)
        self._count(element.tag, Action.REPLACED, Cause.PROFILE)

    def _map_uids(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR != "UI":
            self._remove(dataset, element.tag, Cause.PROFILE)
            return
        values = [self._pseudonyms.uid(str(one)) for one in _values(element) if str(one)]
        if values:
            element.value = values if len(values) > 1 else values[0]
            self._count(element.tag, Action.UID_MAPPED, Cause.PROFILE)

    def _clean(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)
        elif element.VR in _DATES:
            self._shift(dataset, element)
        elif element.VR == "UI":
            self._map_uids(dataset, element)
        elif element.VR in _NUMBERS | _WORDS_OF_BYTES | {"UN", "PN", "AE"}:
            self._remove(dataset, element.tag, Cause.PROFILE)
        elif any(not vocabulary.is_plain(str(one)) for one in _values(element)):
            kept = [vocabulary.cleaned(str(one)) for one in _values(element)]
            element.value = kept if len(kept) > 1 else kept[0]
            self._count(element.tag, Action.CLEANED, Cause.PROFILE)

    def _keep(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)
        elif element.VR in _DATES:
            if not all(_DATE_OR_TIME.fullmatch(str(one)) for one in _values(element)):
                self._remove(dataset, element.tag, Cause.FREE_TEXT)
        elif element.tag == _PATIENT_AGE:
            years = re.fullmatch(r"\s*(\d{1,3})Y\s*", str(element.value or ""))
            if years and int(years[1]) > _OLDEST_YEARS:
                element.value = f"{_OLDEST_YEARS + 1:03d}Y"
                self._count(element.tag, Action.CLEANED, Cause.PROFILE)
            elif not re.fullmatch(r"\s*\d{3}[DWMY]\s*|", str(element.value or "")):
                self._remove(dataset, element.tag, Cause.FREE_TEXT)

    def _shift(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR == "TM":  # whole days are moved, so that times of day stay
            if not all(_DATE_OR_TIME.fullmatch(str(one)) for one in _values(element)):
                self._remove(dataset, element.tag, Cause.FREE_TEXT)
            return
        moved = [self._pseudonyms.shifted(str(one).strip()) for one in _values(element)]
        if any(one is None or not _DATE_OR_TIME.fullmatch(one) for one in moved):
            self._remove(dataset, element.tag, Cause.FREE_TEXT)
        elif moved:
            element.value = moved if len(moved) > 1 else moved[0]
            self._count(element.tag, Action.DATE_SHIFTED, Cause.PROFILE)

    def _unlisted(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)
        elif not self._says_nothing(element):
            embedded = element.VR in _WORDS_OF_BYTES
            self._remove(dataset, element.tag, Cause.EMBEDDED if embedded else Cause.FREE_TEXT)

    def _says_nothing(self, element: DataElement) -> bool:
        """Whether a value that the profile does not know cannot identify anybody."""
        kind, values = element.VR, _values(element)
        if element.is_empty:
            return True
        if kind in {"DS", "IS"}:
            return all(_NUMBER.fullmatch(str(getattr(one, "original_string", one))) for one in values)
        if kind in _NUMBERS:
            return True
        if kind in _WORDS_OF_BYTES:
            return element.tag in _BYTES_THAT_STAY
        if kind == "UI":
            return all(_is_registered(str(one)) for one in values)
        if element.tag == _SCHEME:
            return all(vocabulary.is_scheme(str(one).strip()) for one in values)
        if kind == "CS":
            return all(vocabulary.is_code_string(str(one).strip()) for one in values)
        if kind in _DATES | {"PN", "AE", "UR", "UN", "AS"}:
            return False
        return all(vocabulary.is_plain(str(one)) for one in values)

    def _is_known_code(self, item: Dataset) -> bool:
        """Whether it is a code of PS3.16; its meaning becomes the standard's own."""
        scheme, value = (_text(item, keyword) for keyword in ("CodingSchemeDesignator", "CodeValue"))
        meaning = vocabulary.meaning_of(scheme, value) if scheme and value else None
        if meaning is None:
            return False
        if _text(item, "CodeMeaning") != meaning:
            item.CodeMeaning = meaning
            self._count(Tag("CodeMeaning"), Action.CLEANED, Cause.FREE_TEXT)
        return True

    def _count(self, tag: BaseTag, action: Action, cause: Cause) -> None:
        name = dictionary_description(tag) if not tag.is_private and dictionary_has_tag(tag) else ""
        self._changes.add(f"{tag:08X}", name, action, cause)


def _read(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """The element as pydicom reads it; None: it is not there, or cannot be read."""
    try:
        element: DataElement | None = dataset.get(tag)
        if element is not None and element.VR == "SQ":
            len(element.value)
        return element
    except Exception:  # noqa: BLE001  # pydicom converts at the first touch and raises what it likes
        return None


def _values(element: DataElement) -> list[Any]:
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list) else [value]


def _text(item: Dataset, keyword: str) -> str:
    element = _read(item, Tag(keyword))
    return "" if element is None or element.VR == "SQ" else str(element.value or "").strip()


def _is_registered(uid: str) -> bool:
    """Whether the standard's registry has it; one's own may hold a device or a date."""
    return uid == "" or UID(uid).name != uid
