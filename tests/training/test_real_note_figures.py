"""The figures of real notes: what is counted as found, and what the classifier of mentions may see."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not here: make test-training")
pytest.importorskip("onnxruntime", reason="onnxruntime is not here: make test-training")

from services.language.entities import Assertion, Entity, EntityType, Span
from training.assertion.end_to_end import counted
from training.assertion.learned import Example, across_folds, features
from training.assertion.real_notes import LabelledMention, LabelledNote


class Annotator:
    """Answers every note with the same entities."""

    def __init__(self, *entities: Entity) -> None:
        self._entities = list(entities)

    async def annotate(self, note: str) -> list[Entity]:
        return self._entities


def entity(start: int, end: int, kind: EntityType, assertion: Assertion) -> Entity:
    return Entity(Span(start, end, kind), "", 1.0, assertion, (), None)


def mention(
    start: int, end: int, kind: EntityType, label: Assertion, doubtful: bool = False
) -> LabelledMention:
    return LabelledMention(Span(start, end, kind), (0, 40), label, "plan", doubtful)


async def test_a_mention_is_found_by_an_overlapping_entity_of_its_type():
    disease, chemical = EntityType.DISEASE, EntityType.CHEMICAL
    note = LabelledNote(
        "n",
        "dev",
        "x" * 40,
        (
            mention(0, 5, disease, Assertion.ABSENT),
            mention(6, 10, disease, Assertion.ABSENT),
            mention(12, 16, chemical, Assertion.PRESENT),
            mention(20, 25, disease, Assertion.PRESENT, doubtful=True),
        ),
    )
    annotator = Annotator(
        entity(2, 8, disease, Assertion.ABSENT),  # reaches over two mentions
        entity(12, 16, disease, Assertion.PRESENT),  # of the other type
        entity(20, 25, disease, Assertion.PRESENT),
    )
    counts, missed = await counted([note], annotator)
    absent, present = counts[Assertion.ABSENT], counts[Assertion.PRESENT]
    assert (absent.labelled, absent.found, absent.answered, absent.right) == (2, 2, 2, 2)
    assert (present.labelled, present.found, present.answered, present.right) == (1, 0, 0, 0)
    assert all(
        count.line("x").startswith("x") for count in counts.values()
    )  # also of a class without mentions
    assert [line.split("  ")[0] for line in missed] == ["chemical as another type"]


def test_a_mention_is_known_by_what_surrounds_it_alone():
    def seen(word: str, kind: EntityType = EntityType.DISEASE) -> tuple[int, ...]:
        text = f"PLAN: She is at risk of {word} after surgery. No fever."
        start = text.index(word)
        return features(text, Span(start, start + len(word), kind))

    assert seen("stroke") == seen("pneumonia")
    assert seen("stroke") != seen("stroke", EntityType.CHEMICAL)


def test_no_mention_is_judged_by_its_own_note():
    """Each note has a word of its own that tells its label; learned from other notes it tells nothing."""
    examples = [
        Example((number, 100), f"note {number}", number % 2, 1.0, 0, True)
        for number in range(40)
        for _ in range(3)
    ]
    chances = across_folds(examples, [])
    right = sum(int(row.argmax()) == example.label for row, example in zip(chances, examples, strict=True))
    assert right <= len(examples) * 0.7
