"""Only English is read: what is in another language is found, and English is never taken for another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.language.languages import foreign_passages

CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "data/cases/languages.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


def foreign_lines(note):
    return {note.count("\n", 0, passage.start) + 1 for passage in foreign_passages(note)}


@pytest.mark.parametrize(("lines", "note"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_lines_that_are_not_english_are_told(lines, note):
    note = note.replace("\\n", "\n")
    if lines == "all":
        assert foreign_lines(note) == set(range(1, note.count("\n") + 2))
    else:
        assert foreign_lines(note) == {int(number) for number in lines.split() if lines != "none"}


@pytest.mark.parametrize("rewrite", [str.upper, str.lower, lambda text: text.replace("\\n", "\r\n")])
def test_neither_case_nor_line_ends_change_it(rewrite):
    for name, lines, note in CASES:
        if lines == "all":
            assert foreign_passages(rewrite(note)), name


def test_the_language_that_is_likeliest_is_named():
    assert {p.language for p in foreign_passages("Kein Pneumothorax. Husten und Fieber.")} == {"German"}
    assert {p.language for p in foreign_passages("Пневмоторакса нет.")} == {"Cyrillic script"}


@given(st.text(max_size=200))
def test_passages_lie_within_the_note_in_order(text):
    end = 0
    for passage in foreign_passages(text):
        assert end <= passage.start < passage.end <= len(text)
        end = passage.end


def test_no_english_note_is_taken_for_another(shared_data):
    """952 real ones of 30 specialties."""
    with gzip.open(shared_data / "clinical_notes" / "notes.jsonl.gz", "rt", encoding="utf-8") as file:
        notes = [json.loads(line)["text"] for line in file]
    assert [note for note in notes if foreign_passages(note)] == []
