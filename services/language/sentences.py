r"""Splits a section of a clinical note into sentences, items of a list and rows of a form, without a model.

A single line end is white space: notes are wrapped anywhere ("No evidence of\nPE or DVT"). It ends a sentence
only where the lines say so themselves: the next is a list item, a row or a labelled line, the one before ends
with a mark or an answer ("Asthma  No"), or it was left short although the next word would have fitted.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence

from services.language.entities import Span

_ABBREVIATIONS = frozenset({"dr", "mr", "mrs", "ms", "vs", "approx", "e.g", "i.e", "pt", "st", "hx", "fig"})
_DOTTED = re.compile(r"(?:[a-z][.])+[a-z]", re.IGNORECASE)
_BOUNDARY = re.compile(
    r"[.!?](?=\s|$)|\n"
    r"|(?<=[a-z]{3}[.])(?=[A-Za-z]{3}|(?:[Hh]e|[Ii]t|[Nn]o|[Ww]e|[Ii]|[Ii]n|[Oo]n|[Ii]f|[Aa]|[Aa]n)\b)"
    r"|(?<=[A-Z]{3}[.])(?=[A-Z]{3})"  # "No fever.Cough"
    r"|(?<=\d[.])(?=[A-Z][a-z]{2})|(?<=[a-zA-Z]{3}[.])(?=\d{1,2}[.)])"  # "in 2015.Cough", "adenopathy.2."
    r"|(?<=\S)(?=\s*\u2022)"  # a bullet in line
)
_LOOK_BACK = 40  # characters that decide whether something ends here
_LOOK_AHEAD = 60
_LEAST_WIDTH = 36
"""Nobody wraps at fewer characters: a shorter line that is not open was meant to end."""
_MOST_OF_AN_ANSWER = 50  # characters of a line that is a question and its answer

ITEM = re.compile(  # bullet, number, letter, check box
    r"[ \t]*(?:[-*+#|\u2022\u2610\u2611]|\d{1,2}[.)](?=[ \t]|[A-Za-z])|[(]?[a-z\d][)]"
    r"|\[ {0,3}[xX]? {0,3}\]|\((?:[xX]| {1,3})\))"
)
_LABELLED = re.compile(r"[ \t]*(?:[^\W\d][\w'/-]*[ ,/&]{1,2}){0,5}[^\W\d][\w'/()-]*[ ]?(?::(?!\d)|[ ]-[ ])")
_ANSWER = re.compile(
    r"\b(?:yes|no|none|y|n|nil|negative|positive|denied|denies|absent|present|unknown)[ ]*$", re.IGNORECASE
)
_GOES_ON = re.compile(
    r"(?:,|:|/|\b(?:and|or|nor|of|for|with|without|the|a|an|no|to|in|on|by|from|any|is|are|was|were|has|had|have|"
    r"as|at|denies|denied|deny|not|possible|probable|likely|acute|new|evidence|dr|mr|mrs|ms)[.]?)[ ]*$",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"[ \t]*(?:(?:and|or|nor|but|versus|vs|for|of|in|on|at|by|to|with|without)\b|[,;)])", re.IGNORECASE
)
_WORD = re.compile(r"\w+")
_REPLY = re.compile(r"\s{0,4}(?:yes|no|y|n|none|denies|denied|never)\b(?=\s*(?:[.,;!?\n]|$))", re.IGNORECASE)


def split_sentences(
    text: str, entities: Sequence[Span] = (), start: int = 0, end: int | None = None
) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence of plain `text[start:end]`; `entities` (sorted) are never cut."""
    end = len(text) if end is None else end
    lines = _Lines(text, start, end)
    cursor = 0
    for match in _BOUNDARY.finditer(text, start, end):
        cut = match.end()
        while cursor < len(entities) and entities[cursor].end <= match.start():
            cursor += 1
        if cut <= start or (cursor < len(entities) and entities[cursor].start < cut):
            continue
        if match.group() == "\n":
            ends = lines.end_at(match.start())
        elif match.group() or text[cut - 1] == ".":
            ends = _ends_sentence(text, start, cut - 1)
        else:
            ends = True
        if ends:
            yield start, match.end()
            start = match.end()
    if start < end:
        yield start, end


def line_breaks(text: str) -> list[int]:
    """Where a line of plain `text` begins with a new thought: an empty line, a list item, a row, ... stands
    before it.
    """
    lines = _Lines(text, 0, len(text))
    return [match.end() for match in re.finditer("\n", text) if lines.end_at(match.start())]


def _ends_sentence(text: str, start: int, at: int) -> bool:
    """Whether the mark `text[at]` ends the sentence that began at `start`."""
    before = text[max(start, at - _LOOK_BACK) : at]
    word = before.split()[-1] if before.split() and not before[-1:].isspace() else ""
    if text[at] == "?":  # no end in "? pneumonia" (a query) and "asthma? No" (its answer follows)
        return bool(word.strip("?(")) and _REPLY.match(text, at + 1) is None
    if text[at] == ".":
        if word.lower().lstrip("(") in _ABBREVIATIONS:
            return False
        if _DOTTED.fullmatch(word):  # "p.r.n. pain"
            return not text[at + 1 : at + _LOOK_BACK].lstrip()[:1].islower()
        if word.isdecimal() and len(word) <= 2:  # "1." at the start of a sentence or after a header
            head = before[: -len(word)].rstrip()
            return bool(head) and head[-1] != ":"
    return True


def _is_row(line: str) -> bool:
    """Whether a line is a label and its answer ("Asthma  No")."""
    return (
        len(line) <= _MOST_OF_AN_ANSWER and len(_WORD.findall(line)) > 1 and _ANSWER.search(line) is not None
    )


class _Lines:
    """The lines of `text[start:end]` and the width to which their paragraph was set."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text, self._start, self._end = text, start, end
        self._newlines = [match.start() for match in re.finditer("\n", text[start:end])]
        self._widths: list[int] = []
        edges = [-1, *self._newlines, end - start]
        paragraph: list[int] = []
        for left, right in itertools.pairwise(edges):
            length = right - left - 1
            paragraph.append(length)
            if not text[start + left + 1 : start + right].strip() or right == end - start:
                self._widths += [max(paragraph)] * len(paragraph)
                paragraph = []
        self._cased = not text[start:end].islower()

    def end_at(self, newline: int) -> bool:
        """Whether the line end at `newline` ends a sentence."""
        text, number = self._text, bisect.bisect_left(self._newlines, newline - self._start)
        line_start = self._start + (self._newlines[number - 1] + 1 if number else 0)
        has_next = number + 1 < len(self._newlines)
        next_end = self._start + self._newlines[number + 1] if has_next else self._end
        line = text[max(line_start, newline - _LOOK_BACK) : newline].rstrip()
        following = text[newline + 1 : min(next_end, newline + 1 + _LOOK_AHEAD)]
        if (
            not line
            or not following.strip()
            or line[-1] in ";!"
            or (line[-1] == "?" and line[-2:-1].isalnum())
        ):
            return True
        if line.endswith(" ?"):  # a query, of what the next line names
            return False
        if ITEM.match(following) or any(mark in part for part in (line, following) for mark in "\t|"):
            return True
        if _is_row(text[line_start:newline]) and _is_row(text[newline + 1 : next_end]):
            return True
        if _GOES_ON.search(line) or _CONTINUES.match(following):
            return False
        if line[-1] == "." or _LABELLED.match(following):
            return True
        if newline - line_start <= _MOST_OF_AN_ANSWER and _ANSWER.search(line):
            return True
        if self._cased and following.lstrip()[:1].islower():
            return False
        fits = newline - line_start + 1 + len(following.split()[0])
        return fits <= max(self._widths[number], _LEAST_WIDTH)
