"""Literature for people: passages with their citations, an answer, what was loaded, the corpora."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.literature_loading import Loading
from clients.cli.show import marks
from medmesh.language.v1 import literature_pb2 as pb

_MOST_FAULTS = 20
_MOST_AUTHORS = 3
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def findings(found: pb.LiteratureFindings) -> Iterator[RenderableType]:
    """The answer, the passages, and what the reader should know."""
    if found.answer.sentences:
        yield marks.heading("Answer", found.answer.label, "dim")
        for sentence in found.answer.sentences:
            said = Text.assemble(
                " ".join(sentence.text.split()), (f" [{sentence.passage_index + 1}]", "bold cyan")
            )
            yield Padding(said, (0, 2, 0, 2))
    yield marks.heading("Passages", marks.count(len(found.passages), "passage"), "dim")
    for number, passage in enumerate(found.passages, 1):
        yield from _passage(number, passage)
    for notice in found.notices:
        yield marks.notice(notice)
    if found.provenance.model_name:
        yield marks.provenance(found.provenance)


def loaded(loading: Loading, left_out_count: int) -> Iterator[RenderableType]:
    """What became of the publications, and the first of those that could not be loaded."""
    counts = [
        (loading.outcomes[pb.PUBLICATION_OUTCOME_ADDED], "added"),
        (loading.outcomes[pb.PUBLICATION_OUTCOME_REPLACED], "replaced"),
        (loading.outcomes[pb.PUBLICATION_OUTCOME_UNCHANGED], "there already"),
        (loading.withdrawn_count, "withdrawn"),
        (loading.fault_count, "not loaded"),
    ]
    said = ", ".join(f"{number:,} {what}" for number, what in counts if number) or "nothing"
    yield Text(f"publications: {said}; {marks.count(loading.passage_count, 'passage')}")
    if loading.truncated_count:
        yield marks.note(
            f"Of {marks.count(loading.truncated_count, 'passage')} the model embedded the beginning alone."
        )
    if left_out_count:
        yield marks.note(f"{marks.count(left_out_count, 'file')} with other endings were left out.")
    for fault in loading.faults[:_MOST_FAULTS]:
        yield marks.indented(Text.assemble(("not loaded: ", "yellow"), f"{fault.where}: {fault.why}"))
    if loading.fault_count > _MOST_FAULTS:
        yield marks.note(
            f"{loading.fault_count - _MOST_FAULTS:,} more were not loaded; --faults FILE lists them."
        )


def corpora(found: Sequence[pb.LiteratureCorpus]) -> Iterator[RenderableType]:
    """One line a corpus."""
    if not found:
        yield Text("There is no corpus: `medmesh literature load` makes one.")
        return
    columns = (
        marks.Column(style="bold"),
        marks.Column(justify="right"),
        marks.Column(justify="right"),
        marks.Column(),
        marks.Column(justify="right"),
        marks.Column(ratio=1),
    )
    yield marks.heading("Corpora", marks.count(len(found), "corpus", "corpora"), "dim")
    yield marks.Grid(columns, [_corpus(one) for one in found])


def _corpus(one: pb.LiteratureCorpus) -> tuple[Text, ...]:
    share = one.embedded_passage_count / one.passage_count if one.passage_count else 0.0
    doubt = (
        ""
        if one.embeddings_usable or not share
        else "embedded by another model than is served: load it again"
    )
    return (
        Text(one.name),
        Text(marks.count(one.publication_count, "publication")),
        Text(marks.count(one.passage_count, "passage")),
        Text(f"{marks.percent(share).strip()} embedded"),
        Text(_size(one.size_bytes)),
        Text(doubt, style="yellow"),
    )


def _passage(number: int, passage: pb.LiteraturePassage) -> Iterator[RenderableType]:
    head = Text.assemble(
        (f"{number:>3}. ", "bold"), (passage.publication.title or passage.publication.id, "bold")
    )
    if passage.contradicts_query:
        head.append("  contradicts the query", style="yellow")
    if passage.retracted:
        head.append("  RETRACTED", style="bold red")
    yield Text()
    yield Padding(head, (0, 2, 0, 0))
    yield Padding(Text(" ".join(passage.text.split())), (0, 2, 0, 5))
    yield Padding(Text(_citation(passage), style="dim"), (0, 2, 0, 5))


def _citation(passage: pb.LiteraturePassage) -> str:
    cited = passage.publication
    authors = ", ".join(cited.authors[:_MOST_AUTHORS]) + (
        " et al." if len(cited.authors) > _MOST_AUTHORS else ""
    )
    source = " ".join(
        part for part in (cited.journal, str(cited.year) if cited.HasField("year") else "") if part
    )
    kinds = ", ".join(marks.enum_name(pb.PublicationKind, kind, "PUBLICATION_KIND_") for kind in cited.kinds)
    scores = []
    if passage.HasField("words_score"):
        scores.append(f"words {passage.words_score:.1f}")
    if passage.HasField("similarity"):
        scores.append(f"meaning {passage.similarity:.2f}")
    where = (
        f"characters {passage.start_offset} to {passage.end_offset}" if passage.end_offset else "title alone"
    )
    parts = [authors, source, kinds, cited.id, where, ", ".join(scores)]
    return " · ".join(part for part in parts if part)


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit < 2 else f"{size:.1f} {_UNITS[unit]}"
