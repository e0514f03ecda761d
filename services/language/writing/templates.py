"""What a report looks like: its sections and their headings. Templates are data files, one a template."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

_NAME = re.compile("[a-z][a-z0-9_]{0,63}")
STANDARD = "standard"
MARK = "AI draft, to be reviewed"
"""The first line of every draft."""


class SectionKind(Enum):
    """What a section holds."""

    INDICATION = "indication"
    FINDINGS = "findings"
    IMPRESSION = "impression"
    RECOMMENDATION = "recommendation"
    SUMMARY = "summary"


class Style(Enum):
    """How sentences stand in a section."""

    PROSE = "prose"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Section:
    """One section."""

    kind: SectionKind
    heading: str
    when_empty: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A report's sections, in their order; each kind once."""

    sections: tuple[Section, ...]
    style: Style = Style.PROSE

    def __post_init__(self) -> None:
        kinds = [section.kind for section in self.sections]
        if not kinds or len(set(kinds)) != len(kinds):
            raise ValueError("a template has at least one section, and each kind once")
        if any(not section.heading.strip() or "\n" in section.heading for section in self.sections):
            raise ValueError("a heading is one line")


IMPRESSION_ALONE = Template((Section(SectionKind.IMPRESSION, "IMPRESSION"),))
SUMMARY_ALONE = Template((Section(SectionKind.SUMMARY, "SUMMARY"),))


def read_templates(folder: Path | None = None) -> dict[str, Template]:
    """The templates that come with the service, and those of `folder`, which go before them.

    Raises ValueError, which names the file, where one does not hold.
    """
    own = [path for path in (files(__package__) / "templates").iterdir() if path.name.endswith(".toml")]
    given = sorted(folder.glob("*.toml")) if folder is not None else []
    templates = {}
    for path in (*own, *given):
        name = path.name.removesuffix(".toml")
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"template {path.name}: a name has the characters a to z, 0 to 9 and _")
        try:
            templates[name] = _template(tomllib.loads(path.read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"template {path.name}: {error}") from error
    return templates


def _template(table: Mapping[str, Any]) -> Template:
    if unknown := table.keys() - {"style", "sections"}:
        raise ValueError(f"unknown key {min(unknown)!r}")
    sections = [
        Section(SectionKind(one["kind"]), one["heading"], one.get("when_empty", ""))
        for one in table["sections"]
    ]
    return Template(tuple(sections), Style(table.get("style", "prose")))


def layout(
    template: Template, sentences: Iterable[tuple[SectionKind, str]]
) -> tuple[str, list[tuple[int, int]]]:
    """The text of a draft, its mark first, and where each sentence stands in it (code points)."""
    given = list(sentences)
    places: list[tuple[int, int]] = [(0, 0)] * len(given)
    text = MARK + "\n"
    for section in template.sections:
        own = [(at, sentence) for at, (kind, sentence) in enumerate(given) if kind is section.kind]
        if not own and not section.when_empty:
            continue
        text += f"\n{section.heading}\n"
        if not own:
            text += section.when_empty + "\n"
        for number, (at, sentence) in enumerate(own):
            if template.style is Style.LIST:
                text += "- "
            elif number:
                text += " "
            places[at] = (len(text), len(text) + len(sentence))
            text += sentence
            if template.style is Style.LIST or number == len(own) - 1:
                text += "\n"
    return text, places
