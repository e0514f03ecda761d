"""The wards' abbreviations are read by what stands around them; unknown stays unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.language.abbreviations import Abbreviations
from services.language.decoding import WordSpan

CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "data/cases/abbreviations.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
ABBREVIATIONS = Abbreviations()


def words_of(tokenizer, note):
    places = [(word.start, word.end) for word in tokenizer.encode(note).words]
    breaks = [
        index
        for index, (start, _) in enumerate(places)
        if index and "\n" in note[places[index - 1][1] : start]
    ]
    return [note[a:b] for a, b in places], breaks


@pytest.mark.parametrize(("short", "meaning", "note"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
@pytest.mark.parametrize("tagged", [False, True], ids=["missed", "tagged"])
def test_an_abbreviation_means_what_its_context_says(tokenizer, short, meaning, note, tagged):
    words, breaks = words_of(tokenizer, note.replace("\\n", "\n"))
    parts = short.replace("/", " / ").split()
    first = next(i for i in range(len(words)) if words[i : i + len(parts)] == parts)
    spans = [WordSpan(first, first + len(parts), "DISEASE", 0.9)] if tagged else []
    found = [span for span in ABBREVIATIONS.settled(words, spans, 0.6, breaks) if span.first == first]
    if meaning == "-":
        assert found == []
    elif meaning == "?":
        assert [span.stands_for for span in found] == ([""] if tagged else [])
    else:
        assert [span.stands_for for span in found] == [meaning]
        assert found[0].from_terminology is not tagged or found[0].label == "CHEMICAL"


def test_an_entity_loses_an_abbreviation_that_is_no_part_of_it():
    words = ["left", "CVA", "tenderness"]
    spans = [WordSpan(1, 3, "DISEASE", 0.9)]
    assert ABBREVIATIONS.settled(words, spans, 0.6) == [WordSpan(2, 3, "DISEASE", 0.9)]


def test_an_entity_that_is_longer_keeps_its_meaning():
    spans = [WordSpan(0, 2, "DISEASE", 0.9)]
    assert ABBREVIATIONS.settled(["acute", "MI"], spans, 0.6) == spans


def test_the_work_grows_with_the_note_alone():
    """An abbreviation looks at a bounded stretch of words."""
    words = ["PE"] * 20_000
    assert len(ABBREVIATIONS.settled(words, [], 0.6)) <= len(words)
