"""Single attributes of a data set: numbers that devices write wrongly, and functional groups.

pydicom would raise on a malformed decimal string wherever it is first touched, so decimal strings are read
here from their bytes. What is repaired or cannot be read is told apart: the caller says so in a notice or
refuses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from services.chassis.notices import Notice
from services.imaging.images import malformed

_BINARY_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Decimals:
    """The values of an attribute that holds numbers."""

    values: tuple[float | None, ...] = ()
    """None where a value is empty or no number; no values: the attribute is absent or empty."""
    repaired: bool = False
    """Whether a value was read although it is not written as PS3.5 6.2 wants it (a decimal comma)."""

    @property
    def first(self) -> float | None:
        """The first value."""
        return self.values[0] if self.values else None


def text(dataset: Dataset, keyword: str) -> str:
    """A text value without its padding, in upper case; the first of several; empty when absent."""
    return next(iter(texts(dataset, keyword)), "")


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """All values of a text attribute, each as `text` gives it."""
    written = [_decoded(one) for one in _scalars(dataset, keyword)]
    return [one.strip(" \0").upper() for one in written]


def identifier(dataset: Dataset, keyword: str) -> str:
    """A unique identifier without its padding; empty when absent."""
    return next((_decoded(one).strip(" \0") for one in _scalars(dataset, keyword)), "")


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _value(dataset: Dataset, keyword: str) -> Any:
    tag = _tag(keyword)  # by keyword pydicom takes a detour
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except Exception as error:  # pydicom converts at the first touch and raises what it likes
        raise malformed(f"holds {keyword} in a form that DICOM does not have") from error


def unread(dataset: Dataset, keyword: str) -> Any:
    """The element with its bytes as they stand in the file, where nobody has looked at it yet; None when
    absent.
    """
    tag = _tag(keyword)
    try:
        return dataset.get_item(tag) if tag in dataset else None
    except Exception as error:
        raise malformed(f"holds {keyword} in a form that DICOM does not have") from error


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _scalars(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of an attribute that holds texts or numbers, whatever the file says of it."""
    values = _several(_value(dataset, keyword))
    if any(isinstance(one, Dataset) for one in values):  # as a text pydicom would show all of its items
        raise malformed(f"holds {keyword} in a form that DICOM does not have")
    return values


def _decoded(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none when it is absent."""
    return [item for item in _several(_value(dataset, keyword)) if isinstance(item, Dataset)]


def pixel_bytes(dataset: Dataset) -> bytes | memoryview:
    """Pixel Data, encoded or not; empty when there is none."""
    value = _value(dataset, "PixelData")
    return value if isinstance(value, bytes | memoryview) else b""


def integer(dataset: Dataset, keyword: str) -> int | None:
    """A whole number; None when absent or empty. Raises InvalidInput, naming the attribute, when it is
    none.
    """
    value = _value(dataset, keyword)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise malformed(f"does not hold a whole number in {keyword}") from error


def needed(dataset: Dataset, keyword: str) -> int:
    """A whole number that the pixels cannot be read without."""
    value = integer(dataset, keyword)
    if value is None:
        raise malformed(f"lacks the DICOM attribute {keyword}, without which its pixels cannot be read")
    return value


def decimals(dataset: Dataset, keyword: str) -> Decimals:
    """The numbers of an attribute, whatever value representation they were written in."""
    element = unread(dataset, keyword)
    if element is None:
        return Decimals()
    if isinstance(element, RawDataElement) and element.VR not in _BINARY_NUMBERS | {"SQ"}:
        written = bytes(element.value or b"").decode("ascii", "replace").split("\\")
    else:
        written = [str(one) for one in _scalars(dataset, keyword)]
    if not any(one.strip(" \0") for one in written):
        return Decimals()
    numbers = [_number(one.strip(" \0\t\r\n")) for one in written]
    return Decimals(tuple(number for number, _ in numbers), any(repaired for _, repaired in numbers))


def _number(written: str) -> tuple[float | None, bool]:
    pointed = written.replace(",", ".") if written.count(",") == 1 and "." not in written else written
    if not _DECIMAL.fullmatch(pointed):
        return None, False
    number = float(pointed)
    return (number, pointed != written) if math.isfinite(number) else (None, False)


def macro(dataset: Dataset, sequence: str) -> Dataset:
    """The functional group `sequence` of the one frame: its own, else the shared one, else the data set
    itself.

    PS3.3 C.7.6.16.1.1: a functional group is per frame or shared; objects without groups have the attributes
    at the top.
    """
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for frame in items(dataset, groups)[:1]:
            for item in items(frame, sequence)[:1]:
                return item
    return dataset


def repaired(keyword: str) -> Notice:
    """A number was read although it is not written as the standard wants it."""
    return Notice(
        "DICOM_VALUE_REPAIRED",
        "A number of the file is written with a decimal comma; it was read as if with a point.",
        review_required=True,
        places=(keyword,),
    )


def assumed(keyword: str, value: str) -> Notice:
    """An attribute that should be there is not, and the usual value was taken."""
    return Notice(
        "DICOM_ATTRIBUTE_ASSUMED",
        f"The file lacks a value that it should state; {value} was taken.",
        review_required=True,
        places=(keyword,),
    )


def contradicting(sentence: str, *keywords: str) -> Notice:
    """Two attributes contradict each other; `sentence` says which was followed."""
    return Notice("DICOM_ATTRIBUTES_CONTRADICT", sentence, review_required=True, places=keywords)
