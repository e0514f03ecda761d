"""Similar patients for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.recommendation.v1 import recommendation_pb2 as pb


def patients(answer: pb.SimilarPatients) -> Iterator[RenderableType]:
    """A line for each patient: likeness, and the conditions that both have."""
    yield marks.heading("Similar patients", "of the reference population", "dim")
    if not answer.patients:
        yield marks.indented(Text("None was found."))
    columns = (
        marks.Column(width=3, justify="right"),
        marks.Column(minimum=12, style="bold"),
        marks.Column(width=6, justify="right"),
        marks.Column(ratio=1, style="dim"),
    )
    rows = [
        (
            Text(f"{rank}."),
            Text(one.reference_id),
            Text(f"{one.similarity:.3f}"),
            Text(", ".join(marks.concept_name(shared.concept) for shared in one.shared_conditions)),
        )
        for rank, one in enumerate(answer.patients, start=1)
    ]
    yield marks.Grid(columns, rows, numbered=True)
    for notice in answer.notices:
        yield marks.notice(notice)
