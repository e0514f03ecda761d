"""What stands more than once: names found in one place and written in another, and what the caller knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from services.language.deidentification.identifiers import Found, Kind, Origin
from services.language.deidentification.lexicon import Lexicon, folded
from services.language.deidentification.name_words import NEVER, SAYS
from services.language.deidentification.replacing import Known

_WORD = re.compile(r"[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LEAST_CONFIDENCE = 0.7
_SHORTEST = 3
_ONE_ALONE = frozenset(
    {
        Kind.PHONE,
        Kind.FAX,
        Kind.SSN,
        Kind.MEDICAL_RECORD,
        Kind.HEALTH_PLAN,
        Kind.ACCOUNT,
        Kind.LICENCE,
        Kind.VEHICLE,
        Kind.DEVICE,
    }
    | {Kind.BIOMETRIC, Kind.OTHER, Kind.ORGANISATION, Kind.LOCATION}
)


def repeated(texts: Sequence[str], found: Sequence[Sequence[Found]], lexicon: Lexicon) -> list[list[Found]]:
    """The words of names, and whole numbers and places, that were found somewhere and stand elsewhere in a text.

    A word of a name that is also another word counts only where it is written as a name is.
    """
    words: dict[str, bool] = {}
    wholes: dict[str, Kind] = {}
    for text, items in zip(texts, found, strict=True):
        for item in items:
            written = text[item.start : item.end]
            if item.kind is Kind.NAME and item.confidence >= _LEAST_CONFIDENCE:
                if _HAN.search(written):
                    wholes[written] = Kind.NAME
                    continue
                for word in _WORD.findall(written):
                    if len(word) >= _SHORTEST and folded(word) not in NEVER:
                        words[folded(word)] = lexicon.is_taken(word)
            elif item.kind in _ONE_ALONE and len(written) >= 5 and item.confidence >= _LEAST_CONFIDENCE:
                wholes[written] = item.kind
    return [[*_words_in(text, words, lexicon), *_wholes_in(text, wholes)] for text in texts]


def _words_in(text: str, words: dict[str, bool], lexicon: Lexicon) -> Iterable[Found]:
    if not words:
        return
    for match in _WORD.finditer(text):
        word = match.group()
        name = folded(word)
        if name not in words:
            continue
        if name in lexicon.too and word.islower():
            continue
        if words[name] and not _is_meant(text, match):
            continue
        yield Found(*match.span(), Kind.NAME, 0.6, Origin.REPEATED)


def _is_meant(text: str, match: re.Match[str]) -> bool:
    """Whether a word that is not only a name is written as one: with a capital within a sentence, or said of somebody."""
    word = match.group()
    if not word[0].isupper() or word.isupper():
        return False
    before = text[max(0, match.start() - 3) : match.start()].rstrip(" ")
    if before and before[-1] not in ".:!?\n":
        return True
    following = _WORD.match(text, match.end() + 1)
    return following is not None and following.group() in SAYS


def _wholes_in(text: str, wholes: dict[str, Kind]) -> Iterable[Found]:
    if not wholes:
        return
    pattern = "|".join(re.escape(whole) for whole in sorted(wholes, key=len, reverse=True)[:2000])
    for match in re.finditer(
        rf"(?<![\w])(?:{pattern})(?![\w])" if not _HAN.search(pattern) else pattern, text
    ):
        yield Found(*match.span(), wholes[match.group()], 0.6, Origin.REPEATED)


def known_in(text: str, known: Sequence[Known]) -> Iterable[Found]:
    """What the caller knows: numbers however they are parted, names word by word, all else as it is."""
    for item in known:
        if item.kind is Kind.NAME and not _HAN.search(item.text):
            for word in _WORD.findall(item.text):
                if len(word) >= 2:
                    for match in re.finditer(
                        rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])", text, re.IGNORECASE
                    ):
                        if not (len(word) < 4 and match.group().islower()):
                            yield Found(*match.span(), Kind.NAME, 1.0, Origin.CALLER)
            continue
        parts = re.findall(r"\w+", item.text)
        if not parts:
            continue
        if any(c.isdigit() for c in item.text) and not _HAN.search(item.text):
            letters = [re.escape(c) for part in parts for c in part]
            pattern = r"(?<!\w)" + r"[\s().,/+_-]{0,2}".join(letters) + r"(?!\w)"
        else:
            pattern = r"[\s,.-]{0,3}".join(re.escape(part) for part in parts)
            if not _HAN.search(item.text):
                pattern = rf"(?<!\w){pattern}(?!\w)"
        for match in re.finditer(pattern, text, re.IGNORECASE):
            yield Found(*match.span(), item.kind, 1.0, Origin.CALLER)
