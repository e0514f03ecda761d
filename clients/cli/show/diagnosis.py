"""The whole answer to a combined request for people. What a PARTIAL answer lacks is said where it would
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.show import draft, evidence, marks
from clients.cli.show.image import image
from clients.cli.show.note import note
from clients.cli.show.treatments import treatments
from medmesh import receipt
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import ReceiptStatement

MAX_ASSESSMENTS = 6
"""The most probable ones; the others are counted."""
SOURCES: dict[int, str] = {
    pb.SOURCE_PRIOR: "prior",
    pb.SOURCE_IMAGE: "image",
    pb.SOURCE_NOTE: "note",
    pb.SOURCE_RECORD: "record",
}
BRANCHES: dict[int, str] = {
    pb.Branch.KIND_IMAGE: "image",
    pb.Branch.KIND_NOTE: "note",
    pb.Branch.KIND_RECORD: "record",
    pb.Branch.KIND_TREATMENTS: "treatments",
    pb.Branch.KIND_REPORT: "report",
}
STATES: dict[int, tuple[str, str]] = {
    pb.Branch.STATE_NOT_REQUESTED: ("not asked for", "dim"),
    pb.Branch.STATE_ANSWERED: ("answered", "green"),
    pb.Branch.STATE_FAILED: ("FAILED", "bold red"),
}


def diagnosis(answer: pb.Diagnosis, note_text: str = "", *, colour: bool) -> Iterator[RenderableType]:
    """Completeness and missing branches first, then findings, entities, treatments, assessment, and where it
    all comes from.
    """
    complete = answer.completeness == pb.COMPLETENESS_COMPLETE
    word = marks.enum_name(pb.Completeness, answer.completeness, "COMPLETENESS_").upper()
    yield marks.heading("Diagnosis", word, "bold green" if complete else "bold yellow")
    yield from _missing(answer.branches)
    if answer.review_required:
        yield marks.indented(
            Text("A person must review this case before it is acted on.", style="bold yellow")
        )
    for one in answer.notices:
        yield marks.notice(one)
    for result in answer.images:
        yield from image(result.analysis, f"Image {result.index + 1}" if len(answer.images) > 1 else "Image")
    if answer.HasField("note"):
        yield from note(note_text, answer.note, colour=colour)
    if answer.HasField("treatments"):
        yield from treatments(answer.treatments)
    yield from assessments(answer)
    if answer.HasField("report"):
        yield from draft.draft(answer.report.draft, draft.items(answer.report.evidence))
    yield from _timings(answer)
    yield from _origin(answer)
    yield marks.heading("Intended use")
    yield Padding(
        Text(answer.intended_use or "Not stated by the mesh; treat it as research use only."), (0, 2, 0, 2)
    )


def branch(one: pb.Branch) -> Text:
    """A branch on one line, for progress."""
    word, style = STATES.get(one.state, ("unknown", "yellow"))
    reason = f"  {one.message or one.reason}" if one.state == pb.Branch.STATE_FAILED else ""
    took = f"{marks.milliseconds(one.elapsed):8.0f} ms"
    return Text.assemble(f"  {branch_name(one):<16}", (f"{word:<14}", style), took, reason)


def branch_name(one: pb.Branch, *, only_image: bool = False) -> str:
    """What a branch works on: `image 2`, `note`; `image` where there is only one."""
    name = BRANCHES.get(one.kind, f"branch {one.kind}")
    return f"{name} {one.index + 1}" if one.HasField("index") and not only_image else name


def _one_image(branches: Iterable[pb.Branch]) -> bool:
    return sum(one.kind == pb.Branch.KIND_IMAGE for one in branches) == 1


def assessments(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    """Each condition's fused probability and interval, what each source adds, and the answer without it."""
    yield marks.heading("Assessment", "what each source adds, in log-odds", "dim")
    if not answer.assessments:
        yield marks.indented(Text("Nothing in the input bears on a condition that the mesh knows."))
    for one in answer.assessments[:MAX_ASSESSMENTS]:
        yield from _assessment(one, answer)
    further = len(answer.assessments) - MAX_ASSESSMENTS
    if further > 0:
        left_out = "condition is" if further == 1 else "conditions are"
        yield marks.indented(
            Text(f"{further} less probable {left_out} left out here; --json has all.", style="dim")
        )
    for disagreement in answer.disagreements:
        yield from _disagreement(disagreement, answer)


def _disagreement(one: pb.Disagreement, answer: pb.Diagnosis) -> Iterator[RenderableType]:
    condition = marks.concept_name(one.condition).lower()
    yield marks.indented(
        Text.assemble(("DISAGREEMENT ", "bold yellow"), f"on {condition}: {one.message}"), by=2
    )
    for word, reference in (("for it", one.supporting), ("against it", one.opposing)):
        if place := evidence.words(reference, answer):
            yield marks.indented(Text.assemble((f"{word}: ", "dim"), place), by=4)


def _assessment(one: pb.ConditionAssessment, answer: pb.Diagnosis) -> Iterator[RenderableType]:
    columns = (
        marks.Column(width=36),
        marks.Column(width=7, justify="right"),
        marks.Column(width=18, style="dim"),
        marks.Column(drawing=True),
    )
    line = (
        Text(marks.concept_name(one.condition), style="bold"),
        Text(marks.percent(one.probability), style="bold"),
        Text(f"{100 * one.probability_low:.0f}-{100 * one.probability_high:.0f} %"),
        marks.bar(one.probability),
    )
    yield marks.Grid(columns, [line])
    without = {left.source: left.probability for left in one.leave_one_out}
    by_source = sorted(one.contributions, key=lambda c: c.source)
    for source, group in groupby(by_source, key=lambda c: c.source):
        yield from _source(source, list(group), without.get(source), answer)
    for further in one.uncounted:
        said = f"not counted, since another model counts for this input: {evidence.said(further, answer)}"
        yield marks.indented(Text(f"{said} ({further.log_odds:+.2f})", style="dim"), by=4)


def _source(
    source: int, contributions: list[pb.Contribution], without: float | None, answer: pb.Diagnosis
) -> Iterator[RenderableType]:
    name = SOURCES.get(source, f"source {source}")
    said = ", ".join(dict.fromkeys(filter(None, (evidence.said(c, answer) for c in contributions))))
    log_odds = sum(c.log_odds for c in contributions)
    is_prior = source == pb.SOURCE_PRIOR
    columns = (
        marks.Column(width=6, style="dim"),
        marks.Column(width=40, style="dim"),
        marks.Column(width=7, justify="right"),
        marks.Column(width=11, justify="right"),
        marks.Column(style="dim"),
    )
    line = (
        Text(name),
        Text(said),
        Text(f"{log_odds:+.2f}", style="dim" if is_prior else ""),
        Text("" if is_prior else f"{100 * sum(c.share for c in contributions):.0f} % share"),
        Text("" if without is None else f"without it {marks.percent(without)}"),
    )
    yield marks.Grid(columns, [line], indent=4, numbered=True)


def _missing(branches: Sequence[pb.Branch]) -> Iterator[RenderableType]:
    for one in branches:
        if one.state == pb.Branch.STATE_FAILED:
            said = " ".join(part for part in (one.message or one.reason, one.effect) if part)
            missing = f"The {branch_name(one, only_image=_one_image(branches))} is missing. "
            yield marks.indented(Text.assemble((missing, "bold yellow"), said))


def _timings(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    asked = [b for b in answer.branches if b.state != pb.Branch.STATE_NOT_REQUESTED]
    yield marks.heading("Timings", f"{marks.milliseconds(answer.elapsed):.0f} ms in all", "dim")
    longest = max((marks.milliseconds(b.elapsed) for b in asked), default=0.0) or 1.0
    columns = (
        marks.Column(minimum=16),
        marks.Column(),
        marks.Column(justify="right"),
        marks.Column(drawing=True),
        marks.Column(style="dim"),
    )
    yield marks.Grid(columns, [_timing(one, longest, only_image=_one_image(asked)) for one in asked])


def _timing(one: pb.Branch, longest_ms: float, *, only_image: bool) -> tuple[Text, ...]:
    word, style = STATES.get(one.state, ("unknown", "yellow"))
    elapsed_ms, budget_s = marks.milliseconds(one.elapsed), marks.milliseconds(one.budget) / 1000
    return (
        Text(branch_name(one, only_image=only_image)),
        Text(word, style=style),
        Text(f"{elapsed_ms:.0f} ms"),
        marks.bar(elapsed_ms / longest_ms),
        Text(f"of {budget_s:.1f} s" if budget_s else ""),
    )


def _origin(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    yield marks.heading("Provenance")
    made = _statement(answer)
    models = list(made.predicate.models) or _models(answer)
    for model in models:
        yield marks.provenance(model)
    if not models:
        yield marks.indented(Text("No model was involved."))
    if answer.correlation_id:
        yield marks.indented(Text(f"request {answer.correlation_id}", style="dim"))
    if made.predicate.receipt_id:
        keys = ", ".join(one.keyid[:12] for one in answer.receipt.signatures)
        signed = f"signed by {keys}" if keys else "not signed"
        yield marks.indented(Text(f"receipt {made.predicate.receipt_id} · {signed}", style="dim"))


def _statement(answer: pb.Diagnosis) -> ReceiptStatement:
    try:
        return receipt.statement(answer.receipt)
    except ValueError:  # no receipt, or one of a mesh that states something else
        return ReceiptStatement()


def _models(answer: pb.Diagnosis) -> list[Provenance]:
    found = [result.provenance for image in answer.images for result in image.analysis.results]
    found += [result.provenance for result in answer.note.results]
    found += [answer.treatments.provenance] if answer.HasField("treatments") else []
    return found
