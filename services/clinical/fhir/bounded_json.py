"""JSON from strangers: parsed within bounds, read with the path of every value at hand.

A `Node` is a value and where it stands. Reading one as what it is not raises InvalidInput with that path and
without the value, which may be patient data. An object with two members of one name is refused: which of them
counts would be anyone's guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from services.chassis.errors import InvalidInput, Reason
from services.clinical.fhir.uncollected import uncollected

MAX_NUMBER = 1e300
_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_VALUE_COUNT = 1_000_000
"""In a text: Python's parser lets no other thread run while it makes the values of a list. Of a bundle each
takes some 25 bytes."""
_PIECE_BYTES = 1 << 19
_QUOTE, _COMMA = np.uint8(ord('"')), np.uint8(ord(","))
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[[ord("["), ord("{")]], _STEPS[[ord("]"), ord("}")]] = 1, -1
"""Into or out of a level, by the byte."""


class Node:
    """One JSON value that knows where it stands, e.g. `entry[3].resource`; the root's path is empty."""

    __slots__ = ("_holder", "_step", "value")

    def __init__(self, value: Any, holder: Node | None = None, step: str | int = "") -> None:
        self.value = value
        self._holder = holder
        self._step = step

    @property
    def path(self) -> str:
        """Made when it is asked for: most values are read without anyone asking where they stand."""
        if self._holder is None:
            return ""
        path = self._holder.path
        if isinstance(self._step, int):
            return f"{path}[{self._step}]"
        return f"{path}.{self._step}" if path else self._step

    def get(self, name: str) -> Node | None:
        """The member of this object, None where it is absent or null. InvalidInput: this is not an object."""
        if not isinstance(self.value, dict):
            self.refuse("must be an object")
        member = self.value.get(name)
        return None if member is None else Node(member, self, name)

    def has(self, name: str) -> bool:
        """Whether this is an object with such a member that is not null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def items(self, name: str) -> Iterator[Node]:
        """The items of the member list; nothing where it is absent; InvalidInput where it is not a list."""
        member = self.get(name)
        if member is None:
            return
        if not isinstance(member.value, list):
            member.refuse("must be a list")
        for index, value in enumerate(member.value):
            yield Node(value, member, index)

    def text(self, name: str, limit: int | None = None) -> str:
        """The member string, empty where it is absent. InvalidInput: no string, or longer than `limit`."""
        if not isinstance(self.value, dict):
            self.refuse("must be an object")
        value = self.value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse_member(name, "must be a string")
        if not value.isascii() and _SURROGATE.search(value):
            # JSON can escape half a character; no other form of text can hold it.
            self.refuse_member(name, "must be Unicode text")
        if limit is not None and len(value) > limit:
            self.refuse_member(name, f"must have at most {limit} characters", Reason.INPUT_TOO_LARGE)
        return value

    def words(self, name: str, limit: int) -> str:
        """The member string with single spaces, cut at `limit` characters."""
        return " ".join(self.text(name).split())[:limit]

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
        """The member boolean, false where it is absent; InvalidInput where it is not a boolean."""
        member = self.get(name)
        if member is None:
            return False
        if not isinstance(member.value, bool):
            member.refuse("must be a boolean")
        return member.value

    def refuse(self, description: str, reason: Reason = Reason.INPUT_MALFORMED) -> NoReturn:
        """Raise InvalidInput for this value."""
        raise InvalidInput(reason, self.path, description)

    def refuse_member(self, name: str, description: str, reason: Reason = Reason.INPUT_MALFORMED) -> NoReturn:
        """Raise InvalidInput for a member of this value, be it there or not."""
        Node(None, self, name).refuse(description, reason)


def parse(content: bytes, *, max_bytes: int, max_depth: int) -> Node:
    """The root of a JSON text in UTF-8. InvalidInput (with an empty path): beyond the bounds, or no JSON."""
    if not content:
        raise InvalidInput(Reason.INPUT_MISSING, "", "is empty")
    if len(content) > max_bytes:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "", f"must have at most {max_bytes} bytes")
    depth, value_count = _measured(content)
    if depth > max_depth:
        raise InvalidInput(
            Reason.INPUT_MALFORMED, "", f"must be JSON that nests at most {max_depth} levels deep"
        )
    if value_count > MAX_VALUE_COUNT:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "", f"must have at most {MAX_VALUE_COUNT} values")
    try:
        with uncollected():
            value = json.loads(
                content.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_object
            )
    except _DuplicateMemberError:
        description = "must be JSON without two members of one name in an object"
        raise InvalidInput(Reason.INPUT_MALFORMED, "", description) from None
    except (ValueError, RecursionError):
        # `from None`: the cause quotes the text.
        raise InvalidInput(Reason.INPUT_MALFORMED, "", "must be JSON in UTF-8") from None
    return Node(value)


def _measured(content: bytes) -> tuple[int, int]:
    """How deep the brackets outside of strings nest, and how many values there are at most: counted before
    the parser recurses into them and makes them. Piece by piece, so that other threads run in between.
    """
    # Without what is escaped each quote begins or ends a string. An escape outside of one ends the parsing.
    plain = np.frombuffer(content.replace(b"\\\\", b"").replace(b'\\"', b""), dtype=np.uint8)
    depth = deepest = 0
    value_count, in_string = 1, np.uint8(0)
    for start in range(0, len(plain), _PIECE_BYTES):
        piece = plain[start : start + _PIECE_BYTES]
        inside = np.bitwise_xor.accumulate((piece == _QUOTE).view(np.uint8)) ^ in_string
        in_string = inside[-1]
        outside = piece[inside == 0]
        steps = _STEPS[outside]
        depths = depth + steps.cumsum(dtype=np.int32)
        if depths.size:
            depth, deepest = int(depths[-1]), max(deepest, int(depths.max()))
        value_count += int(np.count_nonzero(outside == _COMMA)) + int(np.count_nonzero(steps == 1))
    return deepest, value_count


def _refuse_constant(_: str) -> NoReturn:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError


class _DuplicateMemberError(Exception):
    pass


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _DuplicateMemberError
    return found
