"""The terms that the language service knows, as data files hold them, and how their words are compared.

The files lie in `terminology/` (diseases.tsv, radiology.tsv, term_words.tsv) and, for drugs, in
`services/clinical/`; the NOTICE beside them names sources and licences.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from services.clinical.code_systems import ICD10CM, RXNORM, SNOMED
from services.clinical.concepts import Concept
from services.clinical.drugs import read_ingredients
from services.clinical.tables import rows
from services.clinical.terminology import known_rows
from services.language.entities import EntityType

TERMINOLOGY = Path(__file__).parent / "terminology"

_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_COUNTED = frozenset({"type", "stage", "grade", "class"})
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+\d*[a-z]*|\d+[a-z]+")
_ASIDE = re.compile(r"\[[^\]]*\]|\((?:disorder|finding|situation|morphologic abnormality)\)")
_POSSESSIVE = re.compile(r" ?' ?s?\b")

Words = tuple[str, ...]
Codes = tuple[Concept, ...]
"""Of one concept, the preferred code first."""


def read_terms(entity_type: EntityType) -> Iterator[tuple[str, Codes]]:
    """Every term of a type that has a code, as the terminology writes it, with its codes."""
    if entity_type is EntityType.DISEASE:
        images = ((term, codes) for term, codes in read_images() if codes)
        return itertools.chain(read_diseases(), images)
    return read_drugs()


def normalize(term: str) -> tuple[str, ...]:
    """The words of a term: lower case, no accents, possessives or asides, American spelling, singular."""
    if term.isascii() and term.isalpha():  # one word, as most are
        return (_as_spelled(_singular(_american(term.lower()))),)
    if not term.isascii():
        term = unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode("ascii")
    text = _american(_POSSESSIVE.sub(" ", _ASIDE.sub(" ", term.lower())))
    words: list[str] = []
    for found in _WORD.findall(text):
        word = _singular(found)
        if words and words[-1] in _COUNTED and word in _ROMAN:
            word = _ROMAN[word]
        words.append(_as_spelled(word))
    return tuple(words)


def _american(text: str) -> str:
    if _british().search(text) is not None:
        for british, american in term_words("british").items():
            text = text.replace(british, american)
    return text


def _as_spelled(word: str) -> str:
    return term_words("spelled_out").get(word, word)


def _singular(word: str) -> str:
    if word in term_words("plural"):
        return term_words("plural")[word]
    if word.endswith("ies") and len(word) > 5:
        return word[:-3] + "y"
    if word.endswith("s") and len(word) > 4 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@functools.cache
def _british() -> re.Pattern[str]:
    """Any of the British spellings; few words have one."""
    return re.compile("|".join(map(re.escape, term_words("british"))))


@functools.cache
def term_words(kind: str) -> dict[str, str]:
    """Word -> replacement (empty where the kind has none), from `terminology/term_words.tsv`; a kind of
    several words ("not_alone", "finding") holds them separated by blanks.
    """
    words = {}
    for row in rows(TERMINOLOGY / "term_words.tsv", 3):
        if row[0] == kind:
            words[row[1]] = row[2]
    return words


def read_diseases() -> Iterator[tuple[str, Codes]]:
    """The terms of diseases, signs and symptoms with their codes, ICD-10-CM first. A term counts in the first
    row that has it.
    """
    said: set[str] = set()
    for icd, title, snomed, name, terms in known_rows(TERMINOLOGY / "diseases.tsv"):
        codes = [Concept(ICD10CM, icd, title)] if icd else []
        if snomed:
            codes.append(Concept(SNOMED, snomed, name))
        for term in terms.split("; "):
            if term.lower() not in said:
                said.add(term.lower())
                yield term, tuple(codes)


def read_images() -> Iterator[tuple[str, Codes]]:
    """The terms of what images show, with their code or none."""
    for icd, title, terms in rows(TERMINOLOGY / "radiology.tsv", 3):
        for term in terms.split("; "):
            yield term, (Concept(ICD10CM, icd, title),) if icd else ()


def read_drugs() -> Iterator[tuple[str, Codes]]:
    """The terms of drugs with their ingredient."""
    for ingredient in read_ingredients():
        if not ingredient.rxcui:  # nothing to link to
            continue
        for term in ingredient.terms:
            yield term, (Concept(RXNORM, ingredient.rxcui, ingredient.name),)
