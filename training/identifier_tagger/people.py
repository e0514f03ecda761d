"""Names the persons of real notes, whose publisher took their names out: "The patient denies pain" -> "Foot denies pain".

A few hand-written sentences teach a network those sentences. The contexts in which notes speak of persons are in the notes
themselves, wherever a role stands for somebody; a name in its place stands in a context that somebody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.language.deidentification.identifiers import Kind
from training.deidentification.makers import KINDS, OWN_OF_TEST, Maker, is_of_part
from training.deidentification.synthetic import Marked

_PLACEHOLDER = re.compile(
    r"(?<=Dr\. )(?:X|Y|Z|XYZ|ABC|Abc|ABCD|A|B|S|W|P)\b(?!\.?[A-Z])|(?<=M[rs]\. )(?:ABC|Abc|Abcd|XYZ|T|A|X|XXXX)\b|(?<=Mrs\. )(?:ABC|XYZ|X)\b"
    r"|\b(?:ABCD?|XYZ) (?:General |Memorial )?(?:Hospital|Medical Center|Clinic)\b|\bMM/DD/YY(?:YY)?\b"
)
_RELATIVE = r"mother|father|wife|husband|son|daughter|brother|sister|aunt|uncle|grandmother|grandfather|girlfriend|boyfriend|friend|neighbor|caregiver|roommate|niece|nephew|cousin"
_STAFF = r"surgeon|physician|nurse|resident|anesthesiologist|radiologist|cardiologist|neurologist|urologist|oncologist|psychiatrist|pathologist|pharmacist|therapist|consultant|attending|psychologist|social worker|dentist|midwife"
_ROLE = re.compile(
    r"^(?P<pronoun>He|She)(?= [a-z])|\b(?P<patient>[Tt]he patient|[Pp]atient|[Pp]t|[Tt]his (?:gentleman|lady|woman|man|patient))\b(?=[ ',.;]|$)"
    rf"|\b(?P<relative>(?:[Tt]he|[Hh]is|[Hh]er|[Tt]he patient's) (?:{_RELATIVE}))\b|\b(?P<staff>(?:[Tt]he|[Hh]is|[Hh]er|[Aa]n?) (?:{_STAFF}))\b"
)


def with_names(text: str, maker: Maker) -> Marked:
    """A real note whose publisher's marks ("Dr. X", "ABC Hospital") are identifiers again."""

    def put(match: re.Match[str]) -> list[tuple[str, Kind | None]]:
        mark = match.group()
        field = "date" if "DD" in mark else "hospital" if " " in mark else "last"
        value = getattr(maker, field if maker.rng.random() < 0.7 or field != "last" else "name")()
        return [(value, KINDS[field])]

    return _replaced(Marked(text, ()), _PLACEHOLDER, put)


def with_people(sentence: Marked, maker: Maker, words: Sequence[str]) -> Marked:
    """A sentence in which somebody of a role has a name, in its place or beside it; `words` are names now and then."""
    rng = maker.rng

    def name() -> str:
        chance = rng.random()
        if chance < 0.15:
            word = rng.choice(words)
            return (
                word.capitalize()
                if is_of_part(word, maker.part) and word.capitalize() not in OWN_OF_TEST
                else maker.last()
            )
        if chance < 0.55:
            return maker.last()
        return maker.first() if chance < 0.8 else maker.name()

    def put(match: re.Match[str]) -> list[tuple[str, Kind | None]]:
        role = match.group()
        own: tuple[str, Kind | None] = (name(), Kind.NAME)
        # "the", "his": before a relation; "The patient" and "He" are the person themselves.
        beside: list[tuple[str, Kind | None]] = rng.choice(
            ([(f"{role}, ", None), own, (",", None)], [(f"{role} ", None), own], [own, (f", {role},", None)])
        )
        titled: list[tuple[str, Kind | None]] = [(f"{maker.title()} ", None), (maker.last(), Kind.NAME)]
        if match["relative"] or match["staff"]:
            return rng.choices(([own], beside, titled), (0.5, 0.4, 0.1))[0]
        return rng.choices(([own], titled), (0.85, 0.15))[0]

    return _replaced(sentence, _ROLE, put)


def _replaced(
    sentence: Marked, pattern: re.Pattern[str], put: Callable[[re.Match[str]], list[tuple[str, Kind | None]]]
) -> Marked:
    """`sentence` with what `put` makes of each match; what touches an identifier stays."""
    text, spans, before = "", [], 0
    kept = list(sentence.identifiers)
    moves: list[tuple[int, int]] = []
    for match in pattern.finditer(sentence.text):
        if any(start < match.end() and match.start() < end for start, end, _ in kept):
            continue
        text += sentence.text[before : match.start()]
        for value, kind in put(match):
            if kind is not None:
                spans.append((len(text), len(text) + len(value), kind))
            text += value
        before = match.end()
        moves.append((before, len(text) - before))
    for start, end, kind in kept:
        moved = next((by for at, by in reversed(moves) if at <= start), 0)
        spans.append((start + moved, end + moved, kind))
    return Marked(text + sentence.text[before:], tuple(sorted(spans)), sentence.source)
