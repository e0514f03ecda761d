"""How much of short clinical sentences the whole path of AnalyzeNote finds with the real model.

The sentences and their labels (tests/language/data/ward_sentences.tsv) were written for this project, before
anything was measured on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.language.entities import Assertion, Origin
from tests.models.annotating import Annotator
from training.assertion.sentences import PATH, read_sentences

pytestmark = pytest.mark.live
SENTENCES = read_sentences(PATH.with_name("ward_sentences.tsv"))


@dataclass
class Count:
    """Entities that should be found, that were, of these those that the terminology decided and those whose
    assertion is right, and entities found that should not be.
    """

    wanted: int = 0
    found: int = 0
    from_terminology: int = 0
    same_assertion: int = 0
    unwanted: int = 0


async def counted(live) -> tuple[dict[bool, Count], list[str]]:
    """Strict counts of denied (True) and other entities, and what went wrong."""
    annotator = Annotator(live)
    counts = {True: Count(), False: Count()}
    problems = []
    for sentence in SENTENCES:
        entities = {entity.span: entity for entity in await annotator.annotate(sentence.text)}
        for span, label in zip(sentence.spans, sentence.labels, strict=True):
            count = counts[label is Assertion.ABSENT]
            count.wanted += 1
            if (entity := entities.pop(span, None)) is None:
                problems.append(f"{sentence.name}: missed {sentence.text[span.start : span.end]}")
                continue
            count.found += 1
            count.from_terminology += entity.origin is Origin.TERMINOLOGY
            count.same_assertion += entity.assertion is label
        for entity in entities.values():
            counts[entity.assertion is Assertion.ABSENT].unwanted += 1
            problems.append(f"{sentence.name}: unwanted {entity.text}")
    return counts, problems


async def test_short_clinical_sentences_are_read(live):
    """The floors are what was measured; the tagger alone finds 64 of the 77."""
    counts, problems = await counted(live)
    denied, other = counts[True], counts[False]
    assert (len(SENTENCES), denied.wanted, other.wanted) == (40, 29, 48)
    assert denied.found >= 28, problems
    assert other.found >= 45, problems
    assert denied.unwanted + other.unwanted <= 8, problems
    assert denied.from_terminology + other.from_terminology >= 11, problems
    assert denied.same_assertion + other.same_assertion >= 72, problems


async def test_the_note_of_a_chest_radiograph_loses_nothing(live):
    note = "No pleural effusion or pneumothorax is seen."
    entities = await Annotator(live).annotate(note)
    assert [(entity.text, entity.assertion) for entity in entities] == [
        ("pleural effusion", Assertion.ABSENT),
        ("pneumothorax", Assertion.ABSENT),
    ]
    assert [entity.concept.code for entity in entities] == ["J90", "J93.9"]
