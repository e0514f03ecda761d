"""Evidence drawn at random, and the sentences that say it.

One sentence a line of evidence, in one wording each: what is drafted is read back and compared with the
evidence, and a plain sentence is read best. Names come from the mesh's own terminology and from the notes,
so that they are copied rather than known by heart.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from services.language.writing.evidence import (
    Finding,
    Item,
    Measurement,
    Medication,
    NormalStudy,
    Side,
    Status,
)
from training.report_writer.wording import choose, sentence, weighted


@functools.cache
def words() -> dict[str, Any]:
    """`phrases/evidence.toml`."""
    path = Path(__file__).with_name("phrases") / "evidence.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


_COUNTED = re.compile(
    r"(effusion|pneumothorax|nodule|mass|fracture|granuloma|hernia|hemorrhage|haemorrhage|hematoma|infarct|infarction|aneurysm|tumor|ulcer|cyst|lesion|"
    r"abscess|infiltrate|opacity|consolidation|thrombus|stone|deformity|infection|bleed|embolism|scar|shift|stroke)$"
)
_VOWEL = re.compile(r"[aeiou]", re.IGNORECASE)


class Names:
    """Of diseases, drugs and, to be copied, of nothing."""

    def __init__(self, texts: Sequence[str]) -> None:
        terminology = files("services.language") / "terminology"
        self.images = _terms((terminology / "radiology.tsv").read_text(encoding="utf-8"), 2)
        self.diseases = _terms((terminology / "diseases.tsv").read_text(encoding="utf-8"), 4)
        drugs = (files("services.clinical") / "drugs.tsv").read_text(encoding="utf-8")
        self.drugs = _terms(drugs, 3)
        self.words = sorted({word for text in texts for word in re.findall(r"\b[a-z]{4,14}\b", text)})

    def finding(self, rng: np.random.Generator) -> tuple[str, bool]:
        """A name, and whether it is one that an image shows."""
        drawn = rng.random()
        if drawn < 0.4:
            return choose(
                rng, self.images[: len(self.images) // 2] if rng.random() < 0.5 else self.images
            ), True
        if drawn < 0.85:
            return choose(rng, self.diseases), False
        return " ".join(choose(rng, self.words) for _ in range(1 + int(rng.integers(2)))), True

    def drug(self, rng: np.random.Generator) -> str:
        """A name of a drug, now and then one that is none."""
        return choose(rng, self.drugs) if rng.random() < 0.85 else choose(rng, self.words)


def _terms(table: str, column: int) -> list[str]:
    """The first four terms of each row, as long as a heading is; the order of the rows."""
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    terms = [term for row in rows if len(row) > column for term in row[column].split("; ")[:4]]
    return [term for term in dict.fromkeys(terms) if len(term) > 2 and len(term.split()) < 6]


def items(rng: np.random.Generator, names: Names) -> list[Item]:
    """What a case may bring: up to ten lines, findings for the most part, each name once."""
    drawn: dict[str, Item] = {}
    for _ in range(int(weighted(rng, [1, 2, 3, 4, 5, 6, 8, 10], [10, 14, 16, 16, 14, 12, 10, 8]))):
        kind = weighted(rng, ["finding", "measurement", "medication", "normal"], [70, 13, 13, 4])
        match kind:
            case "finding":
                item: Item = finding(rng, names)
            case "measurement":
                name = choose(rng, list(words()["quantities"]))
                digits = int(rng.integers(3))
                number = f"{rng.random() * choose(rng, [1, 10, 100, 300]):.{digits}f}"
                above = choose(rng, ["", "", "", "", "", "> ", "< "])
                item = Measurement(name, f"{above}{number} {words()['quantities'][name]}".strip())
            case "medication":
                item = Medication(
                    names.drug(rng), choose(rng, words()["doses"]) if rng.random() < 0.7 else ""
                )
            case _:
                item = NormalStudy(choose(rng, words()["studies"]))
        drawn.setdefault(_name(item).lower(), item)
    return list(drawn.values())


def _name(item: Item) -> str:
    return getattr(item, "name", "") or getattr(item, "text", "")


def finding(rng: np.random.Generator, names: Names) -> Finding:
    """A finding with what may be known of it."""
    name, shown = names.finding(rng)
    status = Status(weighted(rng, [status.value for status in Status], [50, 24, 15, 11]))
    detailed = 0.45 if shown else 0.15
    return Finding(
        name,
        status,
        choose(rng, list(Side)) if rng.random() < detailed else None,
        choose(rng, words()["severities"]) if rng.random() < detailed else "",
        choose(rng, words()["regions"]) if rng.random() < detailed * 0.7 else "",
        f"{choose(rng, ['3', '1.5', '4.2', '12', '8', '2', '0.9', '27'])} {choose(rng, ['cm', 'mm'])}"
        if rng.random() < detailed * 0.4
        else "",
    )


def said(item: Item) -> str:
    """The item as a sentence; empty where the item is said in another section."""
    match item:
        case Finding(status=Status.HISTORICAL):
            return f"There is a history of {_phrase(item)}."
        case Finding(status=Status.ABSENT):
            return f"There is no {_phrase(item)}."
        case Finding(status=Status.POSSIBLE):
            return f"There is possible {_phrase(item)}."
        case Finding():
            phrase = _phrase(item)
            one = _COUNTED.search(item.name) and item.side is not Side.BILATERAL
            article = ("an " if _VOWEL.match(phrase) else "a ") if one else ""
            return f"There is {article}{phrase}."
        case Measurement():
            return sentence(f"{item.name} is {item.value}.")
        case Medication():
            return sentence(f"The patient takes {item.name} {item.dose}.")
        case NormalStudy():
            return f"The {item.name} is normal."
    return ""


def _phrase(item: Finding) -> str:
    place = f"in the {item.region}" if item.region else ""
    extent = f"measuring {item.extent}" if item.extent else ""
    side = item.side.value if item.side else ""
    return " ".join(part for part in (item.severity, side, item.name, place, extent) if part)


def concluded(findings: Sequence[Item]) -> str:
    """The impression of sentences that `said` made: what is there, what may be, else what is not; at most
    three sentences.
    """
    there = [item for item in findings if isinstance(item, Finding) and item.status is Status.PRESENT]
    maybe = [item for item in findings if isinstance(item, Finding) and item.status is Status.POSSIBLE]
    lines = [sentence(f"{short(item)}.") for item in there] + [f"Possible {short(item)}." for item in maybe]
    if not lines:
        studies = [item for item in findings if isinstance(item, NormalStudy)]
        lines = [f"Normal {item.name}." for item in studies[:1]]
    if not lines:
        absent = [
            short(item) for item in findings if isinstance(item, Finding) and item.status is Status.ABSENT
        ]
        lines = [f"No {name}." for name in absent]
    return " ".join(lines[:3])


def short(item: Finding) -> str:
    """The finding as an impression names it."""
    place = f"in the {item.region}" if item.region else ""
    side = item.side.value if item.side else ""
    return " ".join(part for part in (item.severity, side, item.name, place) if part)
