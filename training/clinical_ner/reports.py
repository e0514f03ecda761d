"""Which findings of a chest report AnalyzeNote asserts, against a keyword rule: `python -m
training.clinical_ner.reports`.

Prints, for each half of tests/language/data/chest_reports.tsv, F1 of every finding and of all together, and
the share of normal reports with any asserted disease. `--errors` lists what went wrong in the development
half. The keyword rule counts a finding whose words stand in a sentence without a word of negation; it is what
any reader of reports must beat. Intervals: 95 % bootstrap over reports, seed 0.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.language.entities import Assertion, Entity, EntityType
from training.figures import bootstrap_interval

PATH = Path(__file__).parents[2] / "tests" / "language" / "data" / "chest_reports.tsv"

_PATTERNS = {
    "cardiomegaly": r"cardiomegaly|(heart|cardiac|silhouette).*(enlarge|prominen)"
    r"|(enlarge|prominen).*(heart|cardiac)",
    "effusion": r"effusion|pleural fluid|hydropneumothora|blunting",
    "pneumothorax": r"pneumothora",
    "atelectasis": r"atelecta|collapse of|lobe collapse",
    "opacity": r"opaci|infiltrat|consolidation|airspace disease|pneumonia|retrocardiac density",
    "edema": r"edema|congesti|heart failure|chf|kerley|vascular (prominence|engorgement)|fluid overload"
    r"|venous hypertension",
    "nodule": r"nodule|nodular|mass\b|masses",
    "granuloma": r"granulom|calcified.*(node|hil)",
    "emphysema": r"emphysem|copd|obstructive (pulmonary|lung)|hyperinfl|hyperexp|flatten.*diaphragm|bullous",
    "fibrosis": r"fibros|fibrotic|scar|interstitial (lung )?(disease|change|marking)",
    "fracture": r"fracture|compression deformity",
    "scoliosis": r"scolio|curvature",
    "spine": r"degenerative|osteophyt|spondylo|spurring|arthritic",
    "hernia": r"hernia",
    "pleural_thickening": r"pleural thickening",
    "aorta": r"tortuo|atheroscl|ectasia|(aort|knob).*calcifi|calcifi.*(aort|knob)"
    r"|aort.*unfold|unfold.*aort",
}
FINDINGS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _PATTERNS.items()}
"""The words by which a finding is known, in an entity's text and to the keyword rule alike."""

_SENTENCE = re.compile(r"[^.;:]+")
_NEGATION = re.compile(r"\b(no|not|without|negative|free of|clear of|neither|resol\w+)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Report:
    """A report, the findings that it asserts, and those that can be read either way."""

    name: str
    split: str
    asserted: frozenset[str]
    either: frozenset[str]
    text: str


def read_reports(path: Path = PATH) -> list[Report]:
    """All reports of the file; ValueError where a finding has no pattern."""
    reports = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, split, asserted, either, text = line.split("\t")
        report = Report(name, split, frozenset(asserted.split()), frozenset(either.split()), text)
        if unknown := (report.asserted | report.either) - FINDINGS.keys():
            raise ValueError(f"{name}: unknown findings {', '.join(sorted(unknown))}")
        reports.append(report)
    return reports


def by_entities(entities: Sequence[Entity]) -> frozenset[str]:
    """The findings that entities assert as present."""
    present = [e.text for e in entities if e.assertion is Assertion.PRESENT]
    return frozenset(name for name, words in FINDINGS.items() if any(words.search(text) for text in present))


def by_keywords(text: str) -> frozenset[str]:
    """The findings of the keyword rule."""
    said = [part for part in _SENTENCE.findall(text) if not _NEGATION.search(part)]
    return frozenset(name for name, words in FINDINGS.items() if any(words.search(part) for part in said))


def counts(reports: Sequence[Report], found: Sequence[frozenset[str]]) -> NDArray[np.int64]:
    """INT64 [reports, findings, 3]: right, found, asserted."""
    table = np.zeros((len(reports), len(FINDINGS), 3), dtype=np.int64)
    for row, (report, answer) in enumerate(zip(reports, found, strict=True)):
        for column, name in enumerate(FINDINGS):
            if name not in report.either:
                pair = name in answer, name in report.asserted
                table[row, column] = (all(pair), *pair)
    return table


def f1(table: NDArray[np.int64]) -> float:
    """Micro F1 of rows (right, found, asserted); ValueError where nothing is asserted or found."""
    right, found, asserted = table.reshape(-1, 3).sum(axis=0)
    if not found + asserted:
        raise ValueError("no finding")
    return float(2 * right / (found + asserted))


def asserts_disease(entities: Sequence[Entity]) -> bool:
    """Whether anything is said to be the case."""
    return any(e.assertion is Assertion.PRESENT and e.span.type is EntityType.DISEASE for e in entities)


def _table(reports: Sequence[Report], read: Sequence[Sequence[Entity]]) -> Iterator[str]:
    entities, keywords = (
        counts(reports, found)
        for found in ([by_entities(e) for e in read], [by_keywords(r.text) for r in reports])
    )
    for column, name in enumerate(FINDINGS):
        if (n := int(entities[:, column, 2].sum())) or entities[:, column, 1].any():
            yield f"{name:<20} {n:>4} {f1(entities[:, column]):>9.3f}"
    for name, table in (("all findings", entities), ("keyword rule", keywords)):
        low, high = bootstrap_interval(_f1_of(table), np.arange(len(reports)))
        yield f"{name:<20} {int(table[..., 2].sum()):>4} {f1(table):>9.3f}  {low:.3f}-{high:.3f}"
    normal = [asserts_disease(e) for r, e in zip(reports, read, strict=True) if not r.asserted]
    yield f"{'normal, any asserted':<20} {len(normal):>4} {sum(normal) / len(normal):>9.3f}"


def _f1_of(table: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], float]:
    return lambda rows: f1(table[rows])


def _errors(report: Report, entities: Sequence[Entity]) -> Iterator[str]:
    answer = by_entities(entities) - report.either
    for name in sorted(report.asserted - answer):
        yield f"{report.name} missed {name}"
    for name in sorted(answer - report.asserted):
        yield f"{report.name} wrong {name}"
    present = [e.text for e in entities if e.assertion is Assertion.PRESENT]
    if present and not report.asserted:
        yield f"{report.name} normal, asserts {present}"


async def _read(reports: Sequence[Report]) -> list[Sequence[Entity]]:
    # Here, since whoever only reads the cases does not need onnxruntime.
    from training.language_models import ExportedAnnotator

    annotator = ExportedAnnotator()
    return [await annotator.annotate(report.text) for report in reports]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", action="store_true", help="list the errors of the development half")
    arguments = parser.parse_args()
    reports = read_reports()
    for split in ("development", "held_out"):
        chosen = [report for report in reports if report.split == split]
        read = asyncio.run(_read(chosen))
        print(f"{split:<20} {'n':>4} {'F1':>9}  95 % interval")
        print("\n".join(_table(chosen, read)))
        if arguments.errors and split == "development":
            for report, entities in zip(chosen, read, strict=True):
                for line in _errors(report, entities):
                    print(" ", line)


if __name__ == "__main__":
    main()
