"""Writes the table of figures in training/README.md from the cards: `python -m training.table [--check]`.

Which figures it shows, and what no card says (the aim, what would close the rest), stands in
headlines.toml. The figures of assertion and linking, which are rules and have no card, are computed from
their labelled files.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from training.figures import metric
from training.model_card import MODEL_REPOSITORY

HERE = Path(__file__).parent
README, HEADLINES = HERE / "README.md", HERE / "headlines.toml"
BEGIN, END = "<!-- made by `python -m training.table` -->", "<!-- end of the table -->"
HEADER = """\
| model | metric | ours (95 % interval), cases | aim | published | what would close the rest |
|---|---|---|---|---|---|
"""


def table(repository: Path = MODEL_REPOSITORY) -> str:
    """The table in Markdown. Raises LookupError where a card lacks a figure that headlines.toml names."""
    figures: dict[str, list[Metric]] = {}
    for path in sorted(repository.glob("*/metadata.json")):
        card = json_format.Parse(path.read_text(encoding="utf-8"), ModelCard())
        figures[card.name] = list(card.metrics)
    figures |= {"assertion": assertion_figures(), "linking": linking_figures()}
    rows = tomllib.loads(HEADLINES.read_text(encoding="utf-8"))["row"]
    return HEADER + "".join(_row(row, figures[row["model"]]) for row in rows if row["model"] in figures)


def _row(row: Mapping[str, str], figures: list[Metric]) -> str:
    wanted = (row["metric"], row.get("subgroup", ""))
    found = next((m for m in figures if (m.name, m.subgroup) == wanted), None)
    if found is None:
        raise LookupError(f"the card of {row['model']} has no {' of '.join(filter(None, wanted))}")
    published = found.published or row.get("published", "")
    cells = [f"`{row['model']}`", row["what"], ours(found), row.get("aim", ""), published, row["rest"]]
    return f"| {' | '.join(cells)} |\n"


def ours(found: Metric) -> str:
    """Value, interval and number of cases, e.g. `0.851 (0.836 to 0.867), n = 4000`."""
    text = number(found.value)
    if found.HasField("ci_low"):
        text += f" ({number(found.ci_low)} to {number(found.ci_high)})"
    return f"{text}, n = {found.case_count}"


def number(value: float) -> str:
    """Three decimals; what would vanish with them in scientific form."""
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def assertion_figures() -> list[Metric]:
    """Of the rules on the held-out half of assertion_sentences.tsv; intervals draw sentences."""
    from training.assertion import evaluate
    from training.assertion.sentences import read_sentences

    held_out = [s for s in read_sentences() if s.split == "held_out"]
    found = evaluate.predict(held_out)
    on = f"{len(held_out)} held-out sentences"
    figures = [metric("accuracy", found.accuracy, found.sentence, measured_on=on)]
    for index, kind in enumerate(evaluate.CLASSES):

        def f1(rows: NDArray[np.int64], kind: Any = kind) -> float:
            return found.f1(kind, rows)

        entry = metric(f"f1_{kind.value}", f1, found.sentence, measured_on=on)
        entry.case_count = int(np.count_nonzero(found.label == index))
        figures.append(entry)
    return figures


def linking_figures() -> list[Metric]:
    """Of the linker on the held-out half of linking_cases.tsv; intervals draw mentions."""
    from services.language.linking import Linker
    from training.linking import evaluate

    cases = [case for case in evaluate.read_cases() if case.split == "held_out"]
    given = np.array(evaluate.answers(cases, Linker()))
    wanted = np.array([case.code for case in cases])
    rows = np.arange(len(cases))

    def entry(name: str, of: NDArray[np.bool_], right: NDArray[np.bool_]) -> Metric:
        share: Callable[[NDArray[np.int64]], float] = evaluate.share_of(of, right)
        made = metric(name, share, rows, measured_on="held-out mentions")
        made.case_count = int(of.sum())
        return made

    return [
        entry("top_1", wanted != evaluate.UNKNOWN, given == wanted),
        entry("wrong_among_given", given != evaluate.UNKNOWN, given != wanted),
    ]


def renewed(readme: str, made: str) -> str:
    """The page with `made` between the marks. Raises ValueError where a mark is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README} lacks the marks of the table")
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where it is out of date")
    arguments = parser.parse_args()
    readme = README.read_text(encoding="utf-8")
    fresh = renewed(readme, table())
    if arguments.check:
        return int(fresh != readme)
    README.write_text(fresh, encoding="utf-8")
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
