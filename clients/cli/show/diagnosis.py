"""The whole answer to a combined request for people. What a PARTIAL answer lacks is said where it would
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from google.protobuf.duration_pb2 import Duration
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.show import marks
from clients.cli.show.image import image
from clients.cli.show.note import note
from clients.cli.show.treatments import treatments
from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import ReceiptStatement
from medmesh.receipt import statement

MAX_ASSESSMENTS = 6
"""The most probable ones; the others are counted."""
SOURCES: dict[int, str] = {
    pb.SOURCE_PRIOR: "prior",
    pb.SOURCE_IMAGE: "image",
    pb.SOURCE_NOTE: "note",
    pb.SOURCE_RECORD: "record",
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
            Text("A person must review this case before anything is made of it.", style="bold yellow")
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
    yield from _timings(answer)
    yield from _origin(answer)
    yield marks.heading("What this may be used for")
    yield Padding(
        Text(answer.intended_use or "Not stated by the mesh: take it as research only."), (0, 2, 0, 2)
    )


def branch(one: pb.Branch) -> Text:
    """A branch on one line, for progress."""
    word, style = STATES.get(one.state, ("unknown", "yellow"))
    reason = f"  {one.message or one.reason}" if one.state == pb.Branch.STATE_FAILED else ""
    return Text.assemble(
        f"  {branch_name(one):<16}", (f"{word:<14}", style), f"{_ms(one.elapsed):8.0f} ms", reason
    )


def branch_name(one: pb.Branch) -> str:
    """`image 1`, `note`, `record`, `treatments`; images are counted from 1 as in the headings."""
    kind = marks.enum_name(pb.Branch.Kind, one.kind, "KIND_")
    return f"{kind} {one.index + 1}" if one.HasField("index") else kind


def assessments(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    """Each condition's fused probability and interval, what each source adds, and the answer without it."""
    yield marks.heading("Assessment", "what each source adds, in log-odds", "dim")
    if not answer.assessments:
        yield marks.indented(Text("Nothing in the input bears on a condition that the mesh knows."))
    for one in answer.assessments[:MAX_ASSESSMENTS]:
        yield from _assessment(one)
    further = len(answer.assessments) - MAX_ASSESSMENTS
    if further > 0:
        left_out = "condition is" if further == 1 else "conditions are"
        yield marks.indented(
            Text(f"{further} less probable {left_out} left out here; --json has all.", style="dim")
        )
    for disagreement in answer.disagreements:
        yield Padding(
            Text.assemble(
                ("DISAGREEMENT ", "bold yellow"),
                f"on {marks.concept_name(disagreement.condition).lower()}: ",
                disagreement.message,
            ),
            (0, 2, 0, 2),
        )


def _assessment(one: pb.ConditionAssessment) -> Iterator[RenderableType]:
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
    for source, group in groupby(sorted(one.contributions, key=lambda c: c.source), key=lambda c: c.source):
        yield from _source(source, list(group), without.get(source))
    for further in one.uncounted:
        said = f"also    {marks.label_name(further.description)} ({further.log_odds:+.2f}, not counted)"
        yield Padding(Text(said, style="dim"), (0, 0, 0, 4))


def _source(
    source: int, contributions: list[pb.Contribution], without: float | None
) -> Iterator[RenderableType]:
    name = SOURCES.get(source, "other")
    said = ", ".join(dict.fromkeys(marks.label_name(c.description) for c in contributions if c.description))
    log_odds = sum(c.log_odds for c in contributions)
    is_prior = source == pb.SOURCE_PRIOR
    columns = (
        marks.Column(width=48, style="dim"),
        marks.Column(width=7, justify="right"),
        marks.Column(width=11, justify="right"),
        marks.Column(style="dim"),
    )
    line = (
        Text(f"{name:<8}{said}"),
        Text(f"{log_odds:+.2f}", style="dim" if is_prior else ""),
        Text("" if is_prior else f"{100 * sum(c.share for c in contributions):.0f} % share"),
        Text("" if without is None else f"without it {marks.percent(without)}"),
    )
    yield marks.Grid(columns, [line], indent=4)


def _missing(branches: Iterable[pb.Branch]) -> Iterator[RenderableType]:
    for one in branches:
        if one.state == pb.Branch.STATE_FAILED:
            said = " ".join(part for part in (one.message or one.reason, one.effect) if part)
            missing = f"{branch_name(one)} is missing. "
            yield Padding(Text.assemble((missing, "bold yellow"), said), (0, 2, 0, 2))


def _timings(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    asked = [b for b in answer.branches if b.state != pb.Branch.STATE_NOT_REQUESTED]
    yield marks.heading("Timings", f"{_ms(answer.elapsed):.0f} ms in all", "dim")
    longest = max((_ms(b.elapsed) for b in asked), default=0.0) or 1.0
    columns = (
        marks.Column(minimum=16),
        marks.Column(),
        marks.Column(justify="right"),
        marks.Column(drawing=True),
        marks.Column(style="dim"),
    )
    yield marks.Grid(columns, [_timing(one, longest) for one in asked])


def _timing(one: pb.Branch, longest_ms: float) -> tuple[Text, ...]:
    word, style = STATES.get(one.state, ("unknown", "yellow"))
    return (
        Text(branch_name(one)),
        Text(word, style=style),
        Text(f"{_ms(one.elapsed):.0f} ms"),
        marks.bar(_ms(one.elapsed) / longest_ms),
        Text(f"of {_ms(one.budget) / 1000:.1f} s" if one.HasField("budget") else ""),
    )


def _origin(answer: pb.Diagnosis) -> Iterator[RenderableType]:
    yield marks.heading("Where it comes from")
    stated = _statement(answer)
    models = list(stated.predicate.models) or _models(answer)
    for model in models:
        yield marks.provenance(model)
    if not models:
        yield marks.indented(Text("No model took part."))
    ids = {"request": answer.correlation_id, "receipt": stated.predicate.receipt_id}
    yield marks.indented(
        Text(" · ".join(f"{name} {value}" for name, value in ids.items() if value), style="dim")
    )


def _statement(answer: pb.Diagnosis) -> ReceiptStatement:
    try:
        return statement(answer.receipt)
    except ValueError:  # of a newer mesh, or none
        return ReceiptStatement()


def _models(answer: pb.Diagnosis) -> list[Provenance]:
    found = [result.provenance for image in answer.images for result in image.analysis.results]
    found += [result.provenance for result in answer.note.results]
    found += [answer.treatments.provenance] if answer.HasField("treatments") else []
    return found


def _ms(time: Duration) -> float:
    return time.ToNanoseconds() / 1e6
