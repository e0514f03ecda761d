"""Windows hold for any text: each token is answered for once, and nothing is read only at an edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.language.tokenization import word_bounds
from services.language.windows import padded_length, windows


@given(st.lists(st.integers(1, 40), max_size=60), st.sampled_from([(14, 4), (62, 20), (126, 48), (254, 0)]))
def test_every_token_is_owned_by_exactly_one_window_that_fits(lengths, limits):
    words = np.repeat(np.arange(len(lengths)), lengths)
    room, stride = limits
    owned = []
    for cut in windows(words, room, stride):
        assert cut.end - cut.start <= room
        assert cut.start <= cut.owned_start < cut.owned_end <= cut.end
        owned += range(cut.owned_start, cut.owned_end)
    assert owned == list(range(len(words)))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=200))
def test_windows_do_not_cut_words_shorter_than_the_stride(lengths):
    words = np.repeat(np.arange(len(lengths)), lengths)
    starts = {first for first, _ in word_bounds(words)} | {len(words)}
    for cut in windows(words, 30, 12):
        assert {cut.start, cut.owned_start, cut.owned_end} <= starts


def test_every_token_away_from_the_ends_of_a_note_is_seen_with_context_on_both_sides():
    words = np.arange(1000)
    for cut in windows(words, 126, 48):
        assert cut.start == 0 or cut.owned_start - cut.start >= 20
        assert cut.end == 1000 or cut.end - cut.owned_end >= 20


def test_lengths_are_few_and_no_longer_than_the_model_takes():
    assert [padded_length(n, 256) for n in (1, 8, 9, 121, 128, 256)] == [8, 8, 16, 128, 128, 256]
    assert {padded_length(n, 100) for n in range(1, 101)} == {*range(8, 104, 8)} - {104} | {100}
    assert padded_length(5, 6) == 6
    with pytest.raises(ValueError, match="exceed"):
        padded_length(257, 256)
