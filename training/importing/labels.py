"""A published model's label -> the card's: its name, what it stands for, and its code where that is not in
doubt (`labels.tsv`).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from training.importing import Refused
from training.importing.paths import Facts

TABLE = Path(__file__).with_name("labels.tsv")
SNOMED = "http://snomed.info/sct"


def labels(names: Sequence[str], body_part: str = "") -> list[Facts]:
    """The card's labels, in order; Refused where two are the same.

    `body_part`: which one the model reads, in DICOM's term, where that is known.
    """
    found = [label(name, body_part) for name in names]
    twice = [name for name, count in Counter(one["name"] for one in found).items() if count > 1 or not name]
    if twice:
        raise Refused(f"the model has several labels named {', '.join(twice)}")
    return found


def label(name: str, body_part: str = "") -> Facts:
    """One label; its name in lower snake case."""
    plain = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    row = _table().get((plain, ""), _table().get((plain, body_part), {}))
    fact: Facts = {"name": plain, "meaning": f"LABEL_MEANING_{row.get('meaning', 'FINDING')}"}
    if row.get("code"):
        fact["concepts"] = [{"system": SNOMED, "code": row["code"], "display": row["display"]}]
    return fact


@cache
def _table() -> dict[tuple[str, str], dict[str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
    return {(row["name"], row["body_part"]): row for row in rows}
