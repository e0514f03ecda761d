"""Which words and codes cannot identify anybody: those of DICOM's own code sets.

PS3.16's codes come with pydicom, some 18,000 with their meanings. A word counts as a term where a meaning
has it in small letters, so that eponyms and names do not; words that are names too are left out. The codes
are loaded with the first file that is de-identified: they take 15 MB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"\b[Tt][12]\b|[^\W\d_]+|\d+(?:[.,]\d+)?")


def _words(use: str) -> frozenset[str]:
    text = files(__package__).joinpath("words.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return frozenset(word for kind, word in rows if kind == use)


_NAMES_TOO = _words("name")
_FURTHER = _words("term")
"""Words of protocols and series that no code set spells out."""
_OLDER_SNOMED = frozenset({"SRT", "SNM3", "99SDM"})
"""Designators of the same codes in the form that PS3.16 had before (8.1)."""
_LONGEST_NUMBER = 3
"""Digits; longer ones may be dates or numbers of records."""


def _concepts() -> Mapping[str, Mapping[str, Mapping[str, tuple[str, object]]]]:
    """By scheme, keyword and code: the meaning."""
    from pydicom.sr._concepts_dict import concepts

    return concepts  # type: ignore[return-value]


@cache
def _terms() -> frozenset[str]:
    words = {
        word
        for codes in _concepts().values()
        for variants in codes.values()
        for meaning, _ in variants.values()
        for word in _WORD.findall(meaning)
        if word.islower() and len(word) > 1
    }
    return frozenset(words | _FURTHER) - _NAMES_TOO


@cache
def _meanings() -> dict[tuple[str, str], str]:
    return {
        (scheme, code): meaning
        for scheme, codes in _concepts().items()
        for variants in codes.values()
        for code, (meaning, _) in variants.items()
    }


def meaning_of(scheme: str, code: str) -> str | None:
    """What a code of PS3.16 means; None: it is none."""
    if scheme in _OLDER_SNOMED:
        from pydicom.sr._snomed_dict import mapping

        scheme, code = "SCT", mapping["SRT"].get(code, "")
    return _meanings().get((scheme, code))


def is_scheme(designator: str) -> bool:
    """Whether it names a coding scheme of PS3.16."""
    return designator in _concepts() or designator in _OLDER_SNOMED


def _is_term(word: str) -> bool:
    if word[0].isdigit():
        return len(re.sub(r"\D", "", word)) <= _LONGEST_NUMBER
    return word.lower() in _terms()


def is_plain(text: str) -> bool:
    """Whether every word of it is a term, and no number in it is long."""
    return all(map(_is_term, _WORD.findall(text)))


def cleaned(text: str) -> str:
    """The terms of it, in their order; what stood between them is lost."""
    return " ".join(word for word in _WORD.findall(text) if _is_term(word))


_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
_TOKEN = re.compile(r"[A-Z]{4,}")
_CODE_WORDS = _words("code")


def is_code_string(value: str) -> bool:
    """Whether a Code String (CS) has its form and holds no word that is unknown; of at most three letters
    any word passes, since it is a code in an attribute that does not tell of people.
    """
    return bool(_CODE_STRING.fullmatch(value)) and all(
        token in _CODE_WORDS or token.lower() in _terms() for token in _TOKEN.findall(value)
    )
