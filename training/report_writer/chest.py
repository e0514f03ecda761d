"""Reports of chest radiographs: findings as radiologists say them, and the impression that follows.

`phrases/normal.toml` and `phrases/findings.toml` hold the words; here stand the habits: what takes the place
of which normal sentence, what an impression mentions, in which order, and what it leaves out. An impression
says only what a sentence of the findings says.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.report_writer.wording import choose, filled, resolved, said, sentence, weighted, wordings

PARTS = ("heart", "mediastinum", "edema", "lungs", "pleura", "pneumothorax", "bones", "other")
SPEAKS_OF = {
    "heart": re.compile(r"heart|cardi(?!opulm)|silhouette", re.IGNORECASE),
    "mediastinum": re.compile(r"mediasti|aorta|hil(ar|um|a)\b", re.IGNORECASE),
    "edema": re.compile(r"edema|vascul|congestion|pulmonary vessels|heart and pulmonary", re.IGNORECASE),
    "lungs": re.compile(
        r"clear|consolidation|infiltrate|air ?space|opacity|alveolar|lungs|nodule|suspicious", re.IGNORECASE
    ),
    "pleura": re.compile(r"effusion|pleura|costophrenic", re.IGNORECASE),
    "pneumothorax": re.compile(r"pneumothora|pleural (line|surfaces|spaces)", re.IGNORECASE),
    "bones": re.compile(r"bon[ye]|osseous|skeletal|fracture|degenerative", re.IGNORECASE),
    "other": re.compile(r"(?!)"),
}
"""What of a normal sentence no longer holds when a part is not normal."""


def speaks_of_the_chest(text: str) -> bool:
    """Whether a sentence that is normal might speak against `text`."""
    return any(pattern.search(text) for pattern in SPEAKS_OF.values())


NOTHING_ACUTE = {
    "heart": (
        "The cardiomediastinal silhouette is (stable|normal|within normal limits).",
        "Heart size is (normal|stable).",
    ),
    "mediastinum": ("Mediastinal contours are (normal|unremarkable|stable).",),
    "lungs": (
        "No focal (consolidation|airspace disease|air space opacity).",
        "The lungs are otherwise clear.",
        "No focal infiltrate.",
    ),
    "pleura": ("No pleural effusion.", "There is no pleural effusion.", "No large effusion."),
    "pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No visible pneumothorax."),
    "bones": ("No acute (osseous|bony) abnormality.", "Osseous structures are intact."),
    "edema": ("No pulmonary edema.", "Pulmonary vascularity is normal."),
}


@dataclass(frozen=True)
class Fact:
    """One abnormal finding, said."""

    name: str
    level: str
    part: str
    text: str
    summed: str
    shown: dict[str, str]


@dataclass(frozen=True)
class Report:
    """Findings, impression, and what they rest on."""

    findings: str
    impression: str
    facts: tuple[Fact, ...]


@functools.cache
def _tables() -> tuple[dict[str, Any], dict[str, Any]]:
    folder = Path(__file__).with_name("phrases")
    normal, findings = (
        tomllib.loads((folder / name).read_text()) for name in ("normal.toml", "findings.toml")
    )
    return normal, findings


def slots() -> dict[str, list[str]]:
    """The values that a slot may take."""
    values: dict[str, list[str]] = _tables()[1]["slots"]
    return values


def findings_table() -> list[dict[str, Any]]:
    """The abnormal findings that the grammar knows."""
    entries: list[dict[str, Any]] = _tables()[1]["finding"]
    return entries


def report(rng: np.random.Generator, held_out: bool = False, others: Sequence[Fact] = ()) -> Report:
    """A report: a third normal, the others with one to five abnormal findings; and `others` beside."""
    count = int(weighted(rng, [0, 1, 2, 3, 4, 5], [34, 22, 18, 14, 8, 4]))
    facts = [*others, *_facts(rng, count, held_out)]
    habits = _tables()[0]["habit"]
    habit = choose(rng, habits)
    mixed = rng.random() < 0.3
    lines = _normal(rng, habit, habits if mixed else [habit], facts, held_out)
    for fact in facts:
        at = int(rng.integers(len(lines) + 1)) if rng.random() < 0.3 else _place(fact, lines, habit)
        lines.insert(at, fact.text)
    if rng.random() < 0.15:
        lines.insert(0, resolved(choose(rng, _tables()[0]["technique"]["sentences"]), rng))
    # Mixed habits are of nobody: then the wording that is most common.
    calm = "No acute cardiopulmonary abnormality." if mixed else _calm(rng, habit)
    facts.sort(key=lambda fact: lines.index(fact.text))
    return Report(" ".join(lines), impression(rng, facts, calm), tuple(facts))


def _calm(rng: np.random.Generator, habit: dict[str, Any]) -> str:
    own = habit["impression"]
    return str(own[0] if rng.random() < 0.8 else choose(rng, own))


def _facts(rng: np.random.Generator, count: int, held_out: bool) -> list[Fact]:
    table = _tables()[1]
    entries = table["finding"]
    facts: list[Fact] = []
    while len(facts) < count:
        entry = weighted(rng, entries, [entry["weight"] for entry in entries])
        # One finding of a kind, and one that asks for a place of its own: two of the heart contradict.
        if any(entry["name"] == fact.name or (entry["part"] == fact.part == "heart") for fact in facts):
            continue
        facts.append(_fact(rng, entry, table["slots"], held_out))
    return facts


def _fact(
    rng: np.random.Generator, entry: dict[str, Any], slots: dict[str, list[str]], held_out: bool
) -> Fact:
    text, shown = said(choose(rng, wordings(entry["say"], held_out)), slots, rng)
    text = text.replace("ilateral basilar", "ibasilar")
    template = choose(rng, entry["sum"])
    for pattern, other in entry.get("sums", {}).items():
        if re.search(pattern, text, re.IGNORECASE):
            template = other
            break
    summed = filled(resolved(template, rng), shown).replace("ilateral basilar", "ibasilar")
    if re.search(r"\b[Bb]ilateral [a-z ]*effusion\.", summed):
        summed = summed.replace("effusion.", "effusions.")
    return Fact(entry["name"], entry["level"], entry["part"], text, summed, shown)


def _normal(
    rng: np.random.Generator,
    habit: dict[str, Any],
    sources: list[dict[str, Any]],
    facts: list[Fact],
    held_out: bool,
) -> list[str]:
    """What is normal, said, less what the facts speak against."""
    parts = list(habit["order"])
    for part in ("pleura", "bones", "mediastinum"):
        if part not in parts and rng.random() < 0.25:
            parts.append(part)
    if rng.random() < 0.15:
        rng.shuffle(parts)
    lines: list[str] = []
    for part in parts:
        templates = [template for source in sources for template in source.get(part, ())]
        if not templates or rng.random() < (0.12 if part in ("heart", "lungs") else 0.3):
            continue
        text = sentence(resolved(choose(rng, wordings(templates, held_out)), rng))
        lines += [text] if all(_agrees(text, fact) for fact in facts) else _what_holds(rng, text, facts)
    if rng.random() < 0.3:
        text = sentence(resolved(choose(rng, _tables()[0]["other"]["sentences"]), rng))
        lines += [text] if all(_agrees(text, fact) for fact in facts) else []
    if lines or facts:
        return list(dict.fromkeys(lines))
    return ["No pneumothorax."]


def _what_holds(rng: np.random.Generator, text: str, facts: list[Fact]) -> list[str]:
    """What remains to be said of the parts of a sentence that does not hold as a whole."""
    lines: list[str] = []
    if rng.random() < 0.25:
        return lines
    for part, templates in NOTHING_ACUTE.items():
        holds = all(fact.part != part or _mild(fact) for fact in facts)
        if SPEAKS_OF[part].search(text) and holds:
            other = sentence(resolved(choose(rng, templates), rng))
            lines += [other] if all(_agrees(other, fact) for fact in facts) else []
    return lines


_WHOLLY_NORMAL = re.compile(r"normal|unremarkable|intact|clear(?! of)|Negative", re.IGNORECASE)


def _mild(fact: Fact) -> bool:
    return fact.level in ("minor", "device")


def _agrees(text: str, fact: Fact) -> bool:
    """Whether a normal sentence can stand beside a fact."""
    if (
        fact.part == "other"
        and fact.level == "acute"
        and re.search(r"free air|soft tissues", text, re.IGNORECASE)
    ):
        return False
    if fact.name == "heart failure" and any(
        SPEAKS_OF[part].search(text) for part in ("heart", "pleura", "edema")
    ):
        return False
    if not SPEAKS_OF[fact.part].search(text):
        return True
    if not _mild(fact):
        return "otherwise" in text and fact.level == "chronic"
    return "otherwise" in text or not _WHOLLY_NORMAL.search(text)


def _place(fact: Fact, lines: list[str], habit: dict[str, Any]) -> int:
    """Where the habit speaks of the fact's part."""
    order = [part for part in dict.fromkeys([*habit["order"], *PARTS]) if part in PARTS]
    before = order[: order.index(fact.part)]
    spoken = [at for at, text in enumerate(lines) if any(SPEAKS_OF[part].search(text) for part in before)]
    return max(spoken) + 1 if spoken else (len(lines) if fact.part in ("bones", "other") else 0)


def impression(rng: np.random.Generator, facts: list[Fact], calm: str) -> str:
    """What a radiologist makes of the facts, in the order in which they are said: the acute first, then the
    chronic; the minor are mostly left out.
    """
    acute = [fact.summed for fact in facts if fact.level == "acute"]
    chronic = [fact.summed for fact in facts if fact.level == "chronic" and rng.random() < 0.92]
    devices = [fact.summed for fact in facts if fact.level == "device" and rng.random() < 0.75]
    minor = [fact.summed for fact in facts if fact.level == "minor" and rng.random() < 0.1]
    if acute:
        items = [*acute, *chronic[:2], *devices]
    elif chronic or devices:
        items = [*devices, *chronic, without_normal(calm)]
    else:
        items = [calm if not facts else without_normal(calm), *minor]
    return " ".join(dict.fromkeys(items))


def without_normal(calm: str) -> str:
    """`calm` for a chest with something in it, of which nobody says that it is normal."""
    return calm if calm.startswith("No a") else "No acute cardiopulmonary abnormality."
