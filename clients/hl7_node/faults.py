"""Why a message is not taken, in the words of HL7's table 0357, and where in it the reason stands. Pure."""

from __future__ import annotations

from enum import Enum


class Condition(Enum):
    """What is wrong."""

    SEGMENTS = ("100", "Segment sequence error")
    MISSING = ("101", "Required field missing")
    DATA = ("102", "Data type error")
    VALUE = ("103", "Table value not found")
    TYPE = ("200", "Unsupported message type")
    PROCESSING = ("202", "Unsupported processing id")
    VERSION = ("203", "Unsupported version id")
    DUPLICATE = ("205", "Duplicate key identifier")
    INTERNAL = ("207", "Application internal error")

    @property
    def code(self) -> str:
        """Its number in the table."""
        return self.value[0]

    @property
    def name_in_table(self) -> str:
        """Its name in the table."""
        return self.value[1]


_REJECTED = frozenset({Condition.TYPE, Condition.PROCESSING, Condition.VERSION, Condition.INTERNAL})
"""What HL7 (2.9.2) answers with a rejection: it is of a kind that is not taken here, or not now. All else
is an error in the message."""


class Fault(Exception):  # noqa: N818 - named for what is said of a message
    """The message is not taken, nothing is kept of it, and its sender is told. `sentence` quotes nothing."""

    def __init__(
        self, condition: Condition, sentence: str, location: tuple[str, int, int] | None = None
    ) -> None:
        """`location`: segment, which of that name (from 1), field (0: the segment)."""
        super().__init__(sentence)
        self.condition = condition
        self.sentence = sentence
        self.location = location

    @property
    def rejects(self) -> bool:
        """Whether the answer is a rejection, else an error."""
        return self.condition in _REJECTED
