"""Which passages of a note can be read by who reads given languages: the rules read English, a model what its
card says.

"Kein Pneumothorax" is not a statement that there is one. A passage is a sentence or a line. To a reader of
English it is foreign when it holds more words that only another language has than words of function that
speak for English (`languages.tsv`), or when it is mostly written in another script; to readers of other
languages likewise. A passage that says nothing either way ("Pneumonie.") goes with most of the note,
except that words between lines of another script stay readable. A short English note never is foreign to
a reader of English: what speaks for no language can be read.
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
_TAGS = TERMINOLOGY / "language_tags.tsv"
_EVERY = "mul"  # ISO 639-2: multiple languages
_PASSAGE = re.compile(r"(?:[^.!?;\s\u3002]|\.(?=\d))(?:[^.!?;\n\r\u3002]|\.(?=\d))*")
_WORD = re.compile(r"[^\W\d_]+")
_ACCENT_COUNTS = 0.5
"""To a reader of English alone, of a word with a letter that English lacks; alone it proves nothing,
names and eponyms have them too.
"""

_SCRIPT_OUTWEIGHS = 2
"""How many words of another script one readable word of function outweighs: a name may be among them."""

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


_NO = frozenset({"English", "Spanish", "Italian"})
"""Where "no" is a word; to their readers it counts for reading where nothing counts against it."""


@dataclass(frozen=True, slots=True)
class Languages:
    """Languages and scripts that someone reads, by the names of `languages.tsv` and of the scripts; None:
    all.
    """

    names: frozenset[str] | None

    @classmethod
    def from_tags(cls, tags: Sequence[str]) -> Languages:
        """Those of a card's BCP 47 tags; none given: English. What a tag says of region and script is
        left out, and a language that the tables do not know adds nothing. ValueError where none is known:
        such a model would read nothing.
        """
        codes = [tag.partition("-")[0].lower() for tag in tags] or ["en"]
        if _EVERY in codes:
            return cls(None)
        names = frozenset(name for code in codes for name in _names().get(code, ()))
        if not names:
            raise ValueError(
                f"languages: {', '.join(tags)} is no BCP 47 tag of a language that is known here"
            )
        return cls(names)

    def together(self, other: Languages) -> Languages:
        """What either reads."""
        return Languages(None if self.names is None or other.names is None else self.names | other.names)

    @property
    def is_one(self) -> bool:
        """Whether one language is read, and no other."""
        return self.names is not None and len(self.names) == 1

    def __str__(self) -> str:
        """`English`, `English and German`; for people."""
        names = sorted(self.names) if self.names is not None else ["every language"]
        return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


ENGLISH = Languages(frozenset({"English"}))
"""What the terminology and the rules of assertion read."""


CHINESE = Languages(frozenset({"Chinese"}))
"""What services/language/chinese reads; of no script, since Japanese shares its characters."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch `[start, end)` of the note in code points, and the language it seems to be in."""

    start: int
    end: int
    language: str


@dataclass(slots=True)
class _Weighed:
    """A passage with what suggests the languages that are read and for others, in words."""

    start: int
    end: int
    known: int = 0
    no: int = 0
    words: int = 0
    accented: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    foreign: int = 0

    @property
    def is_foreign(self) -> bool:
        if sum(self.scripts.values()) > _SCRIPT_OUTWEIGHS * self.known:
            return True
        return self.foreign > 0 and self.foreign + _ACCENT_COUNTS * self.accented > self.known

    @property
    def is_known(self) -> bool:
        return not self.is_foreign and self.known + self.no > 0

    @property
    def language(self) -> str:
        return next((name for name, _ in (self.scripts or self.languages).most_common(1)), "")


def foreign_passages(note: str, reads: Languages = ENGLISH) -> list[Passage]:
    """The passages that are not to be read by a reader of these languages, in order."""
    if reads.names is None or (note.isascii() and _foreign_words(reads.names).isdisjoint(_words_of(note))):
        return []
    passages = [_weigh(note, match, reads.names) for match in _PASSAGE.finditer(note)]
    foreign = [passage for passage in passages if passage.is_foreign]
    if not foreign:
        return []
    known_words = sum(p.words for p in passages if p.is_known)
    silent_too = sum(p.words for p in foreign if not p.scripts) > known_words
    common = Counter(p.language for p in foreign).most_common(1)[0][0]
    return [
        Passage(p.start, p.end, p.language or common)
        for p in passages
        if p.is_foreign or (silent_too and p.words and not p.is_known)
    ]


def are_readable(note: str, starts: Sequence[int], reads: Languages = ENGLISH) -> list[bool]:
    """Whether each of these places lies in no foreign passage."""
    foreign = foreign_passages(note, reads)
    begins = [passage.start for passage in foreign]
    return [not (at := bisect_right(begins, start)) or foreign[at - 1].end <= start for start in starts]


def foreign_script(note: str, reads: Languages = ENGLISH) -> Iterator[int]:
    """Where words in another script stand, also within sentences that are read."""
    if reads.names is None or note.isascii():
        return
    for match in _WORD.finditer(note):
        if not match.group().isascii() and (script := _script(match.group())) and script not in reads.names:
            yield match.start()


def without_foreign(note: str, reads: Languages) -> str:
    """The note with blanks in the place of what its reader does not read; the same length."""
    parts, last = [], 0
    for passage in foreign_passages(note, reads):
        parts += [note[last : passage.start], " " * (passage.end - passage.start)]
        last = passage.end
    return "".join([*parts, note[last:]])


def _weigh(note: str, match: re.Match[str], reads: frozenset[str]) -> _Weighed:
    passage = _Weighed(match.start(), match.end())
    in_capitals = match.group().isupper()
    for found in _WORD.finditer(note, match.start(), match.end()):
        word = found.group()
        passage.words += 1
        if not word.isascii() and (script := _script(word)):
            count = -(-len(word) // 2) if script in _WITHOUT_BLANKS else 1
            if script in reads:
                passage.known += count
            else:
                passage.scripts[script] += count
            continue
        passage.no += word.lower() == "no" and not _NO.isdisjoint(reads)
        passage.accented += reads == ENGLISH.names and any(map(_is_accented, word))
        if word.isupper() and len(word) > 1 and not in_capitals:
            continue  # "PAS stain", "SIN" and the like are shorthand
        languages = _words().get(word.lower(), ())
        if not reads.isdisjoint(languages):
            passage.known += 1
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


@functools.cache
def _foreign_words(reads: frozenset[str]) -> frozenset[str]:
    """The words, in small letters, that only languages which are not read have."""
    return frozenset(word for word, languages in _words().items() if reads.isdisjoint(languages))


def _words_of(note: str) -> set[str]:
    return set(_WORD.findall(note.lower()))


@functools.cache
def _names() -> dict[str, tuple[str, ...]]:
    """ISO 639 code -> the names under which the tables know the language and its scripts."""
    return {code: tuple(names.split(", ")) for code, names in rows(_TAGS, 2)}
