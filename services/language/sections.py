"""Cuts a note into its sections: where one begins, and what stands under its header by default.

Headers come on lines of their own, in line, in capitals, after a bullet or a number, and run into the
sentence before them ("...for 3 days.REVIEW OF SYSTEMS:", "COMPLICATIONS: None PLAN: ..."). A header of
`terminology/section_headers.tsv` counts wherever a colon follows it, or where it is a line; any other words
before a colon count where a line or a sentence begins with them, and say only that something new begins.

Three things end a section before the next header: its own "none" ("Family history: noncontributory."), for a
family a sentence of which the patient is the subject ("Patient has ..."), and an empty line after which no
relative is named.

Everything here reads plain text (`typography.plain`). The time is linear in the length of the note: a colon
looks back at a bounded number of words.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.language.assertion_lexicon import TERMINOLOGY, Lexicon, Token, tokenize
from services.language.entities import Assertion, EntityType, Span, Trigger

_SIGN = re.compile(
    r"(?<=[^\W\d]):(?!//)|:(?![\d/])|(?<=[^\W\d]) {1,3}- {1,3}|(?<=[A-Z]{3})(?=1[.)])|\n"
)  # what may stand after a header
_LOOK_BACK = 80  # characters in which a header must fit
_HEADER_WORDS = 8
_OTHER_HEADER_WORDS = 5
_FLIP = re.compile(r"(?<=[a-z0-9])(?=[A-Z]{2})|(?<=[a-z][a-z])(?=[A-Z][a-z]+ [A-Za-z ]{0,30}:)")
_BEFORE_HEADER = frozenset({*".;!?)]:,-*#=|\u2022", "[x]", "[ ]"})
_EMPHASIS = frozenset("*#=")
_DECORATION = re.compile(r"[\s#*=_>~|\u2022.-]*")
_OPENING = re.compile(r"[^.;!?\n]*")


@dataclass(frozen=True, slots=True)
class Header:
    """One row of `section_headers.tsv`: what diseases and chemicals under it are by default.

    `inner`: a header inside other sections, which keeps what they say. `bounded`: a word so common that it is
    a header only where a line or a sentence begins with it.
    """

    defaults: Mapping[str, Assertion]
    inner: bool
    bounded: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a note: its header lies in `[start, body)`, what it says in `[body, end)`.

    `defaults` says what an entity of a type is where nothing else applies to it; `named` is the place of the
    header's words, None where a section has no header of its own.
    """

    start: int
    body: int
    end: int
    defaults: Mapping[str, Assertion]
    named: tuple[int, int] | None = None

    def default(self, kind: str) -> Trigger | None:
        """The assertion of an entity of this type where no words apply to it, made by the header."""
        if self.named is None or kind not in self.defaults:
            return None
        return Trigger(*self.named, self.defaults[kind])

    @property
    def is_family(self) -> bool:
        """Whether it speaks of relatives: what stands here is not the patient's, whatever is said of it."""
        return Assertion.FAMILY in self.defaults.values()


_NOTHING: Mapping[str, Assertion] = {}


@functools.cache
def known_headers() -> dict[str, Header]:
    """Header (lower case, words and marks separated by one space) to what it means; ValueError names a
    malformed line.
    """
    headers = {}
    path = TERMINOLOGY / "section_headers.tsv"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        words, disease, chemical, place = [*line.split("\t"), ""][:4]
        if place not in {"", "bounded"}:
            raise ValueError(f"{path.name}, line {number}: the place is empty or `bounded`")
        given = {EntityType.DISEASE: disease, EntityType.CHEMICAL: chemical}
        defaults: dict[str, Assertion] = {
            kind: Assertion(name) for kind, name in given.items() if name not in {"none", "inner"}
        }
        headers[words] = Header(defaults, inner=disease == "inner", bounded=place == "bounded")
    return headers


def split_sections(text: str, entities: Sequence[Span], lexicon: Lexicon) -> Iterator[Section]:
    """The sections of plain `text` in order, without gaps; `entities` (sorted) are in no unknown header."""
    found = list(_headers(text, entities, lexicon))
    starts = [section.start for section in found]
    if not starts or starts[0] > 0:
        yield Section(0, 0, starts[0] if starts else len(text), _NOTHING)
    before: Section | None = None
    for section, end in zip(found, [*starts[1:], len(text)], strict=False):
        whole = replace(section, end=end)
        if section.named is None and before is not None and not before.is_family:  # an inner header
            whole = replace(whole, defaults=before.defaults, named=before.named)
        before = whole
        yield from _parts(text, whole, lexicon)


def _headers(text: str, entities: Sequence[Span], lexicon: Lexicon) -> Iterator[Section]:
    """Each header as a section without its end; `named` is None for an inner one."""
    starts = [span.start for span in entities]
    last = colon = (
        0  # the ends of the header and of the colon before; nothing before them belongs to the next
    )
    for sign in _SIGN.finditer(text):
        at, line_start, low, cut = _window(text, sign, max(last, colon))
        colon = sign.end() if sign.group() == ":" else colon
        tokens = _header_tokens(text, low, at)
        while sign.group() == "\n" and tokens and tokens[-1].text in _EMPHASIS:
            tokens.pop()
        if not tokens or tokens[-1].end <= line_start:
            continue
        known = _known(tokens, low_is_boundary=not cut)
        answered = any(lexicon.is_a(token.text, "answer") for token in tokenize(text, at + 1, at + 12)[:1])
        if known is not None:
            first, header = known
            start = tokens[first].start
            if sign.group() != ":" and not _stands_apart(text, tokens, first, line_start, sign.group()):
                continue
            if answered and _overlaps(entities, starts, start):
                continue  # "PE: absent" is not a physical examination
            named = None if header.inner else (start, tokens[-1].end)
            yield Section(start, sign.end(), sign.end(), header.defaults, named)
            last = sign.end()
        elif sign.group() == ":" and not answered:
            begins = _unknown(tokens, lexicon, low_is_boundary=not cut)
            if begins is not None and bisect.bisect_left(starts, begins) == bisect.bisect_left(starts, at):
                yield Section(begins, begins, sign.end(), _NOTHING, (begins, tokens[-1].end))
                last = sign.end()


def _window(text: str, sign: re.Match[str], edge: int) -> tuple[int, int, int, bool]:
    """The sign's place, where its line begins, where its header may begin at the earliest, and whether that
    is only because so far back no header begins.

    A header with a colon may be wrapped: it may begin in the line before.
    """
    at = sign.start()
    far = max(0, at - _LOOK_BACK)
    line_start = text.rfind("\n", far, at) + 1
    begins = line_start
    if sign.group() == ":" and line_start:
        begins = text.rfind("\n", far, line_start - 1) + 1
    low = max(edge, begins, far)
    return at, line_start, low, low == far and low > max(edge, begins)


def _overlaps(entities: Sequence[Span], starts: Sequence[int], at: int) -> bool:
    """Whether an entity lies at character `at`."""
    place = bisect.bisect_right(starts, at) - 1
    return place >= 0 and entities[place].end > at


def _header_tokens(text: str, low: int, high: int) -> list[Token]:
    """The words of `text[low:high]`; a capital inside a word begins a new one ("examinationVITAL")."""
    tokens = []
    edges = [low, *(low + flip.start() for flip in _FLIP.finditer(text[low : high + 1])), high]
    for start, end in itertools.pairwise(edges):
        tokens += tokenize(text, start, end)
    return tokens


def _known(tokens: Sequence[Token], *, low_is_boundary: bool) -> tuple[int, Header] | None:
    """The longest known header that the words end with: (its first word, its meaning)."""
    headers = known_headers()
    for first in range(max(0, len(tokens) - _HEADER_WORDS), len(tokens)):
        header = headers.get(" ".join(token.text for token in tokens[first:]))
        if header is None:
            continue
        if first == 0:
            bounded = low_is_boundary
        else:
            bounded = tokens[first - 1].text in _BEFORE_HEADER or tokens[first].gap in {"", "\n"}
        if bounded or not header.bounded:
            return first, header
    return None


def _stands_apart(text: str, tokens: Sequence[Token], first: int, line_start: int, sign: str) -> bool:
    """Whether words without a colon are a header: nothing but decoration stands before them in their line, or
    a mark stands before them and a number after them ("... 25 mg.ALLERGIES1. Penicillin").
    """
    if not sign and (first == 0 or tokens[first - 1].text in _BEFORE_HEADER):
        return True
    return _DECORATION.fullmatch(text, line_start, tokens[first].start) is not None


def _unknown(tokens: Sequence[Token], lexicon: Lexicon, *, low_is_boundary: bool) -> int | None:
    """Where a header that the file does not know begins, None when the words are none."""
    first = len(tokens)
    while first > 0 and tokens[first - 1].text not in _BEFORE_HEADER:
        first -= 1
        if tokens[first].gap == "\n":
            break
    words = [token.text for token in tokens[first:]]
    if not words or len(words) > _OTHER_HEADER_WORDS or not words[0][0].isalpha():
        return None
    if first == 0 and not low_is_boundary:
        return None
    if any(lexicon.is_a(word, kind) for word in words for kind in ("relative", "verb", "speaking")):
        return None  # "Mother: diabetes" is a line of its section, "Denies: fever" a statement
    return tokens[first].start


def _parts(text: str, section: Section, lexicon: Lexicon) -> Iterator[Section]:
    """The section as far as its default holds, and what follows without one."""
    until = _default_ends(text, section, lexicon) if section.defaults else None
    if until is None or until >= section.end:
        yield section
        return
    yield replace(section, end=until)
    yield Section(until, until, section.end, _NOTHING)


def _default_ends(text: str, section: Section, lexicon: Lexicon) -> int | None:
    begin = section.body
    while begin < section.end and text[begin] in " \t\n,:-":
        begin += 1
    opening = _OPENING.match(text, begin, section.end)
    if opening is not None:
        words = [token.text for token in tokenize(text, begin, min(opening.end(), begin + _LOOK_BACK))]
        closed = any(lexicon.is_a(word, "nothing") for word in words)
        if closed and all(lexicon.is_a(word, "closing") for word in words):
            return opening.end()
    if not section.is_family:
        return None
    own = _OF_THE_PATIENT.search(text, section.body, section.end)
    ends = [own.end("before")] if own else []
    for gap in _EMPTY_LINE.finditer(text, begin, section.end):
        paragraph = _EMPTY_LINE.search(text, gap.end(), section.end)
        tokens = tokenize(text, gap.end(), paragraph.start() if paragraph else section.end)
        if not any(lexicon.is_a(token.text, "relative") for token in tokens):
            ends.append(gap.end())
            break
    return min(ends, default=None)


_EMPTY_LINE = re.compile(r"\n[ \t]*\n\s*")
_OF_THE_PATIENT = re.compile(
    r"(?P<before>(?:[.;!?:,\n]|\b(?:but|and))[^\S\n]{0,8})(?:the\s+)?(?:patient|pt\.?)\s+(?:also\s+|currently\s+|now\s+)?"
    r"(?:has|is|was|had|does|denies|denied|reports|reported|presents|presented|complains|states|takes)\b"
    r"(?!\s+(?:an?\s+|the\s+)?(?:strong\s+|positive\s+)?family)",
    re.IGNORECASE,
)
