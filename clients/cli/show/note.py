"""A note's entities for people: the note itself with its entities marked, and a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


def note(text: str, answer: pb.NoteAnalysis, *, colour: bool) -> Iterator[RenderableType]:
    """The note with its entities marked (their assertion behind them where there is no colour), a table of
    them, and the labels that models give the whole note.
    """
    found = entities(answer)
    yield marks.heading("Note", f"{len(found)} {'entity' if len(found) == 1 else 'entities'}", "dim")
    if text and len(text) <= MAX_SHOWN_CHARACTERS:
        yield Padding(marked(text, found, colour=colour), (0, 2, 1, 2))
    if found:
        yield _table(found)
    else:
        yield marks.indented(Text("No entity was found."))
    for result in answer.results:
        if result.labels:
            said = ", ".join(
                f"{marks.label_name(one.name)} {marks.percent(one.probability)}" for one in result.labels
            )
            yield marks.indented(Text(f"{marks.label_name(result.provenance.model_name)}: {said}"))
        for notice in result.notices:
            yield marks.notice(notice)
    for notice in answer.notices:
        yield marks.notice(notice)


def entities(answer: pb.NoteAnalysis) -> list[pb.Entity]:
    """One entity a place of the note, whichever models found it; in the order of the note."""
    first = [mention.entities[0] for mention in answer.mentions if mention.entities]
    return [answer.results[one.result_index].entities[one.entity_index] for one in first]


def marked(text: str, found: Iterable[pb.Entity], *, colour: bool) -> Text:
    """The note, each entity in the colour of its assertion; without colour as `[effusion: absent]`."""
    shown = Text()
    position = 0
    for entity in found:
        if not position <= entity.start_offset < entity.end_offset <= len(text):
            continue  # of another note, or overlapping one of another type
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
    return marks.enum_name(pb.Assertion, entity.assertion, "ASSERTION_")


def _table(found: Iterable[pb.Entity]) -> marks.Grid:
    columns = (
        marks.Column(maximum=28),
        marks.Column(style="dim"),
        marks.Column(),
        marks.Column(justify="right"),
        marks.Column(ratio=1, style="dim"),
    )
    return marks.Grid(columns, [_row(entity) for entity in found])


def _row(entity: pb.Entity) -> tuple[Text, ...]:
    triggers = ", ".join(dict.fromkeys(f"“{trigger.text}”" for trigger in entity.triggers))
    code = marks.concept_code(entity.concept)
    return (
        Text(" ".join(entity.text.split())),
        Text(marks.label_name(entity.type.lower())),
        Text(assertion(entity), style=STYLES.get(entity.assertion, "")),
        Text(marks.percent(entity.confidence)),
        Text(" · ".join(part for part in (code or "code unknown", triggers) if part)),
    )
