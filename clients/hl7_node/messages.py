"""From the bytes of a block to a message: its header, as far as it can be read, and its segments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from clients.hl7_node.faults import Condition, Fault
from clients.hl7_node.text import ENCODINGS, Delimiters, EscapeError

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_NULL = '""'
_LONGEST_CONTROL_ID = 199
_PROCESSING = ("P", "T", "D")
_ACKNOWLEDGED = ("", "AL", "NE", "ER", "SU")
_BATCHES = (b"FHS", b"BHS")


@dataclass(frozen=True)
class Header:
    """MSH as it was sent, its bytes read as Latin-1, so that an answer gives them back as they came."""

    delimiters: Delimiters = field(default_factory=Delimiters)
    fields: tuple[str, ...] = ("MSH", "|", "^~\\&")

    def raw(self, number: int) -> str:
        """A field as it stands, empty where it is not there."""
        return self.fields[number] if number < len(self.fields) else ""

    def first(self, number: int) -> str:
        """The first component of the first repetition of a field."""
        return (
            self.raw(number).split(self.delimiters.repetition)[0].split(self.delimiters.component)[0].strip()
        )

    @property
    def kind(self) -> tuple[str, str]:
        """Message type and trigger event, e.g. ORU and R01."""
        parts = [*self.raw(9).split(self.delimiters.component), ""]
        return parts[0].strip(), parts[1].strip()

    @property
    def is_enhanced(self) -> bool:
        """Whether it asks for the acknowledgements of enhanced mode: MSH-15 or MSH-16 say something."""
        return bool(self.first(15) or self.first(16))

    def check(self) -> None:
        """Raises Fault where a message with this header is not taken."""
        if not 0 < len(self.raw(10)) <= _LONGEST_CONTROL_ID:
            raise Fault(
                Condition.MISSING, "the message has no control id, or one that is too long", ("MSH", 1, 10)
            )
        if self.first(12).split(".")[0] != "2":
            raise Fault(Condition.VERSION, "messages of HL7 version 2 are taken", ("MSH", 1, 12))
        if self.first(11) not in _PROCESSING:
            raise Fault(Condition.PROCESSING, "the processing id must be P, T or D", ("MSH", 1, 11))
        if self.first(15) not in _ACKNOWLEDGED:
            raise Fault(
                Condition.VALUE, "the accept acknowledgement must be AL, NE, ER or SU", ("MSH", 1, 15)
            )
        if self.first(16) not in ("", "NE"):
            raise Fault(
                Condition.VALUE,
                "there are no application acknowledgements here: send NE, and take results as messages",
                ("MSH", 1, 16),
            )


def header(block: bytes) -> Header:
    """The header of a block. Raises Fault where it does not begin with one."""
    start = block.lstrip(b"\r\n ")
    if start.startswith(_BATCHES):
        raise Fault(
            Condition.TYPE, "batches and files are not taken: send each message in a block of its own"
        )
    line = re.split(r"[\r\n]", start.decode("latin-1"), maxsplit=1)[0]
    separator = line[3:4]
    signs = line[4:].split(separator)[0] if separator else ""
    delimiters = separator + signs[:4]
    if not line.startswith("MSH") or len(delimiters) != 5 or len(set(delimiters)) != 5:
        raise Fault(Condition.SEGMENTS, "the block does not begin with MSH and its delimiters", ("MSH", 1, 0))
    if any(one.isalnum() or not one.isprintable() for one in delimiters):
        raise Fault(
            Condition.SEGMENTS, "letters, digits and control characters are no delimiters", ("MSH", 1, 2)
        )
    return Header(Delimiters(*delimiters), ("MSH", separator, *line[4:].split(separator)))


@dataclass(frozen=True)
class Segment:
    """One segment."""

    name: str
    sequence: int
    """Which of its name it is, from 1."""
    fields: tuple[str, ...]
    """As they stand; the index is the field's number."""
    delimiters: Delimiters
    encoding: str

    def repetitions(self, number: int) -> list[list[str]]:
        """A field's repetitions, each as its components, unescaped; HL7's null is empty. Raises Fault."""
        raw = self.fields[number] if number < len(self.fields) else ""
        return [
            [self._unescaped(part, number) for part in one.split(self.delimiters.component)]
            for one in raw.split(self.delimiters.repetition)
        ]

    def text(self, number: int, component: int = 1) -> str:
        """One component of a field's first repetition; empty where it is not there. Raises Fault."""
        parts = self.repetitions(number)[0]
        return parts[component - 1] if component <= len(parts) else ""

    def copied(self, number: int, into: Delimiters) -> str:
        """A field with all its parts, in other delimiters. Raises Fault."""
        own = (self.delimiters.repetition, self.delimiters.component, self.delimiters.subcomponent)
        others = (into.repetition, into.component, into.subcomponent)

        def within(text: str, level: int) -> str:
            if level == len(own):
                return into.escaped(self._unescaped(text, number))
            return others[level].join(within(part, level + 1) for part in text.split(own[level]))

        return within(self.fields[number] if number < len(self.fields) else "", 0)

    def fault(self, condition: Condition, sentence: str, number: int = 0) -> Fault:
        """A fault of this segment."""
        return Fault(condition, sentence, (self.name, self.sequence, number))

    def _unescaped(self, part: str, number: int) -> str:
        try:
            return "" if part == _NULL else self.delimiters.unescaped(part, self.encoding).strip()
        except EscapeError as error:
            raise self.fault(Condition.DATA, f"an escape sequence is not read: {error}", number) from None


@dataclass(frozen=True)
class Message:
    """A message whose header was checked."""

    header: Header
    segments: tuple[Segment, ...]

    def named(self, *names: str) -> Iterator[Segment]:
        """Its segments of these names, in their order."""
        return (one for one in self.segments if one.name in names)


def message(block: bytes, of: Header, character_set: str) -> Message:
    """The message of a block with this header; `character_set` counts where MSH-18 is empty. Raises Fault."""
    encoding = ENCODINGS.get(of.first(18) or character_set)
    if encoding is None:
        raise Fault(
            Condition.VALUE, f"of character sets these are read: {', '.join(ENCODINGS)}", ("MSH", 1, 18)
        )
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError:
        raise Fault(
            Condition.DATA, "there are bytes that are no text of its character set", ("MSH", 1, 18)
        ) from None
    lines = [line.strip("\n") for line in text.split("\r" if "\r" in text else "\n")]
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    for line in filter(str.strip, lines):
        fields = line.split(of.delimiters.field)
        name = fields[0].strip()
        if not _NAME.fullmatch(name):
            raise Fault(
                Condition.SEGMENTS,
                f"line {len(segments) + 1} is no segment: a name and a delimiter begin one",
            )
        counts[name] = counts.get(name, 0) + 1
        if name == "MSH":
            fields.insert(1, of.delimiters.field)
        segments.append(Segment(name, counts[name], tuple(fields), of.delimiters, encoding))
    if counts.get("MSH") != 1:
        raise Fault(Condition.SEGMENTS, "send each message in a block of its own", ("MSH", 2, 0))
    return Message(of, tuple(segments))
