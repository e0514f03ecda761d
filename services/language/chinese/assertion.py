"""What a Chinese text says of its findings and drugs: by the cue before, the cue after, and the section.

A cue before speaks of what follows in its clause, and over commas of what does nothing but go on with the
list; the past, the family and conditions hold to the end of the sentence. A cue after speaks of the list
that ends where it stands. Where several apply, the order is that of English (services/language/assertion).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.language.chinese.cues import Cue, Cues, Kind
from services.language.chinese.lexicon import Found
from services.language.entities import Assertion, EntityType, Trigger

_SENTENCE = re.compile(r"[^。；;!！\n\r]+")
_COMMA = re.compile(r"[，,]")
_HEADER = re.compile(r"(?:^|(?<=[\s。；;\d.、)】]))[【\[]?([\u4e00-\u9fff]{2,9})(?:[：:】\]])")
_IN_LIST = re.compile(r"[ 、,及和或与/并+]*(?:以及|或者|并且)?[ ]*")
_TAIL = re.compile(r"[ 、及和或与/并]|以及|或者|等|病史|史|慢性|传染|疾病|病|遗传|性|类|药物")

_KINDS = {
    Kind.FAMILY: Assertion.FAMILY,
    Kind.ABSENT: Assertion.ABSENT,
    Kind.ALLERGY: Assertion.ALLERGY,
    Kind.HYPOTHETICAL: Assertion.HYPOTHETICAL,
    Kind.CONDITIONAL: Assertion.HYPOTHETICAL,
    Kind.POSSIBLE: Assertion.POSSIBLE,
    Kind.HISTORICAL: Assertion.HISTORICAL,
    Kind.STOPPED: Assertion.HISTORICAL,
}
"""Kind of a cue -> what it asserts; where several are said, the first one here counts."""

_LASTING = frozenset({Kind.FAMILY, Kind.HISTORICAL, Kind.CONDITIONAL})


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one term, and the words that say it."""

    assertion: Assertion
    triggers: tuple[Trigger, ...]


@dataclass(slots=True)
class _Scope:
    """What holds at a place of a sentence."""

    here: Cue | None = None
    """Said of the clause."""
    lasting: dict[Kind, Cue] = field(default_factory=dict)

    def take(self, cue: Cue) -> None:
        if cue.kind is Kind.NOTHING:
            return
        if cue.kind is Kind.SELF:
            self.lasting.pop(Kind.FAMILY, None)
        if cue.kind is Kind.NOW:
            self.lasting.pop(Kind.HISTORICAL, None)
        if cue.kind in _LASTING:
            self.lasting[cue.kind] = cue
        self.here = cue if cue.kind in _KINDS and cue.kind not in _LASTING else None


class AssertionRules:
    """Immutable, safe to share between threads."""

    def __init__(self, cues: Cues) -> None:
        self._cues = cues

    def read(self, text: str, start: int, end: int, found: Sequence[Found]) -> list[Said]:
        """What `text[start:end]` (simplified) says of each of `found`, its terms in order."""
        said: list[Said] = []
        section: Cue | None = None
        at = 0
        for first, last, section in self._parts(text, start, end, found):
            own = []
            while at < len(found) and found[at].start < last:
                own.append(found[at])
                at += 1
            if own:
                said += self._sentence(text, first, last, section, own)
        return said

    def _parts(
        self, text: str, start: int, end: int, found: Sequence[Found]
    ) -> Iterator[tuple[int, int, Cue | None]]:
        """The sentences, parted at headers, with the section that each stands in."""
        named = {item.start for item in found}
        section: Cue | None = None
        for sentence in _SENTENCE.finditer(text, start, end):
            at = sentence.start()
            if text.count("\n", max(start, at - 3), at) > 1:
                section = None  # an empty line
            for header in _HEADER.finditer(text, sentence.start(), sentence.end()):
                if header.start(1) in named:
                    continue  # "高血压：无" is no header
                yield at, header.start(1), section
                kind = self._cues.headers.get(header[1])
                section = Cue(header.start(1), header.end(1), kind) if kind else None
                at = header.end()
            yield at, sentence.end(), section

    def _sentence(
        self, text: str, start: int, end: int, section: Cue | None, found: Sequence[Found]
    ) -> Iterator[Said]:
        starts = [item.start for item in found]
        spoken = {group[0].start: self._after(text, end, group, starts) for group in _lists(text, found)}
        after: Cue | None = None
        scope = _Scope()
        by_start = dict(zip(starts, found, strict=True))
        for item in self._items(text, start, end, found):
            if isinstance(item, Cue):
                scope.take(item)
                continue
            if item not in by_start:  # a comma
                if not _goes_on(text, item + 1, end, found, starts):
                    scope.here = None
                continue
            entity = by_start[item]
            after = spoken.get(item, after)
            cues = [
                *([scope.here] if scope.here else []),
                *scope.lasting.values(),
                *([after] if after else []),
            ]
            kind = entity.term.type
            yield _said(kind, cues, _of_section(section, kind, {cue.kind for cue in cues}))
            if after and after.kind is Kind.ALLERGY:
                # What comes after is how it showed.
                shown = Cue(after.start, after.end, Kind.HISTORICAL)
                scope.lasting.setdefault(Kind.HISTORICAL, shown)

    def _items(self, text: str, start: int, end: int, found: Sequence[Found]) -> Iterator[Cue | int]:
        """Cues, and the starts of terms and commas, in order; a cue within a term is none."""
        inside = [(item.start, item.end) for item in found]
        placed: list[tuple[int, Cue | int]] = [
            (comma.start(), comma.start()) for comma in _COMMA.finditer(text, start, end)
        ]
        at = start
        for first, last in [*inside, (end, end)]:
            placed += [(cue.start, cue) for cue in self._cues.find(text, at, first)]
            if first < end:
                placed.append((first, first))
            at = last
        return (item for _, item in sorted(placed, key=lambda one: one[0]))

    def _after(self, text: str, end: int, group: Sequence[Found], starts: Sequence[int]) -> Cue | None:
        """What is said right after a list, before the next term."""
        last = group[-1].end
        at = bisect_left(starts, last)
        following = starts[at] if at < len(starts) else None
        cue = self._cues.after(text, last, end if following is None else following)
        if cue is None or following is None or not self._cues.is_said_before(text[cue.start : cue.end]):
            return cue
        # "发热未见咳嗽" denies the second; a comma ends the clause.
        return cue if _COMMA.search(text, cue.end, following) else None


def _goes_on(text: str, start: int, end: int, found: Sequence[Found], starts: Sequence[int]) -> bool:
    """Whether the clause from `start` is nothing but more of a list."""
    comma = _COMMA.search(text, start, end)
    stop = comma.start() if comma else end
    own = found[bisect_left(starts, start) : bisect_left(starts, stop)]
    return bool(own) and _is_list(text, start, stop, own)


def _is_list(text: str, start: int, stop: int, own: Sequence[Found]) -> bool:
    at, rest = start, ""
    for item in own:
        rest += text[at : item.start]
        at = item.end
    return not _TAIL.sub("", rest + text[at:stop]).strip()


def _lists(text: str, found: Sequence[Found]) -> Iterator[list[Found]]:
    """Terms with nothing between them but what joins a list."""
    group: list[Found] = []
    for item in found:
        if group and not _IN_LIST.fullmatch(text, group[-1].end, item.start):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _of_section(section: Cue | None, kind: EntityType | None, said: set[Kind]) -> list[Cue]:
    """What a section says of a term, where the sentence does not speak of the present itself."""
    if section is None or (section.kind is Kind.POSSIBLE and said):
        return []
    if section.kind is Kind.ALLERGY and kind is EntityType.DISEASE:
        return [Cue(section.start, section.end, Kind.HISTORICAL)]
    return [section]


def _said(kind: EntityType | None, cues: Sequence[Cue], of_section: Sequence[Cue]) -> Said:
    """The strongest of what is said of a term of that type; present where nothing is."""
    is_drug = kind is EntityType.CHEMICAL
    applying: Mapping[Kind, Cue] = {cue.kind: cue for cue in [*of_section, *cues] if _applies(cue, is_drug)}
    for name, assertion in _KINDS.items():
        if name in applying:
            cue = applying[name]
            return Said(assertion, (Trigger(cue.start, cue.end, assertion),))
    return Said(Assertion.PRESENT, ())


def _applies(cue: Cue, is_drug: bool) -> bool:
    if is_drug:
        return cue.kind is not Kind.HISTORICAL
    return cue.kind not in {Kind.STOPPED, Kind.ALLERGY}
