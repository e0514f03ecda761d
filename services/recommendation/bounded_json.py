"""JSON from strangers: parsed within bounds, read with the path of every value at hand.

A `Node` is a value and where it stands. Reading one as what it is not raises InvalidInput with that path and
without the value, which may be patient data.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from services.chassis.errors import InvalidInput, Reason

MAX_NUMBER = 1e300
_SURROGATE = re.compile("[\ud800-\udfff]")

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """One JSON value with its path, e.g. `entry[3].resource.code`; the root's path is the empty string."""

    value: Any
    path: str = ""

    def get(self, name: str) -> Node | None:
        """The member of this object, None where it is absent or null. InvalidInput: this is no object."""
        if not isinstance(self.value, dict):
            self.refuse("must be an object")
        member = self.value.get(name)
        return None if member is None else Node(member, f"{self.path}.{name}" if self.path else name)

    def items(self, name: str) -> Iterator[Node]:
        """The items of the member list; nothing where it is absent; InvalidInput where it is no list."""
        member = self.get(name)
        if member is None:
            return
        if not isinstance(member.value, list):
            member.refuse("must be a list")
        for index, value in enumerate(member.value):
            yield Node(value, f"{member.path}[{index}]")

    def text(self, name: str, limit: int) -> str:
        """The member string, empty where it is absent. InvalidInput: no string, or longer than `limit`."""
        member = self.get(name)
        if member is None:
            return ""
        if not isinstance(member.value, str):
            member.refuse("must be a string")
        if _SURROGATE.search(member.value):
            # JSON can escape half a character; no other form of text can hold it.
            member.refuse("must be Unicode text")
        if len(member.value) > limit:
            member.refuse(f"must have at most {limit} characters", Reason.INPUT_TOO_LARGE)
        return member.value

    def number(self, name: str) -> float | None:
        """The member number, None where it is absent. InvalidInput: no finite number."""
        member = self.get(name)
        if member is None:
            return None
        value = member.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_NUMBER:
            member.refuse("must be a finite number")
        return float(value)

    def flag(self, name: str) -> bool:
        """The member boolean, false where it is absent; InvalidInput where it is no boolean."""
        member = self.get(name)
        if member is None:
            return False
        if not isinstance(member.value, bool):
            member.refuse("must be a boolean")
        return member.value

    def refuse(self, description: str, reason: Reason = Reason.INPUT_MALFORMED) -> NoReturn:
        """Raise InvalidInput for this value."""
        raise InvalidInput(reason, self.path, description)


def parse(content: bytes, *, max_bytes: int, max_depth: int) -> Node:
    """The root of a JSON text in UTF-8. InvalidInput (with an empty path): beyond the bounds, or no JSON."""
    if not content:
        raise InvalidInput(Reason.INPUT_MISSING, "", "is empty")
    if len(content) > max_bytes:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "", f"must have at most {max_bytes} bytes")
    if _depth(content) > max_depth:
        raise InvalidInput(
            Reason.INPUT_MALFORMED, "", f"must be JSON that nests at most {max_depth} levels deep"
        )
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # `from None`: the cause quotes the text.
        raise InvalidInput(Reason.INPUT_MALFORMED, "", "must be JSON in UTF-8") from None
    return Node(value)


def _depth(content: bytes) -> int:
    """How deep the brackets outside of strings nest: counted before the parser recurses into them."""
    brackets = np.frombuffer(_STRING.sub(b"", content).translate(None, _ALL_BUT_BRACKETS), dtype=np.uint8)
    # Of "[", "]", "{" and "}" only the closing ones have this bit.
    steps = np.where(brackets & 4, np.int8(-1), np.int8(1))
    return int(steps.cumsum(dtype=np.int32).max(initial=0))


def _refuse_constant(_: str) -> NoReturn:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError
