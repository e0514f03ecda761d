"""`medmesh search`: the passages of your own texts that are nearest in meaning to a question."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.padding import Padding
from rich.progress import Progress
from rich.text import Text

from clients.cli import inputs
from clients.cli.failures import explained
from clients.cli.passages import read_passages
from clients.cli.show import marks
from medmesh import Client
from medmesh.corpus import Corpus, Matches


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in words.")],
    corpus: Annotated[
        list[Path],
        typer.Option(
            "--corpus",
            metavar="PATH",
            help="A UTF-8 text file, or a folder of them; paragraphs are the passages. Repeatable.",
        ),
    ],
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            metavar="FILE",
            help="Keep embeddings and texts there, and reuse them while the texts are unchanged.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="How many passages to show.")] = 5,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Search your own notes or literature by meaning. The services store nothing.

    Passages that deny what the query states, or state what it denies, come last and are marked. What was left
    out of the files is reported.

    Example:
      medmesh search "why was the antibiotic changed" --corpus notes/ --index notes.index
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        reading = read_passages(corpus)
        loaded = _loaded(client, reading.passages, index)
        matches = loaded.search(client, query, count=count)
    said = [one for one in (reading.sentence(), _truncated(loaded), *matches.notices) if one]
    if as_json:
        for match in matches:
            typer.echo(json.dumps(vars(match), ensure_ascii=False))
        marks.present([marks.note(one) for one in said], sys.stderr)
        return
    marks.present([*_shown(matches, len(loaded.passages)), *(marks.note(one) for one in said)])


def _loaded(client: Client, texts: list[str], index: Path | None) -> Corpus:
    if index is not None and index.is_file():
        kept = Corpus.read(index)
        if kept.passages == tuple(texts):
            return kept
    console = marks.console(sys.stderr)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("embedding the passages", total=len(texts))
        loaded = Corpus.load(client, texts, progress=lambda done: progress.update(task, completed=done))
    if index is not None:
        loaded.save(index)
    return loaded


def _truncated(corpus: Corpus) -> str:
    if not corpus.truncated_count:
        return ""
    return f"Of {corpus.truncated_count} long passage(s) only the beginning was read (254 word pieces)."


def _shown(matches: Matches, total: int) -> Iterator[RenderableType]:
    yield marks.heading("Passages", f"{len(matches)} of {total}", "dim")
    for match in matches:
        line = Text(f"  {match.similarity:5.2f}  passage {match.index + 1}", style="bold")
        if match.contradicts_query:
            line.append("  contradicts the query", style="yellow")
        yield line
        yield Padding(Text(match.passage), (0, 2, 1, 9))
