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
from clients.cli.show import marks
from medmesh import Client
from medmesh.corpus import Corpus, Match


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in words.")],
    corpus: Annotated[
        list[Path],
        typer.Option(
            "--corpus",
            metavar="PATH",
            help="A UTF-8 text file, or a folder of .txt files; paragraphs are the passages. Repeatable.",
        ),
    ],
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            metavar="FILE",
            help="Keep the embeddings there, and use them while the texts are unchanged. It holds the texts.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="How many passages to show.")] = 5,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Search your own notes or literature by meaning. The services keep nothing of them.

    Example:
      medmesh search "why was the antibiotic changed" --corpus notes/ --index notes.index
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        texts = list(passages(corpus))
        loaded = _loaded(client, texts, index)
        matches = loaded.search(client, query, count=count)
    if as_json:
        for match in matches:
            typer.echo(json.dumps(vars(match), ensure_ascii=False))
        return
    marks.present(list(_shown(matches, len(texts))))


def passages(paths: list[Path]) -> Iterator[str]:
    """The paragraphs of all files, in their order; folders give their .txt files by name."""
    for path in paths:
        for file in sorted(path.glob("**/*.txt")) if path.is_dir() else [path]:
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                raise ValueError(f"{file} is not UTF-8 text") from None
            yield from (" ".join(part.split()) for part in text.split("\n\n") if part.strip())


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


def _shown(matches: list[Match], total: int) -> Iterator[RenderableType]:
    yield marks.heading("Passages", f"{len(matches)} of {total}", "dim")
    for match in matches:
        yield Text(f"  {match.similarity:5.2f}  passage {match.index + 1}", style="bold")
        yield Padding(Text(match.passage), (0, 2, 1, 9))
