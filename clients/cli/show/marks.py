"""The marks that all views share: bars, percentages, headings, concepts. Content is never read as markup."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from medmesh.common.v1.answer_pb2 import Notice, Provenance
from medmesh.common.v1.concept_pb2 import Concept

WIDTH = 100
"""Columns that the views are made for; narrower terminals wrap, wider ones keep to it."""
BAR_CELLS = 24
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
    text = Text.assemble((title, "bold"), *([("  ", ""), (right, style)] if right else []))
    return Padding(Rule(text, align="left", style="dim"), (1, 0, 0, 0))


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


def concept_name(concept: Concept) -> str:
    """The name to show: the display, else the code."""
    return concept.display or concept.code or "(unnamed)"


def concept_code(concept: Concept) -> str:
    """`SNOMED 233604007`; empty where there is no code."""
    if not concept.code:
        return ""
    return f"{SYSTEMS.get(concept.system, concept.system)} {concept.code}".strip()


def label_name(label: str) -> str:
    """A model's label in words."""
    return label.replace("_", " ")


def shortened(text: str, columns: int) -> str:
    """The text, cut to so many columns with an ellipsis."""
    if cell_len(text) <= columns:
        return text
    while text and cell_len(text) > columns - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def notice(one: Notice) -> RenderableType:
    """A notice of an answer."""
    return note(one.message or one.reason)


def note(text: str) -> RenderableType:
    """What the reader should know of an answer."""
    return indented(Text.assemble(("note: ", "yellow"), text))


def indented(text: Text, by: int = 2) -> RenderableType:
    """A paragraph, indented with all of its lines."""
    return Padding(text, (0, 2, 0, by))


def provenance(one: Provenance) -> RenderableType:
    """Which model, which weights, which preprocessing, which server."""
    parts = [
        f"version {one.model_version}" if one.model_version else "",
        f"weights {one.weights_sha256[:12]}" if one.weights_sha256 else "",
        one.preprocessing_version,
        one.runtime,
    ]
    said = " · ".join(part for part in parts if part)
    return indented(Text.assemble((f"{one.model_name:<18}", "bold"), (said, "dim")))


def enum_name(enum: object, value: int, prefix: str) -> str:
    """An enum's value in lower-case words: `ASSERTION_PRESENT` as `present`. A value from a newer contract
    shows as its number.
    """
    try:
        name: str = enum.Name(value)  # type: ignore[attr-defined]  # protobuf's EnumTypeWrapper has no common base
    except ValueError:
        return str(value)
    return name.removeprefix(prefix).replace("_", " ").lower()
