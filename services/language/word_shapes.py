"""How a word is written, told to a model beside the letters of an uncased vocabulary.

An uncased vocabulary makes "PD" and "pd" the same pieces. A model trained for it gets the shape of the
written word in the token id itself: `id = piece + size of the vocabulary * shape`, which its graph takes
apart again.
"""

from __future__ import annotations

import enum

WORD_SHAPE_VERSION = "wordpiece-shape/1"
"""What a card's `word_shape_version` says of a model that wants shapes as this module makes them."""


class Shape(enum.IntEnum):
    """How a word is written; the number is part of the token id."""

    LOWER = 0
    CAPITALISED = 1
    UPPER = 2
    MIXED = 3


def word_shape(word: str) -> Shape:
    """How `word` is written; a word without capitals, such as a number, is LOWER; one lone capital
    CAPITALISED.
    """
    if word.islower():  # most words
        return Shape.LOWER
    capitals = sum(map(str.isupper, word))
    if capitals == 0:
        return Shape.LOWER
    if word[0].isupper() and capitals == 1:
        return Shape.CAPITALISED
    if not any(character.islower() for character in word):
        return Shape.UPPER
    return Shape.MIXED
