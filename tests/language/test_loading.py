"""Whoever has no literature does without its index."""

from __future__ import annotations

from tests.loading import loaded_by


def test_the_index_of_words_is_loaded_with_the_first_corpus():
    assert "tantivy" not in loaded_by("services.language.__main__")
