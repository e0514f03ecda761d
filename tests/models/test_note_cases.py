"""What the whole path of AnalyzeNote finds with the real model: in reported notes and in chest reports."""

from __future__ import annotations

import pytest

from tests.models.annotating import REPOSITORY, Annotator
from training.clinical_ner.reports import (
    asserts_disease,
    by_entities,
    by_keywords,
    counts,
    f1,
    read_reports,
)

pytestmark = pytest.mark.live
CASES = [
    line.split("\t")
    for line in (REPOSITORY.parent / "tests/language/data/cases/entities.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


async def test_the_entities_of_reported_notes(live):
    problems = []
    reader = Annotator(live)
    for name, expected, note in CASES:
        found = {e.text: e for e in await reader.annotate(note.replace("\\n", "\n"))}
        for item in expected.split("; "):
            words, _, wanted = item.partition(": ")
            assertion, _, code = wanted.partition(" ")
            entity = found.get(words)
            given = entity.assertion.value if entity else "not"
            given_code = entity.concept.code if entity and entity.concept else "?"
            if given != assertion or (code and given_code != code):
                problems.append(f"{name} {words}: {given} {given_code} instead of {wanted}; {list(found)}")
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize(("split", "floor"), [("development", 0.96), ("held_out", 0.95)])
async def test_chest_reports_are_read_better_than_by_keywords(live, split, floor):
    """The floors are the reported figures (training/clinical_ner/reports.py) less 0.02."""
    reports = [report for report in read_reports() if report.split == split]
    reader = Annotator(live)
    read = [await reader.annotate(report.text) for report in reports]
    ours = f1(counts(reports, [by_entities(entities) for entities in read]))
    assert ours >= max(floor, f1(counts(reports, [by_keywords(report.text) for report in reports])))
    normal = [entities for report, entities in zip(reports, read, strict=True) if not report.asserted]
    assert sum(map(asserts_disease, normal)) <= 2
