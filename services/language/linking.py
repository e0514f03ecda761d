"""Links an entity's words to a code: diseases to ICD-10-CM (else SNOMED CT), chemicals to RxNorm ingredients.

The terms are data (services/language/vocabulary.py). A term is tried as it stands, then in any word order,
then without what only modifies it ("acute severe", "left lower lobe", "20 mg oral tablet"), then as what
images show ("heart is mildly enlarged"), then with a spelling error. Each step takes a match only where it
leads to one concept; where none does, the answer is None: an unknown term is better than a wrong code. A head
word alone never matches ("cancer of the ampulla" is not "cancer"), a side that is said chooses the code of
that side, and a cause or a time that makes another disease ("traumatic", "postoperative", "old") is never
left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence

from services.clinical.code_systems import ICD10CM
from services.clinical.concepts import Concept
from services.clinical.drugs import Drugs
from services.clinical.tables import rows
from services.language.entities import EntityType
from services.language.phrases import Phrases
from services.language.vocabulary import (
    TERMINOLOGY,
    Codes,
    Words,
    normalize,
    read_images,
    read_terms,
    term_words,
)

_LONGEST_SURFACE = 200  # characters; a longer "entity" is not a term
_SHORTEST_MISSPELT = 7  # letters: in a shorter word one letter makes another word ("ileus", "iritis")

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD_OR_HYPHEN = re.compile(r"[^\W_]+|-")
_STRENGTH = re.compile(
    r"\b\d[\d.,]* ?(?:mg|mcg|ug|g|ml|unt|units?|hr|actuat|meq|day)\b|\bnda\d+\b", re.IGNORECASE
)


_BESIDE_IMAGES = ("side", "disease_modifier", "filler")
"""Words that may stand before or after what images show without naming another concept."""


class Linker:
    """Finds the concept of a surface form; immutable, safe to share between threads."""

    def __init__(self) -> None:
        self._drugs = Drugs.load()
        self._indices = {
            EntityType.DISEASE: _Index(read_terms(EntityType.DISEASE), ["side", "disease_modifier"]),
            EntityType.CHEMICAL: _Index(read_terms(EntityType.CHEMICAL), ["dose_form", "salt"]),
        }
        self._images = Phrases()
        self._image_codes = {term.lower(): codes for term, codes in read_images() if codes}
        self._beside_images = {normalize(word) for kind in _BESIDE_IMAGES for word in term_words(kind)}
        self._sides = {
            (code, side): Concept(ICD10CM, of_side, title)
            for code, side, of_side, title in rows(TERMINOLOGY / "sides.tsv", 4)
        }

    def names_drug(self, surface: str) -> bool:
        """Whether the words are a drug's or a drug class's name, with or without a code."""
        return bool(self._drugs.by_name(surface)) and not self._drugs.unnamed(surface)

    def link(self, surface: str, entity_type: EntityType) -> Concept | None:
        """The preferred concept (ICD-10-CM, else SNOMED CT; RxNorm), or None when the term is not known."""
        codes = self.codes(surface, entity_type)
        return codes[0] if codes else None

    def codes(self, surface: str, entity_type: EntityType) -> tuple[Concept, ...]:
        """Every code of the concept, the preferred one first; empty when the term is not known."""
        if len(surface) > _LONGEST_SURFACE:
            return ()
        if entity_type is EntityType.CHEMICAL:
            surface = _STRENGTH.sub(" ", surface)
        index = self._indices[entity_type]
        codes = index.find(surface)
        if not codes and entity_type is EntityType.DISEASE:
            codes = self._of_images(surface)
        return self._of_its_side(codes or index.misspelled(surface), surface)

    def _of_images(self, surface: str) -> Codes:
        """The code of the one thing that images show which is named, if the rest is degree and place."""
        words = _WORD_OR_HYPHEN.findall(surface)
        findings = list(self._images.find(words))
        if len(findings) != 1:
            return ()
        [finding] = findings
        beside = [normalize(word) for word in words[: finding.first] + words[finding.reach :] if word != "-"]
        if not all(word in self._beside_images or _NUMBER.fullmatch("".join(word)) for word in beside):
            return ()
        return self._image_codes.get(finding.term.lower(), ())

    def _of_its_side(self, codes: Codes, surface: str) -> Codes:
        """The code of the side that the words name, where there is one; then it alone says the same."""
        said = {side for word in normalize(surface) if (side := term_words("side").get(word))}
        if not codes or len(said) != 1:
            return codes
        sided = self._sides.get((codes[0].code, said.pop()))
        return (sided,) if sided else codes


@functools.cache
def default_linker() -> Linker:
    """The linker, made once a process."""
    return Linker()


class _Index:
    """The terms of one entity type, found by their words."""

    def __init__(self, terms: Iterable[tuple[str, Codes]], modifiers: Sequence[str]) -> None:
        self._modifiers = [frozenset(term_words(kind)) for kind in modifiers]
        self._written: dict[str, Codes] = {}
        self._exact: dict[Words, Codes] = {}
        self._bags: dict[Words, Codes] = {}  # empty: two concepts differ only in word order, so neither
        self._shapes: dict[tuple[tuple[str, int], ...], list[Words]] = {}
        for term, codes in terms:
            self._written.setdefault(term.lower(), codes)
            words = normalize(term)
            if self._exact.setdefault(words, codes) is not codes:
                continue  # another number of the same words
            self._shapes.setdefault(_shape(words), []).append(words)
            known = self._bags.setdefault(_bag(words), codes)
            if known and known[0] != codes[0]:
                self._bags[_bag(words)] = ()

    def find(self, surface: str) -> Codes:
        """The codes of the term that the words are, in any order and without what only modifies it."""
        for written, form in self._forms(surface):
            if codes := self._written.get(written) or self._exact.get(form) or self._bags.get(_bag(form)):
                return codes
        return ()

    def misspelled(self, surface: str) -> Codes:
        """The same with a spelling error."""
        return next((codes for _, form in self._forms(surface) if (codes := self._misspelled(form))), ())

    def _forms(self, surface: str) -> Iterator[tuple[str, Words]]:
        """The words as they stand and as they are compared: all, then without one kind of modifier after the
        other, then without numbers. As they stand, "rib fractures" are not "rib fracture".
        """
        words = surface.lower().split()
        form = normalize(surface)
        yield " ".join(words), form
        for kind in self._modifiers:
            words = [word for word in words if not kind.issuperset(normalize(word) or ("",))]
            form = tuple(word for word in form if word not in kind)
            if form:
                yield " ".join(words), form
        if form := tuple(word for word in form if not _NUMBER.fullmatch(word)):
            yield " ".join(words), form

    def _misspelled(self, words: Words) -> Codes:
        """The one concept with a term that differs by a spelling error in long words; all else must agree."""
        found: dict[Concept, Codes] = {}
        for shape in _neighbouring_shapes(words):
            for term in self._shapes.get(shape, ()):
                if all(a == b or _is_misspelling(a, b) for a, b in zip(words, term, strict=True)):
                    codes = self._exact[term]
                    found[codes[0]] = codes
        return next(iter(found.values())) if len(found) == 1 else ()


def _bag(words: Sequence[str]) -> Words:
    return tuple(sorted({word for word in words if word not in term_words("empty")}))


def _shape(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """First four letters and length of each word: hypo- and hyper-, arter- and arthr- never meet."""
    return tuple((word[:4], len(word)) for word in words)


def _neighbouring_shapes(words: Words) -> Iterator[tuple[tuple[str, int], ...]]:
    """The shapes of terms that `words` can misspell: one word a letter shorter or longer, or none."""
    shape = _shape(words)
    yield shape
    for at, (head, length) in enumerate(shape):
        for change in (-1, 1):
            yield (*shape[:at], (head, length + change), *shape[at + 1 :])


def _is_misspelling(word: str, term: str) -> bool:
    """One letter added, dropped or replaced, or two neighbours swapped, in a long word."""
    if min(len(word), len(term)) < _SHORTEST_MISSPELT or abs(len(word) - len(term)) > 1:
        return False
    start = 0
    while start < min(len(word), len(term)) and word[start] == term[start]:
        start += 1
    rest, other = word[start:], term[start:]
    if len(rest) == len(other):
        return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    longer, shorter = (rest, other) if len(rest) > len(other) else (other, rest)
    return longer[1:] == shorter
