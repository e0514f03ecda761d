"""Top-1 accuracy of the linker on each half of its labelled mentions.

`python -m training.linking.evaluate` prints the table.

Three figures: of the mentions that have a code, how many got it; of those that must stay unknown, how many
did; of all codes given, how many are wrong. Intervals: 95 % bootstrap over mentions, seed 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.language.entities import EntityType
from services.language.linking import Linker
from training.figures import bootstrap_interval

PATH = Path(__file__).parents[2] / "tests" / "language" / "data" / "linking_cases.tsv"
UNKNOWN = "unknown"
_TYPES = {"D": EntityType.DISEASE, "C": EntityType.CHEMICAL}


@dataclass(frozen=True, slots=True)
class LinkingCase:
    """A mention and the code that it should get, or `unknown`."""

    split: str
    type: EntityType
    surface: str
    code: str


def read_cases(path: Path = PATH) -> list[LinkingCase]:
    """All cases of the file."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    return [LinkingCase(split, _TYPES[kind], surface, code) for split, kind, surface, code in rows]


def answers(cases: list[LinkingCase], linker: Linker) -> list[str]:
    """The code that the linker gives for each case, or `unknown`."""
    concepts = [linker.link(case.surface, case.type) for case in cases]
    return [concept.code if concept else UNKNOWN for concept in concepts]


def share_of(of: NDArray[np.bool_], right: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], float]:
    """The figure "share of `right` among the chosen rows that are `of`"; ValueError where there is none."""

    def figure(rows: NDArray[np.int64]) -> float:
        chosen = rows[of[rows]]
        if not len(chosen):
            raise ValueError("no such case")
        return float(np.mean(right[chosen]))

    return figure


def main() -> None:
    linker = Linker()
    everything = read_cases()
    print(f"{'half':<12} {'type':<9} {'figure':<26} {'n':>4} {'value':>6}  95 % interval")
    for split in ("development", "held_out"):
        for kind in (None, *EntityType):
            cases = [c for c in everything if c.split == split and kind in {None, c.type}]
            given = np.array(answers(cases, linker))
            wanted = np.array([case.code for case in cases])
            rows = np.arange(len(cases))
            figures = {
                "top-1, has a code": (wanted != UNKNOWN, given == wanted),
                "unknown stays unknown": (wanted == UNKNOWN, given == wanted),
                "wrong among codes given": (given != UNKNOWN, given != wanted),
            }
            for name, (of, right) in figures.items():
                share = share_of(of, right)
                low, high = bootstrap_interval(share, rows)
                label = kind.value if kind else "all"
                count = int(of.sum())
                print(
                    f"{split:<12} {label:<9} {name:<26} {count:>4} {share(rows):>6.3f}  {low:.3f}-{high:.3f}"
                )


if __name__ == "__main__":
    main()
