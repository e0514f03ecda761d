"""The streams of drafts: sentences as they stand, then the whole, with what the reader should know of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Protocol

from medmesh.language.v1 import report_pb2 as pb
from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.chassis.rpc import request as requests
from services.language.convert_drafts import (
    Support,
    draft_message,
    item_support,
    items_of,
    sentence_message,
    span_support,
    template_of,
)
from services.language.tasks.text_generation import TextGenerator
from services.language.texts import check_text
from services.language.writing.drafting import Draft, Origin, ReportDrafter, Sentence
from services.language.writing.summarizing import Summarizer, Wanted
from services.language.writing.templates import Template
from services.language.writing.writer import Writer

WRITING_SHARE = 0.9
"""Part of the time that is left which the model may take; the rest is for what it did not write of."""
REPORT_TOKENS, SUMMARY_TOKENS = 256, 128
Event = tuple[pb.DraftSentence | None, pb.Draft | None]


class Drafter(Protocol):
    """What makes a draft."""

    instruction_count: int
    """Sentences of the text that speak to who writes."""

    def sentences(self) -> AsyncGenerator[Sentence]:
        """As they stand."""
        ...

    def draft(self) -> Draft:
        """After the last of them."""
        ...


class DraftWriting:
    """Answers the two rpcs of drafts."""

    def __init__(
        self, templates: Mapping[str, Template], deidentified: Callable[[str], Awaitable[str]]
    ) -> None:
        """`deidentified` takes out of a text what identifies, before a model outside is shown it."""
        self._templates = templates
        self._deidentified = deidentified

    async def report(self, request: pb.GenerateReportRequest, model: TextGenerator) -> AsyncGenerator[Event]:
        """Sentences, then the draft. Raises InvalidInput, and what the model raises."""
        items = items_of(request.evidence)
        template = template_of(request.options, self._templates)
        writer = self._writer(model, request.options.max_token_count or REPORT_TOKENS)
        drafter = await asyncio.to_thread(ReportDrafter, items, template, writer)
        async with contextlib.aclosing(_events(drafter, item_support, writer, model)) as events:
            async for event in events:
                yield event

    async def summary(self, request: pb.SummarizeRequest, model: TextGenerator) -> AsyncGenerator[Event]:
        """Sentences, then the draft. Raises InvalidInput, and what the model raises."""
        check_text(request.text, "text")
        is_summary = request.kind == pb.SummarizeRequest.KIND_SUMMARY
        wanted = Wanted.SUMMARY if is_summary else Wanted.IMPRESSION
        writer = self._writer(model, request.max_token_count or SUMMARY_TOKENS)
        summarizer = await asyncio.to_thread(Summarizer, request.text, wanted, writer)
        support = span_support(summarizer.spans)
        try:
            async with contextlib.aclosing(_events(summarizer, support, writer, model)) as events:
                async for event in events:
                    yield event
        except InvalidInput as error:
            raise InvalidInput(error.reason, "text", error.description) from error

    def _writer(self, model: TextGenerator, max_token_count: int) -> Writer:
        left_s = requests.remaining_s()
        time_s = None if left_s is None else WRITING_SHARE * left_s
        return Writer(model, max_token_count, time_s, self._deidentified if model.is_external else None)


async def _events(
    drafter: Drafter, support: Support, writer: Writer, model: TextGenerator
) -> AsyncGenerator[Event]:
    async with contextlib.aclosing(drafter.sentences()) as sentences:
        async for sentence in sentences:
            yield sentence_message(sentence, support), None
    draft = drafter.draft()
    requests.note(
        sentences_kept=draft.count(Origin.WRITTEN),
        sentences_dropped=len(draft.dropped),
        sentences_added=draft.count(Origin.ADDED),
    )
    yield None, draft_message(draft, support, writer.provenance, _notices(drafter, draft, writer, model))


def _notices(drafter: Drafter, draft: Draft, writer: Writer, model: TextGenerator) -> list[Notice]:
    notices = []
    if drafter.instruction_count:
        message = (
            f"{_sentences(drafter.instruction_count)} of the text speak to who writes, or stand behind one "
            "that does: they were not shown to the model and support nothing."
        )
        notices.append(Notice("TEXT_INSTRUCTIONS_LEFT_OUT", message, review_required=True))
    if count := len(draft.dropped):
        message = f"{_sentences(count)} that the model wrote did not hold against the evidence."
        notices.append(Notice("DRAFT_SENTENCES_DROPPED", message, model_name=model.name))
    if count := draft.count(Origin.ADDED):
        message = f"{_sentences(count)} in a fixed form: what no model words, or did not write of."
        notices.append(Notice("DRAFT_SENTENCES_ADDED", message, model_name=model.name))
    if writer.was_cut:
        message = "The model reached its bound in tokens or time before it had ended."
        notices.append(Notice("DRAFT_CUT", message, review_required=True, model_name=model.name))
    if writer.was_truncated:
        message = "The model was shown only the beginning of what it was to write from."
        notices.append(Notice("TEXT_TRUNCATED", message, review_required=True, model_name=model.name))
    if not draft.sentences:
        message = "Nothing that the model wrote holds, and there is nothing to write a fixed form from."
        notices.append(Notice("DRAFT_EMPTY", message, review_required=True, model_name=model.name))
    if model.is_external and writer.provenance is not None:
        message = "The model runs outside the mesh: what identifies was taken out of what it was shown."
        notices.append(Notice("PROMPT_DEIDENTIFIED", message, model_name=model.name))
    return notices


def _sentences(count: int) -> str:
    return f"{count} {'sentence' if count == 1 else 'sentences'}"
