"""Text within a message: character sets of MSH-18, delimiters of MSH-1 and -2, escape sequences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

ENCODINGS = MappingProxyType(
    {
        "ASCII": "ascii",
        "UNICODE UTF-8": "utf-8",
        **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
        "GB 18030-2000": "gb18030",
    }
)
"""Names of HL7's table 0211 that are read, and Python's for them."""
_LONGEST_SKIP = 100
"""Lines or spaces that one command of a formatted text may ask for."""


class EscapeError(ValueError):
    """An escape sequence that cannot be read; the message says which kind, not what stands in it."""


@dataclass(frozen=True)
class Delimiters:
    """The characters that part a message's text."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent

    def joined(self, fields: Iterable[str]) -> str:
        """Fields, escaped already, as a segment."""
        return self.field.join(fields).rstrip(self.field)

    def composed(self, *components: str) -> str:
        """Components as one field, each escaped."""
        return self.component.join(map(self.escaped, components)).rstrip(self.component)

    def escaped(self, text: str) -> str:
        """The text as it may stand in a field: delimiters as escape sequences, line breaks as `.br`, no other
        control characters.
        """
        sequences = {
            self.field: "F",
            self.component: "S",
            self.repetition: "R",
            self.escape: "E",
            self.subcomponent: "T",
            "\n": ".br",
        }
        kept = (one if one.isprintable() or one == "\n" else " " if one.isspace() else "" for one in text)
        marks = {one: f"{self.escape}{sequence}{self.escape}" for one, sequence in sequences.items()}
        return "".join(marks.get(one, one) for one in kept)

    def unescaped(self, text: str, encoding: str) -> str:
        """What stands in a component. Raises EscapeError."""
        if self.escape not in text:
            return text
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", lambda found: self._meant(found, encoding), text)

    def _meant(self, found: re.Match[str], encoding: str) -> str:
        sequence = found[1]
        known = {
            "F": self.field,
            "S": self.component,
            "R": self.repetition,
            "E": self.escape,
            "T": self.subcomponent,
            "H": "",
            "N": "",
        }
        if sequence in known:
            return known[sequence]
        if sequence[:1] == "X":
            try:
                return bytes.fromhex(sequence[1:]).decode(encoding)
            except ValueError:
                raise EscapeError(
                    "hexadecimal bytes that are no text of the message's character set"
                ) from None
        if re.fullmatch(r"[CM][0-9A-Fa-f]+", sequence):
            raise EscapeError("a change of the character set")
        if command := re.fullmatch(r"\.(br|sp|ce|sk|fi|nf|in|ti)([+-]?\d{1,9})?", sequence):
            times = min(abs(int(command[2] or 1)), _LONGEST_SKIP)
            return {"br": "\n", "sp": "\n" * times, "ce": "\n", "sk": " " * times}.get(command[1], "")
        return (
            "" if sequence[:1] == "Z" else found[0]
        )  # a lone backslash is more frequent than unknown sequences
