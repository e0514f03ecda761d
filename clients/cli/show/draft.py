"""A draft of a report or a summary for people: each sentence with what it rests on, and what was dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.language.v1 import report_pb2 as pb

MAX_DROPPED = 8
"""Sentences that did not stand and are shown; the others are counted."""
_ORIGINS = {
    pb.SENTENCE_ORIGIN_REWRITTEN: "reworded from the evidence",
    pb.SENTENCE_ORIGIN_ADDED: "in a fixed form",
}
Support = Callable[[pb.SentenceSupport], str]
"""What a sentence rests on, in words."""


def draft(answer: pb.Draft, support: Support, title: str = "Draft report") -> Iterator[RenderableType]:
    """Its mark, its sections sentence by sentence, what was dropped and why."""
    yield marks.heading(title, answer.mark, "bold yellow")
    for section, sentences in groupby(answer.sentences, key=lambda one: one.section):
        yield marks.indented(Text(_section(section), style="bold"))
        for one in sentences:
            yield from sentence(one, support)
    if not answer.sentences:
        yield marks.indented(Text("There is nothing that may be said.", style="dim"))
    yield from _dropped(answer)
    for notice in answer.notices:
        yield marks.notice(notice)
    if answer.HasField("provenance"):
        yield marks.provenance(answer.provenance)


def sentence(one: pb.DraftSentence, support: Support) -> Iterator[RenderableType]:
    """A sentence, and beneath it what it rests on."""
    how = _ORIGINS.get(one.origin, "")
    yield marks.indented(Text.assemble(one.text, (f"  ({how})" if how else "", "dim")), by=4)
    yield marks.indented(Text(f"← {'; '.join(map(support, one.support))}", style="dim"), by=6)


def items(evidence: pb.ReportEvidence) -> Support:
    """What an item of the evidence is, and where it stands."""

    def support(one: pb.SentenceSupport) -> str:
        if one.item_index >= len(evidence.items):
            return f"item {one.item_index}"
        return item(evidence.items[one.item_index])

    return support


def spans(text: str) -> Support:
    """The sentence of the text that was summarised."""

    def support(one: pb.SentenceSupport) -> str:
        span = one.source_span
        return f"“{' '.join(text[span.start_offset : span.end_offset].split())}”"

    return support


def item(one: pb.EvidenceItem) -> str:
    """One piece of evidence on one line."""
    kind = one.WhichOneof("content") or ""
    content = getattr(one, kind) if kind else None
    words = []
    if isinstance(content, pb.FindingEvidence):
        side = marks.enum_name(pb.Side, content.side, "SIDE_") if content.side else ""
        words = [marks.enum_name(pb.FindingStatus, content.status, "FINDING_STATUS_"), side]
        words += [content.severity, content.name, content.region]
    elif content is not None:
        words = [kind.replace("_", " "), getattr(content, "name", "") or getattr(content, "text", "")]
    source = marks.enum_name(pb.EvidenceSource, one.source, "EVIDENCE_SOURCE_") if one.source else ""
    place = ", ".join(filter(None, (source, one.reference)))
    return " ".join(filter(None, words)) + (f" [{place}]" if place else "")


def _dropped(answer: pb.Draft) -> Iterator[RenderableType]:
    if not answer.dropped:
        return
    count = len(answer.dropped)
    yield marks.indented(
        Text(f"Of {answer.counts.written_count} sentences of the model {count} did not stand:", style="bold")
    )
    for one in answer.dropped[:MAX_DROPPED]:
        reason = marks.enum_name(pb.DropReason, one.reason, "DROP_REASON_")
        yield marks.indented(Text.assemble((f"{reason}: ", "yellow"), (one.text, "dim")), by=4)
    if count > MAX_DROPPED:
        yield marks.indented(Text(f"{count - MAX_DROPPED} more; --json has all.", style="dim"), by=4)


def _section(section: int) -> str:
    return marks.enum_name(pb.ReportSection, section, "REPORT_SECTION_").upper()
