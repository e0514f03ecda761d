"""Evidence in a fixed form: what stands where a model's sentence does not, or where it wrote none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.language.writing.evidence import (
    Disagreement,
    Finding,
    Indication,
    Item,
    Measurement,
    Medication,
    NormalStudy,
    Recommendation,
    Source,
    Status,
)

_SOURCES = {
    Source.IMAGE: "the image",
    Source.NOTE: "the note",
    Source.RECORD: "the record",
    Source.FUSION: "the fused evidence",
}

_PLURALS = {"rhonchi", "bronchi", "emboli", "thrombi", "metastases"}
_SINGULARS = {
    "aids",
    "ascites",
    "caries",
    "diabetes",
    "herpes",
    "measles",
    "mumps",
    "rabies",
    "scabies",
    "shingles",
}
_SINGULAR_ENDINGS = ("ss", "us", "is", "as", "os", "ics", "'s")


def fixed_form(item: Item) -> str:
    """One sentence that says all of the item, and nothing beside."""
    return _sentence(_words(item))


def agreeing(sentence: str, item: Item) -> str:
    """A sentence about the item, its verb in the number of the item's name: "There are crackles"."""
    if not (isinstance(item, Finding) and _is_plural(item.name)):
        return sentence
    name = re.escape(item.name)
    sentence = re.sub(
        rf"\b([Tt]here) is (?:an? )?(?=(?:\w+ )?{name}\b)", r"\1 are ", sentence, flags=re.IGNORECASE
    )
    return re.sub(rf"^((?:\w+ )?{name}) is\b", r"\1 are", sentence, flags=re.IGNORECASE)


def absent_together(names: Sequence[str]) -> str:
    """One sentence that denies several findings."""
    *others, last = names
    listed = f"{', '.join(others)} or {last}" if others else last
    return _sentence(f"no {listed} {_verb(last)} seen")


def _words(item: Item) -> str:
    match item:
        case Finding():
            return _finding(item)
        case Measurement():
            return f"{item.name} is {item.value}"
        case Medication():
            return f"the patient takes {item.name} {item.dose}"
        case NormalStudy():
            return f"the {item.name} is normal"
        case Indication() | Recommendation():
            return item.text
        case Disagreement():
            return _disagreement(item)


def _finding(item: Finding) -> str:
    named = " ".join(filter(None, (item.severity, item.side.value if item.side else "", item.name)))
    place = f" in the {item.region.removeprefix('the ')}" if item.region else ""
    extent = f", measuring {item.extent}" if item.extent else ""
    match item.status:
        case Status.PRESENT:
            return f"{named} {_verb(named)} present{place}{extent}"
        case Status.ABSENT:
            return f"no {named} {_verb(named)} seen{place}{extent}"
        case Status.POSSIBLE:
            return f"possible {named}{place}{extent}"
        case Status.HISTORICAL:
            return f"history of {named}{place}{extent}"


def _verb(name: str) -> str:
    return "are" if _is_plural(name) else "is"


def _is_plural(name: str) -> bool:
    word = name.lower().rpartition(" ")[2]
    if word in _PLURALS:
        return True
    return word.endswith("s") and word not in _SINGULARS and not word.endswith(_SINGULAR_ENDINGS)


def _disagreement(item: Disagreement) -> str:
    supporting, opposing = (_SOURCES.get(source) for source in (item.supporting, item.opposing))
    if supporting is None or opposing is None:
        return f"the sources disagree on {item.name}"
    return (
        f"{supporting} and {opposing} disagree on {item.name}: present by {supporting}, absent by {opposing}"
    )


def _sentence(words: str) -> str:
    words = " ".join(words.split()).rstrip(" .;")
    return f"{words[:1].upper()}{words[1:]}."
