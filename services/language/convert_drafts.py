"""Evidence and templates from messages, drafts to messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import Concept as ConceptMessage
from medmesh.common.v1.quantity_pb2 import (
    COMPARATOR_GREATER,
    COMPARATOR_GREATER_OR_EQUAL,
    COMPARATOR_LESS,
    COMPARATOR_LESS_OR_EQUAL,
    Quantity,
)
from medmesh.language.v1 import report_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import Concept
from services.language.writing import evidence as ev
from services.language.writing.drafting import Draft, Origin, Sentence
from services.language.writing.support import Reason as DropReason
from services.language.writing.templates import MARK, STANDARD, Section, SectionKind, Style, Template

_STATUSES = {
    pb.FINDING_STATUS_PRESENT: ev.Status.PRESENT,
    pb.FINDING_STATUS_ABSENT: ev.Status.ABSENT,
    pb.FINDING_STATUS_POSSIBLE: ev.Status.POSSIBLE,
    pb.FINDING_STATUS_HISTORICAL: ev.Status.HISTORICAL,
}
_SIDES = {
    pb.SIDE_LEFT: ev.Side.LEFT,
    pb.SIDE_RIGHT: ev.Side.RIGHT,
    pb.SIDE_BILATERAL: ev.Side.BILATERAL,
}
_SOURCES = {
    pb.EVIDENCE_SOURCE_IMAGE: ev.Source.IMAGE,
    pb.EVIDENCE_SOURCE_NOTE: ev.Source.NOTE,
    pb.EVIDENCE_SOURCE_RECORD: ev.Source.RECORD,
    pb.EVIDENCE_SOURCE_FUSION: ev.Source.FUSION,
}
_COMPARATORS = {
    COMPARATOR_LESS: "<",
    COMPARATOR_LESS_OR_EQUAL: "<=",
    COMPARATOR_GREATER_OR_EQUAL: ">=",
    COMPARATOR_GREATER: ">",
}
_KINDS = {
    pb.REPORT_SECTION_INDICATION: SectionKind.INDICATION,
    pb.REPORT_SECTION_FINDINGS: SectionKind.FINDINGS,
    pb.REPORT_SECTION_IMPRESSION: SectionKind.IMPRESSION,
    pb.REPORT_SECTION_RECOMMENDATION: SectionKind.RECOMMENDATION,
    pb.REPORT_SECTION_SUMMARY: SectionKind.SUMMARY,
}
_SECTIONS = {kind: number for number, kind in _KINDS.items()}
_ORIGINS = {
    Origin.WRITTEN: pb.SENTENCE_ORIGIN_WRITTEN,
    Origin.REWRITTEN: pb.SENTENCE_ORIGIN_REWRITTEN,
    Origin.ADDED: pb.SENTENCE_ORIGIN_ADDED,
}
_REASONS = {reason: getattr(pb, f"DROP_REASON_{reason.name}") for reason in DropReason}
Support = Callable[[int], pb.SentenceSupport]
"""What a place of a sentence's support is, as a message."""


def items_of(evidence: pb.ReportEvidence) -> list[ev.Item]:
    """The items in their order. Raises InvalidInput naming the field."""
    return [_item(item, f"evidence.items[{place}]") for place, item in enumerate(evidence.items)]


def template_of(options: pb.ReportOptions, templates: Mapping[str, Template]) -> Template:
    """The template that is asked for. Raises InvalidInput naming the field."""
    if options.WhichOneof("template_choice") == "template":
        return _template(options.template)
    name = options.template_name or STANDARD
    if name not in templates:
        known = ", ".join(sorted(templates))
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "options.template_name", f"there are {known}")
    return templates[name]


def sentence_message(sentence: Sentence, support: Support) -> pb.DraftSentence:
    """A sentence that stands."""
    return pb.DraftSentence(
        section=_SECTIONS[sentence.section],
        text=sentence.text,
        start_offset=sentence.start,
        end_offset=sentence.end,
        origin=_ORIGINS[sentence.origin],
        support=[support(place) for place in sentence.support],
    )


def draft_message(
    draft: Draft, support: Support, provenance: Provenance | None, notices: Sequence[Notice]
) -> pb.Draft:
    """The whole draft."""
    rewritten = sum(one.rewritten for one in draft.dropped)
    kept = draft.count(Origin.WRITTEN)
    message = pb.Draft(
        text=draft.text,
        mark=MARK,
        sentences=[sentence_message(one, support) for one in draft.sentences],
        dropped=[
            pb.DroppedSentence(
                section=_SECTIONS[one.section],
                text=one.text,
                reason=_REASONS[one.reason],
                rewritten=one.rewritten,
            )
            for one in draft.dropped
        ],
        counts=pb.DraftCounts(
            written_count=kept + len(draft.dropped),
            kept_count=kept,
            rewritten_count=rewritten,
            dropped_count=len(draft.dropped) - rewritten,
            added_count=draft.count(Origin.ADDED),
            reasons=[
                pb.DropReasonCount(reason=_REASONS[reason], count=count)
                for reason, count in sorted(draft.reasons.items())
            ],
        ),
        notices=notice_messages(notices),
    )
    if provenance is not None:
        message.provenance.CopyFrom(provenance)
    return message


def item_support(place: int) -> pb.SentenceSupport:
    """An item of the evidence."""
    return pb.SentenceSupport(item_index=place)


def span_support(spans: Sequence[tuple[int, int]]) -> Support:
    """A sentence of the text that was summarised."""

    def support(place: int) -> pb.SentenceSupport:
        start, end = spans[place]
        return pb.SentenceSupport(source_span=pb.SourceSpan(start_offset=start, end_offset=end))

    return support


def _item(item: pb.EvidenceItem, field: str) -> ev.Item:
    content = item.WhichOneof("content")
    field = f"{field}.{content}"
    match content:
        case "finding":
            return _finding(item.finding, field)
        case "measurement":
            value = _amount(item.measurement.value, f"{field}.value")
            return ev.Measurement(_name(item.measurement.name, f"{field}.name"), value)
        case "medication":
            return ev.Medication(_name(item.medication.name, f"{field}.name"), item.medication.dose)
        case "normal_study":
            return ev.NormalStudy(_name(item.normal_study.name, f"{field}.name"))
        case "indication":
            return ev.Indication(_name(item.indication.text, f"{field}.text"))
        case "recommendation":
            return ev.Recommendation(_name(item.recommendation.text, f"{field}.text"))
        case _:
            one = item.disagreement
            return ev.Disagreement(
                _name(one.name, f"{field}.name"),
                _SOURCES.get(one.supporting, ev.Source.UNKNOWN),
                _SOURCES.get(one.opposing, ev.Source.UNKNOWN),
                _concepts(one.concepts),
            )


def _finding(finding: pb.FindingEvidence, field: str) -> ev.Finding:
    return ev.Finding(
        name=_name(finding.name, f"{field}.name"),
        status=_STATUSES[finding.status],
        side=_SIDES.get(finding.side),
        severity=finding.severity,
        region=finding.region,
        extent=_amount(finding.extent, f"{field}.extent") if finding.HasField("extent") else "",
        concepts=_concepts(finding.concepts),
    )


def _name(text: str, field: str) -> str:
    if not any(map(str.isalpha, text)):
        raise InvalidInput(Reason.INPUT_MISSING, field, "has no letter; a name in words is needed")
    return text


def _amount(quantity: Quantity, field: str) -> str:
    if not math.isfinite(quantity.value):
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{field}.value", "is not a number")
    return ev.amount(quantity.value, quantity.unit, _COMPARATORS.get(quantity.comparator, ""))


def _concepts(messages: Sequence[ConceptMessage]) -> tuple[Concept, ...]:
    return tuple(Concept(one.system, one.code, one.display) for one in messages)


def _template(message: pb.ReportTemplate) -> Template:
    style = Style.LIST if message.style == pb.SECTION_STYLE_LIST else Style.PROSE
    sections = []
    for place, section in enumerate(message.sections):
        kind = _KINDS[section.kind]
        if kind is SectionKind.SUMMARY:
            field = f"options.template.sections[{place}].kind"
            raise InvalidInput(Reason.INPUT_UNSUPPORTED, field, "a summary is what Summarize answers with")
        sections.append(Section(kind, section.heading, section.when_empty))
    try:
        return Template(tuple(sections), style)
    except ValueError as error:
        raise InvalidInput(Reason.INPUT_INCONSISTENT, "options.template.sections", str(error)) from error
