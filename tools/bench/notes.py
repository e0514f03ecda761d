"""The notes that are measured with: sentences of the sample note, in any order and of any number."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence

from tools.bootstrap import ROOT

SHORT = "Known asthma, no fever. Takes aspirin 75 mg daily."
_SEED = 1
_SHORTEST, _LONGEST = 60, 4_000
_COUNT = 48


def mixed() -> Sequence[str]:
    """Notes of 60 to 4,000 characters, as many short as long ones on a logarithmic scale."""
    chance = random.Random(_SEED)  # noqa: S311 - notes, not secrets
    low, high = math.log(_SHORTEST), math.log(_LONGEST)
    return [_note(int(math.exp(chance.uniform(low, high))), chance) for _ in range(_COUNT)]


def long() -> str:
    """A note of 100 kB."""
    return _note(100_000, random.Random(_SEED))  # noqa: S311 - a note, not a secret


def _note(length: int, chance: random.Random) -> str:
    text = (ROOT / "samples" / "note.txt").read_text(encoding="utf-8")
    sentences = re.split(r"(?<=[.\n])\s*", text.strip())
    note = ""
    while len(note) < length:
        note += chance.choice(sentences) + " "
    return note[:length].rpartition(" ")[0]
