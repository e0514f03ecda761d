"""What the tagger missed, or found only a part of, and the terminology knows.

The tagger learned from abstracts, where few of the words of wards and of radiology stand ("pneumothorax",
"clubbing"). Words that are, as they stand, a term of the terminology become an entity unless the tagger is
as sure that they are none as it is of any ordinary word. A term that holds what the tagger found ("deep vein
thrombosis" for "thrombosis") replaces it, and one that is what the tagger found decides its type. The rules
and their constants were chosen on the part of BC5CDR's train file that watched the training and on the
"development" half of assertion_sentences.tsv, never on devel.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.language.abbreviations import Abbreviations
from services.language.decoding import FloatArray, WordSpan
from services.language.entities import EntityType
from services.language.phrases import Phrases, with_findings
from services.language.vocabulary import normalize, read_terms, term_words

LEAST_SUPPORT, LEAST_SUPPORT_OF_SHORTHAND = 0.03, 0.1
"""What the tagger must leave to a term, as the probability that its likeliest word is no "O". Half of the
plain words that are not entities get more than 0.033, nine in ten less than 0.041."""

CONFIDENCE = 0.64
"""Of an entity that the terminology decided: its precision on the part of the train file that watched (9 of
14 right), too few to make it depend on more. Measured afterwards: 101 of 200 on devel's abstracts, where it
is too high; 13 of 18 on the held-out half of assertion_sentences.tsv and 11 of 13 on ward_sentences.tsv,
which resemble notes, where it is too low."""

_MOST_WORDS = 8
_LEAST_LETTERS, _LEAST_LETTERS_OF_SHORTHAND = 4, 3
_JOINTS = frozenset("-'\u2019/")  # the only marks that a term may have inside


class Terms:
    """The unambiguous terms of the terminology; immutable, safe to share between threads."""

    def __init__(self) -> None:
        not_alone = {normalize(words) for words in term_words("not_alone")}
        self._types: dict[tuple[str, ...], EntityType | None] = {}  # None: a term of both types
        self._shorthand: dict[tuple[str, ...], set[str]] = {}
        plain = set()
        for entity_type in EntityType:
            for term, codes in read_terms(entity_type):
                words = normalize(term)
                # Chapter XXI of ICD-10 holds circumstances ("pregnancy", "history of ..."), not diseases.
                if not words or words in not_alone or codes[0].code.startswith("Z"):
                    continue
                if self._types.setdefault(words, entity_type) is not entity_type:
                    self._types[words] = None
                if _is_shorthand(term):
                    self._shorthand.setdefault(words, set()).add(_joined(term))
                else:
                    plain.add(words)
        for finding in term_words("finding"):
            self._types.setdefault(normalize(finding), EntityType.DISEASE)
        for words in plain:
            self._shorthand.pop(words, None)
        self.images = Phrases()
        self.abbreviations = Abbreviations()
        self._modifiers = {normalize(words) for words in term_words("disease_modifier")}
        self._places = {normalize(words) for kind in ("anatomy", "filler") for words in term_words(kind)}
        self._beginnings = {words[:1] for words in self._types}

    def begins(self, word: str) -> bool:
        """Whether a term can begin with the word; much cheaper than to look for one."""
        return word[0].isalnum() and normalize(word)[:1] in self._beginnings

    def is_no_disease(self, word: str) -> bool:
        """Whether the word only says where, when or how severe a disease is, or that all is well."""
        return self.is_modifier(word) or normalize(word) in self._places

    def is_modifier(self, word: str) -> bool:
        """Whether the word only says when or how severe a disease is, or on which side."""
        return normalize(word) in self._modifiers

    def find(self, surface: str) -> tuple[EntityType, float] | None:
        """The type of the one term that `surface` is and the support it needs, or None.

        Shorthand counts only as the terminology writes it: "AIDS" is not a hearing aid, "ADD" no sum.
        """
        words = normalize(surface)
        found = self._types.get(words)
        letters = sum(map(str.isalpha, surface))
        if found is None:
            return None
        if words in self._shorthand:
            usable = _joined(surface) in self._shorthand[words] and letters >= _LEAST_LETTERS_OF_SHORTHAND
            return (found, LEAST_SUPPORT_OF_SHORTHAND) if usable else None
        return (found, LEAST_SUPPORT) if letters >= _LEAST_LETTERS else None


@functools.cache
def default_terms() -> Terms:
    """The terms, made once a process."""
    return Terms()


def recover(
    log_probabilities: FloatArray,
    words: Sequence[str],
    spans: Sequence[WordSpan],
    terms: Terms,
    breaks: Sequence[int] = (),
) -> list[WordSpan]:
    """The tagger's entities with those that the terminology adds and those that it widens, in order.

    `log_probabilities` FP32 [words, labels] with "O" first, `words` as written; no entity reaches over the
    start of a word in `breaks`. What images show comes first. The longest term from the left wins; it never
    cuts an entity that was found before, and it changes the type only of one that is the very term.
    """
    spans = with_findings(words, spans, terms.images, CONFIDENCE, breaks)
    owner = {word: span for span in spans for word in range(span.first, span.last)}
    new_lines = set(breaks)
    beginnings = {word for word in set(words) if terms.begins(word)}
    result: list[WordSpan] = []
    at = 0
    while at < len(words):
        span = None
        if words[at] in beginnings and not _hyphen(words, at - 1, new_lines):
            span = _longest(log_probabilities, words, owner, terms, new_lines, at)
        if span is None and at in owner and owner[at].first == at:
            span = owner[at]
        if span is not None:
            result.append(span)
        at = span.last if span is not None else at + 1
    result = terms.abbreviations.settled(words, result, CONFIDENCE, breaks)
    return _without_mere_places(result, words, terms)


def _without_mere_places(spans: Sequence[WordSpan], words: Sequence[str], terms: Terms) -> list[WordSpan]:
    """Entities that only say where or how ("right", "pleural spaces") belong to the entity right behind them,
    or are none.
    """
    result: list[WordSpan] = []
    for span in reversed(spans):
        if not all(terms.is_no_disease(word) for word in words[span.first : span.last]):
            result.append(span)
        elif result and (result[-1].first, result[-1].label) == (span.last, span.label):
            result[-1] = replace(result[-1], first=span.first)
    return result[::-1]


def _longest(
    log_probabilities: FloatArray,
    words: Sequence[str],
    owner: dict[int, WordSpan],
    terms: Terms,
    breaks: set[int],
    first: int,
) -> WordSpan | None:
    """The longest term that starts with the word `first` and may become an entity."""
    for last in range(_reach(words, first, breaks), first, -1):
        ends_well = words[last - 1][-1].isalnum() and words[last - 1] != "s"  # no "nicotine's"
        if not ends_well or (last < len(words) and _hyphen(words, last, breaks)):
            continue
        inside = {owner[word] for word in range(first, last) if word in owner}
        if any(span.first < first or span.last > last for span in inside):
            continue
        if (found := terms.find(" ".join(words[first:last]))) is None:
            continue
        entity_type, least = found
        same = any((span.first, span.last) == (first, last) for span in inside)
        other_type = any(span.label != entity_type.value for span in inside)
        if same and not other_type:
            return None
        if other_type and not same:
            continue
        support = float(-np.expm1(log_probabilities[first:last, 0].min()))
        if support >= least:
            if (shorter := _without_degree(words, inside, terms, first, last)) is not None:
                return shorter
            return WordSpan(first, last, entity_type.value, CONFIDENCE, from_terminology=True)
    return None


def _without_degree(
    words: Sequence[str], inside: set[WordSpan], terms: Terms, first: int, last: int
) -> WordSpan | None:
    """The entity that the term only tells the degree or time of ("acute" subdural hematoma), with the term as
    what it stands for; None where the term says more.
    """
    if len(inside) != 1:
        return None
    [span] = inside
    degree = words[first : span.first]
    if span.last != last or not degree or not all(map(terms.is_modifier, degree)):
        return None
    return replace(span, stands_for=" ".join(words[first:last]))


def _reach(words: Sequence[str], first: int, breaks: set[int]) -> int:
    """One past the last word that a term from `first` on may hold."""
    last = first + 1
    while last < min(first + _MOST_WORDS, len(words)) and last not in breaks:
        if not words[last][0].isalnum() and words[last] not in _JOINTS:
            break
        last += 1
    return last


def _hyphen(words: Sequence[str], place: int, breaks: set[int]) -> bool:
    """Whether the word is a hyphen within a longer word, not the bullet of a list."""
    return place > 0 and words[place] == "-" and place not in breaks


def _is_shorthand(term: str) -> bool:
    capitals = sum(map(str.isupper, term))
    return " " not in term and capitals >= 2 and sum(map(str.islower, term)) < capitals


def _joined(surface: str) -> str:
    return surface.replace(" ", "")
