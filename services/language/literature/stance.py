"""What a passage says of the concepts of a query: the same, otherwise, or nothing.

Narrower than `agreement.contradicts`: only what is affirmed and what is denied are held against each other.
The rules of assertion were written for notes, where "valproate causes" is an intolerance and "risk of" no
finding; in a publication these are how something is affirmed.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from services.language.agreement import Side, Statement, bearing

_OPPOSITE = {Side.AFFIRMED: Side.DENIED, Side.DENIED: Side.AFFIRMED}


class Stance(enum.Enum):
    """What a passage says of a query."""

    DENIES_TOO = enum.auto()
    """The query denies something, and the passage does."""
    NOT_OTHERWISE = enum.auto()
    """It affirms what the query affirms, or says nothing of it."""
    CONTRADICTS = enum.auto()
    """It denies what the query affirms and nowhere affirms it, or the other way round."""


def comparable(asked: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements of a query that a passage may contradict."""
    return tuple(statement for statement in asked if statement.side in _OPPOSITE)


def stance(asked: Sequence[Statement], said: Sequence[Statement]) -> Stance:
    """What the statements of a passage say of comparable ones of a query."""
    denies = False
    for statement in asked:
        sides = {side for one in said if (side := bearing(statement, one)) is not None}
        if statement.side not in sides and _OPPOSITE[statement.side] in sides:
            return Stance.CONTRADICTS
        denies |= statement.side is Side.DENIED and Side.DENIED in sides
    return Stance.DENIES_TOO if denies else Stance.NOT_OTHERWISE
