"""What of a note could not be read, as notices: other languages, and text that an export damaged."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from services.chassis.notices import Notice
from services.language.languages import (
    CHINESE,
    ENGLISH,
    Languages,
    Passage,
    foreign_passages,
    foreign_script,
)

_LINE_END = re.compile(r"\r\n?|\n")
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]{2,8}")
_UNDECODED = re.compile(r"[\ufffd\x80-\x9f]|[\u00c2\u00c3](?=[\s,.;:)]|$)")


def language_notices(note: str, reads: Languages = ENGLISH, chinese: Sequence[Passage] = ()) -> list[Notice]:
    """At most one notice, with the lines that hold what no reader of these languages can read, outside the
    passages that were read as Chinese.
    """
    begins = [passage.start for passage in chinese]
    foreign = [
        passage for passage in foreign_passages(note, reads) if not _within(passage.start, begins, chinese)
    ]
    words = (start for start in foreign_script(note, reads) if not _within(start, begins, chinese))
    starts = sorted({*(passage.start for passage in foreign), *words})
    if not starts:
        return []
    names = sorted({passage.language for passage in foreign} - {""})
    of = f" ({', '.join(names)}, it seems)" if names else ""
    reads = reads.together(CHINESE) if chinese else reads
    are = "is" if reads.is_one else "are"
    message = f"Only {reads} {are} read; nothing was taken from what is in another language{of}."
    return [Notice("LANGUAGE_NOT_SUPPORTED", message, True, lines(note, starts))]


def _within(start: int, begins: Sequence[int], passages: Sequence[Passage]) -> bool:
    at = bisect_right(begins, start)
    return at > 0 and start < passages[at - 1].end


def damage_notices(note: str) -> list[Notice]:
    """At most one notice, with the lines where an export damaged the text."""
    damaged = sorted(_damaged(note))
    if not damaged:
        return []
    message = "Characters were lost or altered on the way here; words that contain them may be misread."
    return [Notice("TEXT_DAMAGED", message, True, lines(note, damaged))]


def _damaged(note: str) -> Iterable[int]:
    """Where characters are that no codec gave a meaning, or UTF-8 that was read as Windows-1252."""
    yield from (match.start() for match in _UNDECODED.finditer(note))
    yield from (match.start() for match in _OUTSIDE_ASCII.finditer(note) if _is_utf8_misread(match.group()))


def _is_utf8_misread(text: str) -> bool:
    """Whether the characters, written as Windows-1252 bytes, are UTF-8: "Ã©" for "é"."""
    try:
        return len(_bytes(text).decode("utf-8")) < len(text)
    except UnicodeError:
        return False


def _bytes(text: str) -> bytes:
    """Windows-1252 bytes; what it leaves undefined is as in Latin 1. UnicodeError for other characters."""
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        return b"".join(
            letter.encode("latin-1" if "\x80" <= letter <= "\x9f" else "cp1252") for letter in text
        )


def lines(note: str, offsets: Iterable[int]) -> tuple[str, ...]:
    """The lines that hold the offsets, counted from one: `line 12`."""
    ends = [match.end() for match in _LINE_END.finditer(note)]
    numbers = dict.fromkeys(bisect_right(ends, offset) + 1 for offset in offsets)
    return tuple(f"line {number}" for number in numbers)
