"""Links an entity's words to a code: diseases to ICD-10-CM (else SNOMED CT), chemicals to RxNorm ingredients.

The terms are data (`diseases.tsv`, `drugs.tsv` and `term_words.tsv` in `terminology/`; the NOTICE there
names sources and licences). A term is tried as it stands, then in any word order, then without what only
modifies it ("acute severe", "left lower lobe", "20 mg oral tablet"), then with a slip of the pen. Each step
takes a match only where it leads to one concept; where none does, the answer is None: an unknown term is
better than a wrong code. A head word alone never matches ("cancer of the ampulla" is not "cancer").
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from services.language.entities import Concept, EntityType

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED_CT = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

_TERMINOLOGY = Path(__file__).parent / "terminology"
_LONGEST_SURFACE = 200  # characters; a longer "entity" is no term
_SHORTEST_SLIP = 7  # letters: in a shorter word one letter makes another word ("ileus", "iritis")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_COUNTED = frozenset({"type", "stage", "grade", "class"})

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+\d*[a-z]*|\d+[a-z]+")
_ASIDE = re.compile(r"\[[^\]]*\]|\((?:disorder|finding|situation|morphologic abnormality)\)")
_POSSESSIVE = re.compile(r" ?' ?s?\b")
_STRENGTH = re.compile(
    r"\b\d[\d.,]* ?(?:mg|mcg|ug|g|ml|unt|units?|hr|actuat|meq|day)\b|\bnda\d+\b", re.IGNORECASE
)

_Words = tuple[str, ...]
_Codes = tuple[Concept, ...]  # of one concept, the preferred code first


class Linker:
    """Finds the concept of a surface form; immutable, safe to share between threads."""

    def __init__(self, folder: Path = _TERMINOLOGY) -> None:
        images = [(term, codes) for term, codes in _read_images(folder / "radiology.tsv") if codes]
        self._indices = {
            EntityType.DISEASE: [
                _Index(read_terms(EntityType.DISEASE, folder), ["disease_modifier"]),
                _Index(images, ["disease_modifier", "filler"]),
            ],
            EntityType.CHEMICAL: [
                _Index(read_terms(EntityType.CHEMICAL, folder), ["dose_form", "salt"]),
            ],
        }

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
        return next((codes for index in self._indices[entity_type] if (codes := index.find(surface))), ())


class _Index:
    """The terms of one entity type, found by their words."""

    def __init__(self, terms: Iterable[tuple[str, _Codes]], modifiers: Sequence[str]) -> None:
        self._modifiers = [term_words(kind).keys() for kind in modifiers]
        self._written: dict[str, _Codes] = {}
        self._exact: dict[_Words, _Codes] = {}
        self._bags: dict[_Words, _Codes] = {}  # empty: two concepts differ only in word order, so neither
        self._shapes: dict[tuple[tuple[str, int], ...], list[_Words]] = {}
        for term, codes in terms:
            self._written.setdefault(term.lower(), codes)
            words = normalize(term)
            if self._exact.setdefault(words, codes) is codes:
                self._shapes.setdefault(_shape(words), []).append(words)
            known = self._bags.setdefault(_bag(words), codes)
            if known and known[0] != codes[0]:
                self._bags[_bag(words)] = ()

    def find(self, surface: str) -> _Codes:
        if codes := self._written.get(surface.lower()):
            return codes  # also tells "rib fractures" from "rib fracture"
        forms = [normalize(surface)]
        for words in self._modifiers:
            forms.append(tuple(word for word in forms[-1] if word not in words))
        forms.append(tuple(word for word in forms[-1] if not _NUMBER.fullmatch(word)))
        forms = [form for form in dict.fromkeys(forms) if form]
        for form in forms:
            if codes := self._exact.get(form) or self._bags.get(_bag(form)):
                return codes
        return next((codes for form in forms if (codes := self._misspelled(form))), ())

    def _misspelled(self, words: _Words) -> _Codes:
        """The one concept with a term that differs by a slip in long words; all else must agree."""
        found: dict[Concept, _Codes] = {}
        for shape in _neighbouring_shapes(words):
            for term in self._shapes.get(shape, ()):
                if all(a == b or _is_slip(a, b) for a, b in zip(words, term, strict=True)):
                    codes = self._exact[term]
                    found[codes[0]] = codes
        return next(iter(found.values())) if len(found) == 1 else ()


def read_terms(entity_type: EntityType, folder: Path = _TERMINOLOGY) -> Iterator[tuple[str, _Codes]]:
    """Every term of a type as the terminology writes it, with its codes."""
    if entity_type is EntityType.DISEASE:
        images = _read_images(folder / "radiology.tsv")
        return itertools.chain(_read_diseases(folder / "diseases.tsv"), ((t, c) for t, c in images if c))
    return _read_drugs(folder / "drugs.tsv")


def image_terms(folder: Path = _TERMINOLOGY) -> Iterator[str]:
    """Every term of what images show, with or without a code."""
    return (term for term, _ in _read_images(folder / "radiology.tsv"))


def normalize(term: str) -> tuple[str, ...]:
    """The words of a term: lower case, no accents, possessives or asides, American spelling, singular."""
    text = unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode("ascii").lower()
    text = _POSSESSIVE.sub(" ", _ASIDE.sub(" ", text))
    for british, american in term_words("british").items():
        text = text.replace(british, american)
    words: list[str] = []
    for found in _WORD.findall(text):
        word = _singular(found)
        if words and words[-1] in _COUNTED and word in _ROMAN:
            word = _ROMAN[word]
        words.append(term_words("spelled_out").get(word, word))
    return tuple(words)


def _singular(word: str) -> str:
    if word in term_words("plural"):
        return term_words("plural")[word]
    if word.endswith("ies") and len(word) > 5:
        return word[:-3] + "y"
    if word.endswith("s") and len(word) > 4 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _bag(words: Sequence[str]) -> _Words:
    return tuple(sorted({word for word in words if word not in term_words("empty")}))


def _shape(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """First four letters and length of each word: hypo- and hyper-, arter- and arthr- never meet."""
    return tuple((word[:4], len(word)) for word in words)


def _neighbouring_shapes(words: _Words) -> Iterator[tuple[tuple[str, int], ...]]:
    """The shapes of terms of which `words` can be a slip: one word a letter shorter or longer, or none."""
    shape = _shape(words)
    yield shape
    for at, (head, length) in enumerate(shape):
        for change in (-1, 1):
            yield (*shape[:at], (head, length + change), *shape[at + 1 :])


def _is_slip(word: str, term: str) -> bool:
    """One letter added, dropped or replaced, or two neighbours swapped, in a long word."""
    if min(len(word), len(term)) < _SHORTEST_SLIP or abs(len(word) - len(term)) > 1:
        return False
    start = 0
    while start < min(len(word), len(term)) and word[start] == term[start]:
        start += 1
    rest, other = word[start:], term[start:]
    if len(rest) == len(other):
        return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    longer, shorter = (rest, other) if len(rest) > len(other) else (other, rest)
    return longer[1:] == shorter


@functools.cache
def term_words(kind: str) -> dict[str, str]:
    """Word -> replacement (empty where the kind has none), from `terminology/term_words.tsv`; a kind of
    several words ("not_alone", "finding") holds them separated by blanks.
    """
    words = {}
    for row in rows(_TERMINOLOGY / "term_words.tsv", 3):
        if row[0] == kind:
            words[row[1]] = row[2]
    return words


def _read_diseases(path: Path) -> Iterator[tuple[str, _Codes]]:
    for icd, title, snomed, name, terms in rows(path, 5):
        codes = [Concept(ICD10CM, icd, title)] if icd else []
        if snomed:
            codes.append(Concept(SNOMED_CT, snomed, name))
        for term in terms.split("; "):
            yield term, tuple(codes)


def _read_images(path: Path) -> Iterator[tuple[str, _Codes]]:
    for icd, title, terms in rows(path, 3):
        for term in terms.split("; "):
            yield term, (Concept(ICD10CM, icd, title),) if icd else ()


def _read_drugs(path: Path) -> Iterator[tuple[str, _Codes]]:
    for rxcui, name, _compared, terms in rows(path, 4):
        for term in terms.split("; "):
            yield term, (Concept(RXNORM, rxcui, name),)


def rows(path: Path, columns: int) -> Iterator[list[str]]:
    """The rows of a tab separated file of the terminology, without comments; ValueError naming a bad line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            row = line.split("\t")
            if len(row) != columns:
                raise ValueError(f"{path.name}, line {number}: {len(row)} columns instead of {columns}")
            yield row
