"""What a queue is given, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """Where an item stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in {State.WAITING, State.RUNNING}


@dataclass(frozen=True)
class New:
    """An item to add."""

    key: str
    """Names it within its queue and tenant; one that is there already is not added again."""
    payload: bytes
    tenant: str = ""
    priority: int = 0
    note: str = ""
    """What its adder wants to see beside it, e.g. in lists: nothing of a patient."""


@dataclass(frozen=True)
class Claimed:
    """An item at work."""

    id: int
    tenant: str
    key: str
    token: str
    attempt: int
    """1 for the first."""
    payload: bytes = field(repr=False)
    note: str = ""


@dataclass(frozen=True)
class Item:
    """What is known of an item."""

    id: int
    tenant: str
    key: str
    note: str
    state: State
    priority: int
    attempts: int
    reason: str
    """Why it failed, or why its last attempt did; empty otherwise."""
    created: float
    """In seconds since 1970, as all times here."""
    started: float | None
    ended: float | None

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """From the database, whose columns are in the order of the fields."""
        identifier, tenant, key, note, state, *others = row
        return cls(identifier, tenant, key, note, State(state), *others)


Kept = tuple[Item, bytes, bytes]
"""An item that is done or failed, its payload and its result."""


def kept(row: tuple[Any, ...]) -> Kept:
    """From the database: the item's columns and both contents."""
    *item, payload, result = row
    return Item.of(tuple(item)), bytes(payload or b""), bytes(result or b"")
