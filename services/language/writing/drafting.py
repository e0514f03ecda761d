"""A report from evidence: what the model writes, sentence by sentence, as far as it holds, and in a fixed
form the evidence that it left out or got wrong.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from services.language.writing.evidence import (
    Disagreement,
    Finding,
    Indication,
    Item,
    NormalStudy,
    Recommendation,
    Status,
    evidence_lines,
)
from services.language.writing.facts import facts_of, reader_of, settled
from services.language.writing.prompts import Task
from services.language.writing.reading import Reading
from services.language.writing.support import Reason, Verdict, check, is_chronic
from services.language.writing.templates import SectionKind, Template, layout
from services.language.writing.wording import absent_together, agreeing, fixed_form
from services.language.writing.words import default_words

LONGEST_SENTENCE = 400
"""Code points; what is longer has lost its way."""
MOST_SENTENCES = 200
"""That are read of one section, whatever its model writes."""


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence that a model wrote."""

    text: str
    is_whole: bool = True
    """Whether it came to its end."""


class WritesSentences(Protocol):
    """A model that writes."""

    def sentences(self, task: Task, material: str) -> AsyncGenerator[Written]:
        """What it writes of the material."""
        ...


class Origin(Enum):
    """Who worded a sentence."""

    WRITTEN = "written"
    """The model."""
    REWRITTEN = "rewritten"
    """A fixed form, in place of a sentence of the model."""
    ADDED = "added"
    """A fixed form, of what the model did not write of."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that stands."""

    section: SectionKind
    text: str
    origin: Origin
    support: tuple[int, ...]
    """Places of the items, or of the source's sentences, that it rests on; never empty."""
    start: int = 0
    end: int = 0
    """Where it stands in the draft's text."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sentence of the model that does not stand."""

    section: SectionKind
    text: str
    reason: Reason
    rewritten: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, and what became of what the model wrote."""

    text: str
    sentences: tuple[Sentence, ...]
    dropped: tuple[Dropped, ...]

    @property
    def reasons(self) -> Counter[Reason]:
        """How many sentences do not stand, by reason."""
        return Counter(one.reason for one in self.dropped)

    def count(self, origin: Origin) -> int:
        """How many sentences have this origin."""
        return sum(sentence.origin is origin for sentence in self.sentences)


@dataclass(slots=True)
class Progress:
    """What a draft has so far."""

    sentences: list[Sentence] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def stands(self, section: SectionKind, text: str, origin: Origin, support: Iterable[int]) -> Sentence:
        """Adds a sentence."""
        self.sentences.append(Sentence(section, text, origin, tuple(support)))
        return self.sentences[-1]

    def falls(self, section: SectionKind, text: str, reason: Reason, *, rewritten: bool = False) -> None:
        """Notes a sentence that does not stand."""
        self.dropped.append(Dropped(section, text[:500], reason, rewritten))

    def said(self, section: SectionKind) -> set[int]:
        """What the sentences of a section rest on."""
        return {place for one in self.sentences if one.section is section for place in one.support}

    def draft(self, template: Template) -> Draft:
        """The whole, laid out."""
        order = {section.kind: place for place, section in enumerate(template.sections)}
        ordered = sorted(self.sentences, key=lambda one: order[one.section])
        text, places = layout(template, [(one.section, one.text) for one in ordered])
        placed = [
            replace(one, start=start, end=end) for one, (start, end) in zip(ordered, places, strict=True)
        ]
        return Draft(text, tuple(placed), tuple(self.dropped))


class ReportDrafter:
    """Drafts one report. Iterate over `sentences()`, then take the `draft`."""

    instruction_count = 0
    """Items are no text that could hold any."""

    def __init__(self, items: Sequence[Item], template: Template, writer: WritesSentences) -> None:
        self._items = settled(items)
        self._template = template
        self._writer = writer
        self._reader = reader_of(items)
        self._facts = facts_of(self._items, self._reader)
        self._progress = Progress()
        self._kinds = {section.kind for section in template.sections}

    async def sentences(self) -> AsyncGenerator[Sentence]:
        """The sentences that stand, section by section, as they are written. Raises as the writer does."""
        for section in self._template.sections:
            match section.kind:
                case SectionKind.FINDINGS:
                    written = self._findings()
                case SectionKind.IMPRESSION:
                    written = self._impression()
                case _:
                    written = self._fixed(section.kind)
            async with contextlib.aclosing(written) as standing:
                async for sentence in standing:
                    yield sentence

    def draft(self) -> Draft:
        """The whole draft, after the last sentence."""
        return self._progress.draft(self._template)

    async def _findings(self) -> AsyncGenerator[Sentence]:
        own = [place for place, item in enumerate(self._items) if self._is_finding(item)]
        shown = [self._items[place] for place in own if not isinstance(self._items[place], Disagreement)]
        kind = SectionKind.FINDINGS
        if shown:
            lines = evidence_lines(shown)
            async with contextlib.aclosing(self._checked(kind, Task.FINDINGS, lines, own)) as standing:
                async for sentence in standing:
                    yield sentence
        for sentence in self._added(kind, own):
            yield sentence

    async def _impression(self) -> AsyncGenerator[Sentence]:
        own = [
            place
            for place, item in enumerate(self._items)
            if isinstance(item, Finding | NormalStudy | Disagreement) and self._is_finding(item)
        ]
        kind = SectionKind.IMPRESSION
        written = [one.text for one in self._progress.sentences if one.section is SectionKind.FINDINGS]
        of_model = [place for place in own if not isinstance(self._items[place], Disagreement)]
        if of_model:
            material = " ".join(written or [fixed_form(self._items[place]) for place in of_model])
            async with contextlib.aclosing(self._checked(kind, Task.IMPRESSION, material, own)) as standing:
                async for sentence in standing:
                    yield sentence
        wanted = [place for place in own if self._belongs_to_impression(self._items[place])]
        if not wanted and not self._progress.said(kind):
            wanted = own
        for sentence in self._added(kind, wanted):
            yield sentence

    async def _fixed(self, kind: SectionKind) -> AsyncGenerator[Sentence]:
        """Of what needs no wording of a model."""
        for place, item in enumerate(self._items):
            if self._section_of(item) is kind:
                yield self._progress.stands(kind, fixed_form(item), Origin.ADDED, (place,))

    async def _checked(
        self, kind: SectionKind, task: Task, material: str, own: Sequence[int]
    ) -> AsyncGenerator[Sentence]:
        count = 0
        async with contextlib.aclosing(self._writer.sentences(task, material)) as sentences:
            async for written in sentences:
                for sentence in self._judged(kind, written, own):
                    yield sentence
                count += 1
                if count >= MOST_SENTENCES:
                    break

    def _judged(self, kind: SectionKind, written: Written, own: Sequence[int]) -> list[Sentence]:
        """The sentence, where it holds; else in a fixed form what it speaks of, where that is known."""
        verdict = self._verdict(kind, written, own)
        if verdict.reason is None:
            text = finished(written.text)
            for place in verdict.support:
                text = agreeing(text, self._items[place])
            return [self._progress.stands(kind, text, Origin.WRITTEN, verdict.support)]
        said = self._progress.said(kind) | set(range(len(self._items))).difference(own)
        is_new = verdict.reason is not Reason.REPEATED
        instead = [place for place in verdict.support if is_new and place not in said]
        self._progress.falls(kind, written.text, verdict.reason, rewritten=bool(instead))
        return [
            self._progress.stands(kind, fixed_form(self._items[place]), Origin.REWRITTEN, (place,))
            for place in instead
        ]

    def _verdict(self, kind: SectionKind, written: Written, own: Sequence[int]) -> Verdict:
        if not written.is_whole or len(written.text) > LONGEST_SENTENCE:
            return Verdict((), Reason.UNFINISHED)
        reading: Reading = self._reader.read(written.text)
        verdict = check(reading, self._facts, complete=kind is SectionKind.FINDINGS)
        if verdict.holds and not set(verdict.support) <= set(own):
            return Verdict((), Reason.NO_EVIDENCE)
        if verdict.holds and set(verdict.support) <= self._progress.said(kind):
            return Verdict(verdict.support, Reason.REPEATED)
        return verdict

    def _added(self, kind: SectionKind, places: Sequence[int]) -> list[Sentence]:
        """In a fixed form what of `places` the section does not say yet; plain denials together."""
        left = [place for place in places if place not in self._progress.said(kind)]
        denied = [place for place in left if _is_plain_denial(self._items[place])]
        added = [
            self._progress.stands(kind, fixed_form(self._items[place]), Origin.ADDED, (place,))
            for place in left
            if place not in denied
        ]
        if denied:
            names = [item.name for place in denied if isinstance(item := self._items[place], Finding)]
            added.append(self._progress.stands(kind, absent_together(names), Origin.ADDED, denied))
        return added

    def _section_of(self, item: Item) -> SectionKind:
        if isinstance(item, Recommendation):
            return SectionKind.RECOMMENDATION
        is_past = isinstance(item, Finding) and item.status is Status.HISTORICAL
        if isinstance(item, Indication) or (is_past and SectionKind.INDICATION in self._kinds):
            return SectionKind.INDICATION
        return SectionKind.FINDINGS

    def _is_finding(self, item: Item) -> bool:
        return self._section_of(item) is SectionKind.FINDINGS

    def _belongs_to_impression(self, item: Item) -> bool:
        """Whether an impression may not leave it out: what is or may be there, but for what is old or
        harmless.
        """
        if isinstance(item, Disagreement):
            return True
        if not isinstance(item, Finding) or item.status not in {Status.PRESENT, Status.POSSIBLE}:
            return False
        normality = default_words().normality
        return not any(is_chronic(claim, normality) for claim in self._reader.read(item.name).claims)


def finished(text: str) -> str:
    """A sentence with a full stop."""
    text = " ".join(text.split())
    return text if text[-1:] in ".!?" else f"{text.rstrip(',;:')}."


def _is_plain_denial(item: Item) -> bool:
    return (
        isinstance(item, Finding)
        and item.status is Status.ABSENT
        and not (item.side or item.severity or item.region or item.extent)
    )
