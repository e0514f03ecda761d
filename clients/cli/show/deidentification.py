"""What became of the files of a de-identification, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from clients.cli.deidentifying import Done, Failed
from clients.cli.show import marks

MOST_ROWS = 40


def table(results: Sequence[Done | Failed], report: Path) -> Iterator[RenderableType]:
    """A line a file, what asks for a look, and what failed and why."""
    done = [one for one in results if isinstance(one, Done)]
    failed = [one for one in results if isinstance(one, Failed)]
    yield marks.heading("De-identified", f"{len(done)} of {marks.count(len(results), 'file')}", "dim")
    for one in done[:MOST_ROWS]:
        yield marks.indented(Text(str(one.source), style="bold"))
        line = Text.assemble((f"{one.kind.value}  ", "dim"), _changed(one), ("  to ", "dim"), one.target.name)
        yield marks.indented(line, by=4)
    if len(done) > MOST_ROWS:
        yield marks.indented(Text(f"{len(done) - MOST_ROWS} more; the report has all.", style="dim"))
    told = Counter(notice for one in done for notice in one.notices)
    for sentence, count in told.items():
        review = sentence.startswith("review: ")
        word = ("review: ", "bold yellow") if review else ("note: ", "yellow")
        where = (f" ({marks.count(count, 'file')})", "dim")
        yield marks.indented(Text.assemble(word, sentence.removeprefix("review: "), where))
    for left_out in failed:
        said = f"{left_out.source}: {left_out.reason}"
        yield marks.indented(Text.assemble(("FAILED ", "bold red"), said))
    yield marks.indented(Text(f"report: {report}", style="dim"))


def _changed(one: Done) -> Text:
    if one.earlier:
        return Text("done before", style="dim")
    said = ", ".join(f"{count} {what}" for what, count in one.changes.items())
    return Text(said or "nothing found")
