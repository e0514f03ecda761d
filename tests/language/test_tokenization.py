"""Offsets, windows and padding hold for any text."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.language.tokenization import (
    BUCKETS,
    VOCABULARY_SIZE,
    NoteTokenizer,
    Shape,
    bucket,
    pad,
    windows,
    word_bounds,
    word_shape,
)
from tests.language.conftest import REPOSITORY
from training.clinical_ner.corpus import Pieces, Sentence

TOKENIZER = NoteTokenizer.from_file(REPOSITORY / "clinical_ner" / "tokenizer.json")
WORDS = st.sampled_from(
    ["Pneumonia", "IL-2", "🙂", "naïve", "e\u0301tat", "5-HT", "病", "\t", "\n\n", "p.o.", "👩🏽‍⚕️"]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
)


@given(TEXTS)
@example("Known asthma 🙂, on e\u0301phédrine.")
@example("")
def test_offsets_point_into_the_original_text_in_order(text):
    encoding = TOKENIZER.encode(text)
    assert (encoding.starts >= 0).all()
    assert (encoding.starts <= encoding.ends).all()
    assert (encoding.ends <= len(text)).all()
    assert (np.diff(encoding.starts) >= 0).all()


@given(TEXTS)
def test_no_token_ends_between_a_letter_and_its_combining_marks(text):
    for end in TOKENIZER.encode(text).ends:
        assert end == len(text) or not unicodedata.combining(text[end])


@pytest.mark.parametrize("before", ["", "🙂 ", "e\u0301 ", "病院 ", "👩🏽‍⚕️ ", "a\u0300\u0301 "])
def test_a_word_is_found_where_python_finds_it(before):
    text = f"{before}Severe pneumonia."
    encoding = TOKENIZER.encode(text)
    spans = {
        text[encoding.starts[a] : encoding.ends[b - 1]]: int(encoding.starts[a])
        for a, b in word_bounds(encoding.words)
    }
    assert spans["pneumonia"] == text.index("pneumonia")


def test_spans_keep_accents_written_as_combining_marks():
    text = "cafe\u0301 noir"
    encoding = TOKENIZER.encode(text)
    first, last = word_bounds(encoding.words)[0]
    assert text[encoding.starts[first] : encoding.ends[last - 1]] == "cafe\u0301"


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("fever", Shape.LOWER),
        ("42", Shape.LOWER),
        ("Fever", Shape.CAPITALISED),
        ("A", Shape.CAPITALISED),
        ("COPD", Shape.UPPER),
        ("IL2", Shape.UPPER),
        ("mRNA", Shape.MIXED),
        ("McBurney", Shape.MIXED),
    ],
)
def test_the_shape_of_a_word_is_in_its_token_ids(word, shape):
    assert word_shape(word) is shape
    encoding = TOKENIZER.encode(word)
    assert (encoding.cased_ids // VOCABULARY_SIZE == shape).all()
    assert (encoding.cased_ids % VOCABULARY_SIZE == encoding.pieces).all()


@given(st.lists(st.integers(1, 40), max_size=60), st.sampled_from([(16, 4), (64, 20), (128, 48), (256, 64)]))
def test_every_token_is_owned_by_exactly_one_window_that_fits(lengths, limits):
    words = np.repeat(np.arange(len(lengths)), lengths)
    room, stride = limits
    owned = []
    for cut in windows(words, room, stride):
        assert cut.end - cut.start <= room - 2
        assert cut.start <= cut.owned_start < cut.owned_end <= cut.end
        owned += range(cut.owned_start, cut.owned_end)
    assert owned == list(range(len(words)))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=200))
def test_windows_do_not_cut_words_shorter_than_the_stride(lengths):
    words = np.repeat(np.arange(len(lengths)), lengths)
    starts = {first for first, _ in word_bounds(words)} | {len(words)}
    for cut in windows(words, 32, 12):
        assert {cut.start, cut.owned_start, cut.owned_end} <= starts


def test_every_token_away_from_the_ends_of_a_note_is_seen_with_context_on_both_sides():
    words = np.arange(1000)
    for cut in windows(words, 128, 48):
        assert cut.start == 0 or cut.owned_start - cut.start >= 20
        assert cut.end == 1000 or cut.end - cut.owned_end >= 20


def test_the_bucket_is_the_smallest_that_fits():
    assert [bucket(n) for n in (1, 16, 17, 256)] == [16, 16, 32, 256]
    with pytest.raises(ValueError, match="exceed"):
        bucket(BUCKETS[-1] + 1)


def test_padding_marks_what_is_text():
    input_ids, mask = pad([7, 8, 9], TOKENIZER, 8)
    assert input_ids.tolist() == [TOKENIZER.cls_id, 7, 8, 9, TOKENIZER.sep_id, 0, 0, 0]
    assert mask.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert input_ids.dtype == mask.dtype == np.int64
    with pytest.raises(ValueError, match="do not fit"):
        pad([1] * 7, TOKENIZER, 8)


@given(
    st.lists(
        st.sampled_from(["Parkinson", "'", "s", "L", "-", "dopa", "5HT4", "é", "(", "COPD"]),
        min_size=1,
        max_size=20,
    )
)
def test_training_and_serving_make_the_same_tensor(words):
    """The corpus comes as words and training tokenizes word by word; a note is tokenized whole."""
    served = TOKENIZER.encode(" ".join(words))
    trained = Pieces(TOKENIZER).sequence([Sentence(tuple(words), (0,) * len(words))])
    assert served.cased_ids.tolist() == trained.ids.tolist()
    assert word_bounds(served.words) == word_bounds(trained.words)
