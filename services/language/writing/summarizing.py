"""An impression of findings, or a summary of a note: what the model writes, as far as the text says it, and
otherwise the text's own sentences.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from enum import Enum

from services.language.entities import Assertion
from services.language.languages import are_readable
from services.language.writing.drafting import (
    LONGEST_SENTENCE,
    MOST_SENTENCES,
    Draft,
    Origin,
    Progress,
    Sentence,
    WritesSentences,
    Written,
    finished,
)
from services.language.writing.facts import facts_of_text
from services.language.writing.instructions import instructed, without
from services.language.writing.prompts import Task
from services.language.writing.reading import SentenceReader
from services.language.writing.support import Reason, Verdict, check_against_text, is_chronic
from services.language.writing.templates import IMPRESSION_ALONE, SUMMARY_ALONE, SectionKind
from services.language.writing.words import default_words

_MOST_QUOTED = 2
_LONGEST_QUOTED = 300
_ALL_IS_WELL = "No acute abnormality."


class Wanted(Enum):
    """What a text is read for."""

    IMPRESSION = "impression"
    SUMMARY = "summary"


class Summarizer:
    """Summarises one text. Iterate over `sentences()`, then take the `draft`."""

    def __init__(self, text: str, wanted: Wanted, writer: WritesSentences) -> None:
        """Reads the text: tens of milliseconds for a long one, so off the event loop."""
        self._text = text
        self._wanted = wanted
        self._writer = writer
        self._reader = SentenceReader()
        read = self._reader.read_text(text)
        spans = [(start, end) for start, end, _ in read]
        left_out = instructed(text, spans)
        self.instruction_count = sum(left_out)
        """How many sentences of the text speak to who writes; they count as nothing."""
        self._material = without(text, spans, left_out)
        # The rules read English: of another language it is not known what a sentence says.
        readable = are_readable(text, [start for start, _ in spans])
        self.spans: Sequence[tuple[int, int]] = [
            span for span, out, known in zip(spans, left_out, readable, strict=True) if known and not out
        ]
        """Where each sentence that counts stands, in code points: what `Sentence.support` counts in."""
        counting = set(self.spans)
        self._facts = facts_of_text(reading for start, end, reading in read if (start, end) in counting)
        self._progress = Progress()
        is_impression = wanted is Wanted.IMPRESSION
        self._kind = SectionKind.IMPRESSION if is_impression else SectionKind.SUMMARY
        self._template = IMPRESSION_ALONE if is_impression else SUMMARY_ALONE

    async def sentences(self) -> AsyncGenerator[Sentence]:
        """The sentences that stand, as they are written. Raises what the writer raises."""
        task = Task.IMPRESSION if self._wanted is Wanted.IMPRESSION else Task.SUMMARY
        count = 0
        async with contextlib.aclosing(self._writer.sentences(task, self._material)) as sentences:
            async for written in sentences:
                verdict = self._verdict(written)
                if verdict.reason is None:
                    text = finished(written.text)
                    yield self._progress.stands(self._kind, text, Origin.WRITTEN, verdict.support)
                else:
                    self._progress.falls(self._kind, written.text, verdict.reason)
                count += 1
                if count >= MOST_SENTENCES:
                    break
        if not self._progress.sentences:
            for sentence in self._quoted():
                yield sentence

    def draft(self) -> Draft:
        """The whole draft, after the last sentence."""
        return self._progress.draft(self._template)

    def _verdict(self, written: Written) -> Verdict:
        if not written.is_whole or len(written.text) > LONGEST_SENTENCE:
            return Verdict((), Reason.UNFINISHED)
        if finished(written.text) in {one.text for one in self._progress.sentences}:
            return Verdict((), Reason.REPEATED)
        return check_against_text(self._reader.read(written.text), self._facts)

    def _quoted(self) -> list[Sentence]:
        """In place of a model that wrote nothing that holds: that nothing acute is found, where so it is;
        else the first sentences of the text that have something that is or may be there.
        """
        if self._wanted is Wanted.IMPRESSION:
            verdict = check_against_text(self._reader.read(_ALL_IS_WELL), self._facts)
            if verdict.holds:
                return [self._progress.stands(self._kind, _ALL_IS_WELL, Origin.ADDED, verdict.support)]
        normality = default_words().normality
        found = [
            passage.support
            for passage in self._facts.passages
            if any(
                claim.assertion in {Assertion.PRESENT, Assertion.POSSIBLE}
                and not is_chronic(claim, normality)
                for claim in passage.reading.claims
            )
        ]
        short = [p for p in found if self.spans[p][1] - self.spans[p][0] <= _LONGEST_QUOTED]
        return [
            self._progress.stands(self._kind, finished(self._quote(place)), Origin.ADDED, (place,))
            for place in short[:_MOST_QUOTED]
        ]

    def _quote(self, place: int) -> str:
        start, end = self.spans[place]
        return self._text[start:end]
