"""What models read in a note, for people: the note itself with its entities marked, a table of them, and the
labels of classifiers.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.show import marks
from medmesh.language.v1 import language_pb2 as pb

MAX_SHOWN_CHARACTERS = 2000
"""Of a longer note only the table is shown."""
STYLES: dict[int, str] = {
    pb.ASSERTION_PRESENT: "bold red",
    pb.ASSERTION_ABSENT: "green",
    pb.ASSERTION_POSSIBLE: "yellow",
    pb.ASSERTION_HISTORICAL: "blue",
    pb.ASSERTION_FAMILY: "magenta",
    pb.ASSERTION_HYPOTHETICAL: "dim",
    pb.ASSERTION_ALLERGY: "bold yellow",
}
ORIGINS: dict[int, str] = {
    pb.ENTITY_ORIGIN_MODEL_RETYPED: "type by terminology",
    pb.ENTITY_ORIGIN_TERMINOLOGY: "by terminology",
}


def note(text: str, analysis: pb.NoteAnalysis, *, colour: bool) -> Iterator[RenderableType]:
    """The note with what it mentions marked (the assertion behind it where there is no colour), a table, and
    each classifier's labels.
    """
    found = len(analysis.mentions)
    yield marks.heading("Note", marks.count(found, "entity", "entities"), "dim")
    if text and len(text) <= MAX_SHOWN_CHARACTERS:
        yield Padding(marked(text, analysis, colour=colour), (0, 2, 1, 2))
    if analysis.mentions:
        yield _table(analysis)
    elif not any(result.labels for result in analysis.results):
        yield marks.indented(Text("Nothing was found that the models look for."))
    for result in analysis.results:
        if result.labels:
            yield from _labels(result)
        for one in result.notices:
            yield marks.notice(one)
    for one in analysis.notices:
        yield marks.notice(one)


def entities(analysis: pb.NoteAnalysis, mention: pb.Mention) -> list[tuple[str, pb.Entity]]:
    """The entities of a mention with their models' names; the first one represents it."""
    found = []
    for reference in mention.entities:
        if 0 <= reference.result_index < len(analysis.results):
            result = analysis.results[reference.result_index]
            if 0 <= reference.entity_index < len(result.entities):
                found.append((result.provenance.model_name, result.entities[reference.entity_index]))
    return found


def marked(text: str, analysis: pb.NoteAnalysis, *, colour: bool) -> Text:
    """The note, each mention in the colour of its assertion; without colour as `[effusion: absent]`."""
    shown = Text()
    position = 0
    for mention in analysis.mentions:
        _, entity = next(iter(entities(analysis, mention)), ("", pb.Entity()))
        if not position <= entity.start_offset < entity.end_offset <= len(text):
            continue  # of another note, or within one of another type that is marked already
        shown.append(text[position : entity.start_offset])
        words = text[entity.start_offset : entity.end_offset]
        if colour:
            shown.append(words, style=STYLES.get(entity.assertion, "bold"))
        else:
            shown.append(f"[{words}: {assertion(entity)}]")
        position = entity.end_offset
    shown.append(text[position:].rstrip("\n"))
    return shown


def assertion(entity: pb.Entity) -> str:
    """The assertion in a word, e.g. `present`."""
    if entity.assertion == pb.ASSERTION_UNSPECIFIED:
        return "not decided"
    return marks.enum_name(pb.Assertion, entity.assertion, "ASSERTION_")


def _table(analysis: pb.NoteAnalysis) -> marks.Grid:
    columns = (
        marks.Column(maximum=28),
        marks.Column(style="dim"),
        marks.Column(),
        marks.Column(justify="right"),
        marks.Column(ratio=1, style="dim"),
    )
    readers = sum(bool(result.entities) for result in analysis.results)
    rows = [_row(found, several=readers > 1) for m in analysis.mentions if (found := entities(analysis, m))]
    return marks.Grid(columns, rows)


def _row(found: list[tuple[str, pb.Entity]], *, several: bool) -> tuple[Text, ...]:
    entity = found[0][1]
    said = [
        marks.concept_code(entity.concept) or "code unknown",
        ", ".join(dict.fromkeys(f"“{trigger.text}”" for trigger in entity.triggers)),
        ORIGINS.get(entity.origin, ""),
        ", ".join(dict.fromkeys(model for model, _ in found)) if several else "",
    ]
    return (
        Text(" ".join(entity.text.split())),
        Text(entity.type.replace("_", " ").lower()),
        Text(assertion(entity), style=STYLES.get(entity.assertion, "")),
        Text(marks.percent(entity.confidence)),
        Text(" · ".join(part for part in said if part)),
    )


def _labels(result: pb.NoteModelResult) -> Iterator[RenderableType]:
    yield Text()
    yield marks.indented(Text(result.provenance.model_name, style="bold"))
    columns = (
        marks.Column(minimum=22),
        marks.Column(minimum=7, justify="right"),
        marks.Column(drawing=True),
        marks.Column(style="dim"),
    )
    rows = [
        (
            Text(marks.label_name(one.name)),
            Text(marks.percent(one.probability), style="bold" if one.found else "dim"),
            marks.bar(one.probability),
            Text(" · ".join(part for part in (_code(one), "found" if one.found else "") if part)),
        )
        for one in sorted(result.labels, key=lambda one: -one.probability)
    ]
    yield marks.Grid(columns, rows)
    if result.HasField("prediction_set"):
        yield marks.indented(Text(marks.prediction_set(result.prediction_set)))


def _code(label: pb.TextLabel) -> str:
    return marks.concept_code(label.concepts[0]) if label.concepts else ""
