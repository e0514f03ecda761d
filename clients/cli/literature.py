"""`medmesh literature`: publications of your own loaded into a corpus, and searched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clients.cli import inputs, machine
from clients.cli.failures import ExitCode, explained
from clients.cli.literature_loading import Loading
from clients.cli.publications import Files
from clients.cli.pubmed import kind_of
from clients.cli.show import literature as show
from clients.cli.show import marks
from medmesh import Client
from medmesh.language.v1 import literature_pb2 as pb

_KINDS = ", ".join(
    name.removeprefix("PUBLICATION_KIND_").lower().replace("_", "-") for name in pb.PublicationKind.keys()[1:]
)
CorpusOption = Annotated[
    str,
    typer.Option(
        "--corpus",
        metavar="NAME",
        help="Name of the corpus: small letters, digits, `-` and `_`. Default: default.",
    ),
]


def load(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="PubMed's XML (.xml), JSON lines (.jsonl; title, text or abstract, authors, journal, year, "
            "pmid, kinds), texts (.txt, .md), each also as .gz; or folders of them.",
        ),
    ],
    corpus: CorpusOption = "",
    words_only: Annotated[
        bool,
        typer.Option(
            "--words-only",
            help="Index the words alone, which is done in minutes; the same command without it adds the "
            "embeddings.",
        ),
    ] = False,
    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults", metavar="FILE", help="Write every record that was not loaded there, and why."
        ),
    ] = None,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 120.0,
) -> None:
    """Load publications into a corpus. The language service keeps it on its own disk.

    Started again after whatever ended it, it goes on where it was: what the corpus has already is passed
    over, and a publication whose text has changed takes the place of the old one. Exits 1 where a record
    could not be loaded.

    Examples:
      medmesh literature load pubmed24n0001.xml.gz

      medmesh literature load abstracts.jsonl --corpus cardiology --words-only

      medmesh literature load guidelines/ --corpus guidelines
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        files = Files(paths)
        loading = Loading(client.literature, corpus, words_only=words_only)
        console = marks.console(sys.stderr)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        try:
            with Progress(
                *columns, console=console, disable=not console.is_terminal, transient=True
            ) as progress:
                task = progress.add_task("loading", total=files.total_bytes)
                for done in loading.run(files):
                    said = f"{done:,} publications"
                    progress.update(task, completed=files.read_bytes, description=said)
        finally:
            marks.present(show.loaded(loading, files.left_out_count))
    if faults is not None:
        lines = [f"{fault.where}\t{fault.why}\n" for fault in loading.faults]
        faults.write_text("".join(lines), encoding="utf-8")
    if loading.fault_count:
        raise typer.Exit(ExitCode.FAILED)


def search(
    query: Annotated[
        str, typer.Argument(metavar="QUERY|-", help="A question, a statement or words; - reads stdin.")
    ],
    corpus: CorpusOption = "",
    from_year: Annotated[
        int | None, typer.Option("--from", metavar="YEAR", help="Of this year and later.")
    ] = None,
    to_year: Annotated[
        int | None, typer.Option("--to", metavar="YEAR", help="Of this year and earlier.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help=f"Of this kind: {_KINDS}. Repeatable."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=50, metavar="N", help="How many passages to show.")
    ] = 5,
    answer: Annotated[
        bool, typer.Option("--answer", help="Put an answer together too, each sentence with its passage.")
    ] = False,
    words: Annotated[bool, typer.Option("--words", help="Search by words alone (BM25).")] = False,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Find passages in a corpus by words and by meaning, with their citations.

    Passages that deny what the query states, or state what it denies, come last and are marked; after them,
    those of retracted publications.

    Examples:
      medmesh literature search "does amiodarone cause thyroid disease" --from 2010 --answer

      medmesh literature search "no hepatotoxicity" --kind randomized-trial --kind meta-analysis
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        findings = client.literature.search(
            inputs.note_text("-") if query == "-" else query,
            corpus=corpus,
            from_year=from_year,
            to_year=to_year,
            kinds=[_kind(name) for name in kind or ()],
            max_results=count,
            draft_answer=answer,
            matching=pb.LITERATURE_MATCHING_WORDS if words else pb.LITERATURE_MATCHING_UNSPECIFIED,
        )
    if as_json:
        machine.write(findings)
        return
    marks.present(show.findings(findings))


def status(
    as_json: inputs.Json = False, url: inputs.ServiceUrl = None, timeout: inputs.Timeout = 30.0
) -> None:
    """List the corpora: what each holds, and by which model it was embedded.

    Example:
      medmesh literature status
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        corpora = client.literature.corpora()
    if as_json:
        machine.write(pb.ListLiteratureResponse(corpora=corpora))
        return
    marks.present(show.corpora(corpora))


def remove(
    corpus: Annotated[str, typer.Argument(metavar="NAME", help="The corpus.")],
    publication: Annotated[
        list[str] | None,
        typer.Option(
            "--id", metavar="ID", help="Only this publication of it, e.g. pmid:8701013. Repeatable."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a whole corpus is removed.")] = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 120.0,
) -> None:
    """Remove a corpus, or publications of it.

    Examples:
      medmesh literature remove cardiology

      medmesh literature remove default --id pmid:8701013
    """
    if not publication and not yes:
        typer.confirm(f"Remove all of {corpus}?", abort=True)
    with explained(), Client(language=url, timeout_s=timeout) as client:
        count = client.literature.remove(corpus, publication or ())
    typer.echo(f"removed {marks.count(count, 'publication')} of {corpus}")


def _kind(name: str) -> str:
    kind = kind_of(name)
    if kind is None:
        raise ValueError(f"there is no such kind: {_KINDS} are known")
    return kind
