"""Which passages of a note can be read: English ones. The rules and the tagger know no other language.

"Kein Pneumothorax" is no statement that there is one. A passage is a sentence or a line. It is foreign when
it holds more words that only another language has than words of function that speak for English
(`languages.tsv`), or when it is mostly written in another script. A passage that says nothing either way
("Pneumonie.") goes with most of the note, except that words between lines of another script stay English. A
short English note never is foreign: what speaks for no language is English.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.clinical.tables import rows
from services.language.vocabulary import TERMINOLOGY

_TABLE = TERMINOLOGY / "languages.tsv"
_PASSAGE = re.compile(r"(?:[^.!?;\s\u3002]|\.(?=\d))(?:[^.!?;\n\r\u3002]|\.(?=\d))*")
_WORD = re.compile(r"[^\W\d_]+")
_ACCENT_COUNTS = 0.5
"""Of a word with a letter that English lacks; alone it proves nothing, names and eponyms have them too."""

_SCRIPT_OUTWEIGHS = 2
"""How many words of another script one English word of function outweighs: a name may be among them."""

_LEAST_LETTERS = 2
_LETTERS = frozenset("ßøæœłđıþØÆŒŁĐÞ")  # letters that English lacks and that are no letter with a mark

_SCRIPTS = {
    "ARABIC": "Arabic script",
    "ARMENIAN": "Armenian",
    "BENGALI": "Bengali",
    "CJK": "Chinese or Japanese",
    "CYRILLIC": "Cyrillic script",
    "DEVANAGARI": "Devanagari script",
    "ETHIOPIC": "Ethiopic script",
    "GEORGIAN": "Georgian",
    "GREEK": "Greek",
    "GUJARATI": "Gujarati",
    "GURMUKHI": "Punjabi",
    "HANGUL": "Korean",
    "HEBREW": "Hebrew",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "KHMER": "Khmer",
    "TAMIL": "Tamil",
    "TELUGU": "Telugu",
    "THAI": "Thai",
}
"""First word of a letter's Unicode name -> how the notice calls it. A lone Greek letter is a symbol."""

_WITHOUT_BLANKS = frozenset({"Chinese or Japanese", "Japanese", "Thai", "Khmer"})
"""Where a word of two letters on average follows another without a blank."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch `[start, end)` of the note in code points, and the language it seems to be in."""

    start: int
    end: int
    language: str


@dataclass(slots=True)
class _Weighed:
    """A passage with what speaks for English and for other languages, in words."""

    start: int
    end: int
    english: int = 0
    no: int = 0  # "no" is English, Spanish and Italian: it speaks for English where nothing speaks against
    words: int = 0
    accented: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    foreign: int = 0

    @property
    def is_foreign(self) -> bool:
        if sum(self.scripts.values()) > _SCRIPT_OUTWEIGHS * self.english:
            return True
        return self.foreign > 0 and self.foreign + _ACCENT_COUNTS * self.accented > self.english

    @property
    def is_english(self) -> bool:
        return not self.is_foreign and self.english + self.no > 0

    @property
    def language(self) -> str:
        return next((name for name, _ in (self.scripts or self.languages).most_common(1)), "")


def foreign_passages(note: str) -> list[Passage]:
    """The passages that are not to be read, in order."""
    passages = [_weigh(note, match) for match in _PASSAGE.finditer(note)]
    foreign = [passage for passage in passages if passage.is_foreign]
    if not foreign:
        return []
    english_words = sum(p.words for p in passages if p.is_english)
    silent_too = sum(p.words for p in foreign if not p.scripts) > english_words
    common = Counter(p.language for p in foreign).most_common(1)[0][0]
    return [
        Passage(p.start, p.end, p.language or common)
        for p in passages
        if p.is_foreign or (silent_too and p.words and not p.is_english)
    ]


def are_readable(note: str, starts: Sequence[int]) -> list[bool]:
    """Whether each of these places lies in no foreign passage."""
    foreign = foreign_passages(note)
    begins = [passage.start for passage in foreign]
    return [not (at := bisect_right(begins, start)) or foreign[at - 1].end <= start for start in starts]


def foreign_script(note: str) -> Iterator[int]:
    """Where words in another script stand, also within English sentences."""
    for match in _WORD.finditer(note):
        if not match.group().isascii() and _script(match.group()):
            yield match.start()


def _weigh(note: str, match: re.Match[str]) -> _Weighed:
    passage = _Weighed(match.start(), match.end())
    shouting = match.group().isupper()
    for found in _WORD.finditer(note, match.start(), match.end()):
        word = found.group()
        passage.words += 1
        if not word.isascii() and (script := _script(word)):
            passage.scripts[script] += -(-len(word) // 2) if script in _WITHOUT_BLANKS else 1
            continue
        passage.no += word.lower() == "no"
        passage.accented += any(map(_is_accented, word))
        if word.isupper() and len(word) > 1 and not shouting:
            continue  # "PAS stain", "SIN" and the like are shorthand
        languages = _words().get(word.lower(), ())
        if "English" in languages:
            passage.english += 1
        elif languages:
            passage.foreign += 1
            passage.languages.update(languages)
    return passage


def _script(word: str) -> str:
    """The script of the word's first letter that is not Latin, if the word is more than a symbol."""
    if len(word) < _LEAST_LETTERS and not unicodedata.name(word[0], "").startswith(("CJK", "HANGUL")):
        return ""
    names = (unicodedata.name(letter, "").split(" ", 1)[0] for letter in word if not letter.isascii())
    return next((_SCRIPTS[name] for name in names if name in _SCRIPTS), "")


def _is_accented(letter: str) -> bool:
    if letter.isascii():
        return False
    return letter in _LETTERS or unicodedata.decomposition(letter)[:1] not in {"", "<"}


@functools.cache
def _words() -> dict[str, tuple[str, ...]]:
    return {word: tuple(languages.split(", ")) for word, languages in rows(_TABLE, 2)}
