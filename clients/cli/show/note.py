"""A note's entities for people: the note itself with its entities marked, and a table of them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
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


def note(text: str, answer: pb.AnalyzeNoteResponse, *, colour: bool) -> Iterator[RenderableType]:
    """The note with its entities marked (their assertion behind them where there is no colour), and a
    table.
    """
    count = len(answer.entities)
    yield marks.heading("Note", f"{count} {'entity' if count == 1 else 'entities'}", "dim")
    if text and len(text) <= MAX_SHOWN_CHARACTERS:
        yield Padding(marked(text, answer, colour=colour), (0, 2, 1, 2))
    if answer.entities:
        yield _table(answer)
    else:
        yield Text("  No disease and no chemical was found.")
    for one in answer.notices:
        yield marks.notice(one)


def marked(text: str, answer: pb.AnalyzeNoteResponse, *, colour: bool) -> Text:
    """The note, each entity in the colour of its assertion; without colour as `[effusion: absent]`."""
    shown = Text()
    position = 0
    for entity in answer.entities:
        if not position <= entity.start_offset < entity.end_offset <= len(text):
            continue  # of another note, or overlapping: the contract has neither
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
    """`present`, `absent`, `possible`, `historical` or `family`."""
    return marks.enum_name(pb.Assertion, entity.assertion, "ASSERTION_")


def _table(answer: pb.AnalyzeNoteResponse) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(max_width=30)
    table.add_column()
    table.add_column()
    table.add_column(justify="right")
    table.add_column(ratio=1, style="dim")
    for entity in answer.entities:
        triggers = ", ".join(dict.fromkeys(f"“{trigger.text}”" for trigger in entity.triggers))
        code = marks.concept_code(entity.concept)
        table.add_row(
            Text("  " + marks.shortened(" ".join(entity.text.split()), 28)),
            Text(marks.enum_name(pb.EntityType, entity.type, "ENTITY_TYPE_"), style="dim"),
            Text(assertion(entity), style=STYLES.get(entity.assertion, "")),
            Text(marks.percent(entity.confidence)),
            Text(" · ".join(part for part in (code or "code unknown", triggers) if part)),
        )
    return table
