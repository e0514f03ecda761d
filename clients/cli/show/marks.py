"""The marks that all views share: bars, percentages, headings, concepts. Content is never read as markup."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from google.protobuf.duration_pb2 import Duration
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from medmesh.common.v1.answer_pb2 import WEIGHTS_VERIFICATION_STATED, Notice, PredictionSet, Provenance
from medmesh.common.v1.concept_pb2 import Concept

WIDTH = 100
"""Columns that the views are made for; narrower terminals wrap, wider ones keep to it."""
BAR_CELLS = 24
MAX_PLACES = 3
ABBREVIATIONS = {"xray": "X-ray", "ct": "CT", "mri": "MRI", "icu": "ICU"}
"""Words of labels that are not written as they are spelled there."""
SYSTEMS = {
    "http://snomed.info/sct": "SNOMED",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://loinc.org": "LOINC",
}


def console(file: TextIO | None = None) -> Console:
    """A console of at most 100 columns; 100 where the output is no terminal. Colour only on a terminal (and
    not with NO_COLOR).
    """
    stream = file or sys.stdout
    width = WIDTH
    if stream.isatty():
        width = min(WIDTH, os.get_terminal_size(stream.fileno()).columns)
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def present(parts: Iterable[RenderableType], file: TextIO | None = None) -> None:
    """Prints the parts, without the blanks at the ends of lines that a table leaves."""
    stream = file or sys.stdout
    shown = console(stream)
    with shown.capture() as captured:
        for part in parts:
            shown.print(part)
    stream.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
    stream.flush()


def heading(title: str, right: str = "", style: str = "bold") -> RenderableType:
    """A rule with a title, and something short at its end."""
    return Padding(_Heading(Text(title, style="bold"), Text(right, style=style)), (1, 0, 0, 0))


@dataclass(frozen=True)
class _Heading:
    title: Text
    right: Text

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        whole = Text("  ").join([self.title, self.right]) if self.right.plain else self.title
        if whole.cell_len + 2 <= options.max_width:
            yield Rule(whole, align="left", style="dim")
            return
        yield Rule(self.title, align="left", style="dim")
        yield Padding(self.right, (0, 0, 0, 2))


def bar(share: float, cells: int = BAR_CELLS, style: str = "cyan") -> Text:
    """A bar of `cells` cells for a number in [0, 1]."""
    eighths = round(max(0.0, min(1.0, share)) * cells * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text.assemble((drawn, style), ("·" * (cells - len(drawn)), "dim"))


def percent(value: float) -> str:
    """`0.0 %` to `100.0 %`, six columns wide; what is not quite 0 or 1 never looks as if it were."""
    shown = 100 * value
    if 0 < shown < 0.05:
        return "<0.1 %"
    if 99.95 <= shown < 100:
        return ">99.9 %"
    return f"{shown:.1f} %"


NARROW = 80
"""Below so many columns the cells of a row stand below each other."""


@dataclass(frozen=True)
class Column:
    """One column of a `Grid`; its text wraps, and is never cut."""

    width: int | None = None
    """Columns of the terminal; None: as wide as its widest text."""
    minimum: int | None = None
    maximum: int | None = None
    justify: Literal["left", "right"] = "left"
    style: str = ""
    drawing: bool = False
    """Whether it only draws what another one says, so that a narrow terminal does without it."""
    ratio: int | None = None
    """1: it takes the room that is left."""


@dataclass(frozen=True)
class Grid:
    """Rows of cells, side by side; in a narrow terminal the first cell, and the others below it."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    indent: int = 2
    numbered: bool = False
    """Whether the first cell is the number of the second, and stays beside it."""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """How Rich draws it."""
        if options.max_width >= NARROW:
            yield Padding(self._table(), (0, 0, 0, self.indent))
            return
        leading = 2 if self.numbered else 1
        for row in self.rows:
            yield Padding(_beside(row[:leading]), (0, 0, 0, self.indent))
            cells = zip(self.columns[leading:], row[leading:], strict=True)
            said = [
                Text.assemble((cell.plain, cell.style or column.style))
                for column, cell in cells
                if cell.plain and not column.drawing
            ]
            if said:
                yield Padding(Text("  ").join(said), (0, 0, 0, self.indent + 2))

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=any(column.ratio for column in self.columns))
        for column in self.columns:
            table.add_column(
                width=column.width,
                min_width=column.minimum,
                max_width=column.maximum,
                justify=column.justify,
                style=column.style,
                ratio=column.ratio,
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*row)
        return table


def _beside(cells: Sequence[Text]) -> Table:
    """A number and the name that wraps beside it, or the name alone."""
    table = Table.grid(padding=(0, 1))
    for _ in cells:
        table.add_column(overflow="fold")
    table.add_row(*cells)
    return table


def concept_name(concept: Concept) -> str:
    """The name to show: the display, else the code."""
    return concept.display or concept.code or "(unnamed)"


def concept_code(concept: Concept) -> str:
    """`SNOMED 233604007`; empty where there is no code."""
    if not concept.code:
        return ""
    return f"{SYSTEMS.get(concept.system, concept.system)} {concept.code}".strip()


def label_name(label: str) -> str:
    """A model's label in words: `chest_xray` as `chest X-ray`."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in label.split("_"))


def prediction_set(one: PredictionSet) -> str:
    """The labels that cannot be ruled out, in one sentence."""
    coverage = f"{100 * one.coverage:.0f} %"
    if not one.labels:
        return f"Unlike anything that the model was calibrated on: at {coverage} coverage no label fits."
    return f"Cannot be ruled out at {coverage} coverage: {', '.join(map(label_name, one.labels))}."


def notice(one: Notice) -> RenderableType:
    """A notice of an answer, with the first of the places that it speaks of."""
    word = ("review: ", "bold yellow") if one.review_required else ("note: ", "yellow")
    places = ", ".join(one.places[:MAX_PLACES])
    further = (one.place_count or len(one.places)) - min(len(one.places), MAX_PLACES)
    places += f" and {further} more" if places and further > 0 else ""
    return indented(Text.assemble(word, one.message or one.reason, (f" ({places})" if places else "", "dim")))


def note(text: str) -> RenderableType:
    """What the reader should know beside an answer."""
    return indented(Text.assemble(("note: ", "yellow"), text))


def indented(text: Text, by: int = 2) -> RenderableType:
    """A paragraph, indented with all of its lines."""
    return Padding(text, (0, 2, 0, by))


def provenance(one: Provenance) -> RenderableType:
    """Which model, which weights and how it is known that they ran, which preprocessing, which server."""
    parts = [
        f"version {one.model_version}" if one.model_version else "",
        f"card {one.card_version}" if one.card_version else "",
        f"weights {one.weights_sha256[:12]}" if one.weights_sha256 else "",
        one.preprocessing_version,
        one.runtime,
    ]
    said = " · ".join(part for part in parts if part)
    unproven = one.weights_verification == WEIGHTS_VERIFICATION_STATED
    doubt = " · weights not verified, as the card states them" if unproven else ""
    return indented(Text.assemble((f"{one.model_name:<18}", "bold"), (said, "dim"), (doubt, "yellow")))


def milliseconds(duration: Duration) -> float:
    """A duration in milliseconds."""
    return duration.ToTimedelta().total_seconds() * 1000


def count(number: int, one: str, many: str = "") -> str:
    """`1 entity`, `2 entities`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def enum_name(enum: object, value: int, prefix: str) -> str:
    """An enum's value in lower-case words: `ASSERTION_PRESENT` as `present`. A value from a newer contract
    shows as its number.
    """
    try:
        name: str = enum.Name(value)  # type: ignore[attr-defined]  # protobuf's EnumTypeWrapper has no common base
    except ValueError:
        return str(value)
    return name.removeprefix(prefix).replace("_", " ").lower()
