"""Only English is read: what is in another language is found, and English is never taken for another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clinical.tables import rows
from services.language.languages import (
    _SCRIPTS,
    ENGLISH,
    Languages,
    foreign_passages,
    foreign_script,
    without_foreign,
)
from services.language.vocabulary import TERMINOLOGY

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


GERMAN = Languages.from_tags(["de"])


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([], "English"),
        (["en-US"], "English"),
        (["de-AT", "en"], "English and German"),
        (["ru", "fr", "en"], "Cyrillic script, English and French"),
        (["en", "mul"], "every language"),
    ],
)
def test_a_cards_tags_name_languages(tags, said):
    assert str(Languages.from_tags(tags)) == said


@pytest.mark.parametrize("tag", ["english please", "qqq", ""])
def test_tags_that_name_no_known_language_are_refused(tag):
    with pytest.raises(ValueError, match="languages: "):
        Languages.from_tags([tag])


def test_every_tag_leads_to_a_name_that_is_told_from_others():
    for tag, _ in rows(TERMINOLOGY / "language_tags.tsv", 2):
        assert Languages.from_tags([tag]).names <= _told_names(), tag


def _told_names():
    table = [name for _, names in rows(TERMINOLOGY / "languages.tsv", 2) for name in names.split(", ")]
    return {*table, *_SCRIPTS.values()}


def test_a_reader_of_another_language_reads_that_and_not_english():
    note = "Der Patient hat Fieber und keinen Husten.\nThe patient has no pneumothorax.\nSin derrame."
    assert [p.language for p in foreign_passages(note, GERMAN)] == ["English", "Spanish"]
    assert [p.language for p in foreign_passages(note, GERMAN.together(ENGLISH))] == ["Spanish"]
    assert foreign_passages(note, Languages.from_tags(["mul"])) == []


def test_its_accents_do_not_speak_against_a_language_that_is_read():
    assert foreign_passages("Schädel unauffällig, kein Erguß der Lunge, früher Fieber.", GERMAN) == []


def test_a_reader_of_a_script_reads_it():
    russian = Languages.from_tags(["ru"])
    assert foreign_passages("Пневмоторакса нет.", russian) == []
    assert [p.language for p in foreign_passages("患者は発熱なし。", russian)] == ["Chinese or Japanese"]
    assert list(foreign_script("Patient Иванов", russian)) == []
    assert list(foreign_script("Patient Иванов")) == [8]


def test_what_is_not_read_is_blanked_and_every_offset_stays():
    note = "Der Patient hat Fieber.\nThe patient has no pneumothorax.\nKein Husten."
    kept = without_foreign(note, GERMAN)
    assert len(kept) == len(note)
    assert kept.split() == ["Der", "Patient", "hat", "Fieber.", ".", "Kein", "Husten."]
    assert kept.index("Kein") == note.index("Kein")
