"""Measures de-identification on synthetic identifiers in real notes: `python -m training.deidentification.evaluate`.

An identifier is found where every one of its letters and digits is replaced; "partly" counts those of which some are left.
A false replacement is one that touches no identifier.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Sequence

from services.language.deidentification.identifiers import Found, Kind
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Options
from training.deidentification.synthetic import Marked, passages

Find = Callable[[str], Sequence[Found]]


def wilson(hits: int, count: int) -> tuple[float, float, float]:
    """A share with its 95 % interval (Wilson)."""
    if not count:
        return math.nan, math.nan, math.nan
    p, z = hits / count, 1.96
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return p, middle - half, middle + half


def covered(text: str, start: int, end: int, found: Sequence[Found]) -> float:
    """The share of an identifier's letters and digits that are replaced."""
    own = [at for at in range(start, end) if text[at].isalnum()]
    return sum(any(f.start <= at < f.end for f in found) for at in own) / len(own)


def measure(texts: Sequence[Marked], find: Find, show: bool = False) -> dict[str, tuple[float, float, float]]:
    """Recall of each kind, of all, and precision; prints what was missed where `show`."""
    hits: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    partly = right = wrong = 0
    for text in texts:
        found = find(text.text)
        for start, end, kind in text.identifiers:
            share = covered(text.text, start, end, found)
            counts[kind] += 1
            hits[kind] += share == 1
            partly += 0 < share < 1
            if share < 1 and show:
                print(
                    f"MISSED {kind} {share:.2f} | {text.text[max(0, start - 40) : start]}[[{text.text[start:end]}]]{text.text[end : end + 30]}".replace(
                        "\n", "\\n"
                    )
                )
        for f in found:
            if any(f.start < end and start < f.end for start, end, _ in text.identifiers):
                right += 1
            else:
                wrong += 1
                if show:
                    print(
                        f"FALSE {f.kind} {f.origin} {f.confidence:.2f} | {text.text[max(0, f.start - 40) : f.start]}[[{text.text[f.start : f.end]}]]{text.text[f.end : f.end + 30]}".replace(
                            "\n", "\\n"
                        )
                    )
    figures = {f"recall {kind}": wilson(hits[kind], counts[kind]) for kind in Kind if counts[kind]}
    figures["recall"] = wilson(sum(hits.values()), sum(counts.values()))
    figures["precision"] = wilson(right, right + wrong)
    figures["partly"] = wilson(partly, sum(counts.values()))
    return figures


def show_figures(figures: dict[str, tuple[float, float, float]]) -> None:
    for name, (value, low, high) in figures.items():
        print(f"{name:26} {value:.4f}  ({low:.4f} to {high:.4f})")


def rules() -> Find:
    """The rules and lists alone."""
    deidentifier = Deidentifier()
    return lambda text: deidentifier.find([text], Options())[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="tune", choices=("train", "tune", "test"))
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    texts = passages(arguments.part, arguments.count, arguments.seed)
    show_figures(measure(texts, rules(), arguments.show))


if __name__ == "__main__":
    main()
