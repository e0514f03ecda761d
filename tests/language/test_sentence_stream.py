"""Sentences while they are being written."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.language.sentence_stream import whole_sentences
from services.language.sentences import split_sentences

REPORT = (
    "FINDINGS:\nThe heart is enlarged. There is a 3.5 cm mass in the right upper lobe, seen by Dr. Hall.\n"
    "No pneumothorax.\n\nIMPRESSION:\n1. Right upper lobe mass, 3.5 cm.\n2. Cardiomegaly.\n"
)


async def _of(*pieces):
    for piece in pieces:
        yield piece


def sentences(*pieces):
    async def run():
        return [sentence async for sentence in whole_sentences(_of(*pieces))]

    return asyncio.run(run())


def test_each_sentence_comes_whole():
    assert [s.strip() for s in sentences(REPORT) if s.strip()] == [
        "FINDINGS:\nThe heart is enlarged.",
        "There is a 3.5 cm mass in the right upper lobe, seen by Dr. Hall.",
        "No pneumothorax.",
        "IMPRESSION:",
        "1. Right upper lobe mass, 3.5 cm.",
        "2. Cardiomegaly.",
    ]


def test_a_sentence_does_not_wait_for_the_one_after_it_to_end():
    async def run():
        given: list[str] = []

        async def pieces():
            yield "The heart is enlarged. There"
            assert given == []
            yield " is"
            given.append(await asyncio.wait_for(queue.get(), 1))
            yield " a mass."

        queue: asyncio.Queue[str] = asyncio.Queue()
        async for sentence in whole_sentences(pieces()):
            queue.put_nowait(sentence)
        return given

    # " is" makes "There" a whole word, so the first sentence has been handed over before " a mass.".
    assert asyncio.run(asyncio.wait_for(run(), 5)) == ["The heart is enlarged."]


@given(st.lists(st.integers(0, len(REPORT)), max_size=12))
def test_how_the_text_is_cut_into_pieces_does_not_matter(cuts):
    edges = [0, *sorted(cuts), len(REPORT)]
    pieces = [REPORT[a:b] for a, b in itertools.pairwise(edges)]
    assert sentences(*pieces) == sentences(REPORT)


@given(st.text(alphabet="aB1 .\n:?-\t", max_size=60))
def test_nothing_is_lost(text):
    assert "".join(sentences(text)) == text


def test_prose_is_split_as_the_same_text_is_when_it_is_whole():
    prose = "The heart is enlarged. There is a 3.5 cm mass, seen by Dr. Hall. No pneumothorax. Is it new?"
    assert sentences(prose) == [prose[start:end] for start, end in split_sentences(prose)]
