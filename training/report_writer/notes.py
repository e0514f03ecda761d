"""The real notes: which are learned from and which measured on, and what pairs they hold."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.data_folder import data_folder

HELD_OUT_SHARE = 0.15


@dataclass(frozen=True)
class Note:
    """A transcribed note of MTSamples."""

    id: str
    specialty: str
    title: str
    description: str
    text: str

    @property
    def held_out(self) -> bool:
        """Whether it measures and never trains: by a hash of its text, so that a duplicate falls on the same
        side.
        """
        digest = hashlib.sha256(" ".join(self.text.split()).encode()).digest()
        return digest[0] < HELD_OUT_SHARE * 256


def read(path: Path | None = None) -> list[Note]:
    """All notes, headers set apart from the sentence before."""
    path = path or data_folder() / "clinical_notes" / "notes.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Note(row["id"], row["specialty"], row["title"], row["description"], set_apart(row["text"]))
        for row in rows
    ]


_RUN_IN = re.compile(r"(?<=[a-z\)%][.:;])(?=[A-Z0-9])|(?<=[.])(?=[A-Z][A-Z &/]+:)|(?<=:)(?=\d\. )")
_SPACES = re.compile(r"[ \t]+")


def set_apart(text: str) -> str:
    """Put a space where a sentence runs into the next one, as the export of these notes does."""
    return _SPACES.sub(" ", _RUN_IN.sub(" ", text)).strip()


@dataclass(frozen=True)
class Pair:
    """What is given, and what is written of it."""

    id: str
    source: str
    target: str


_FINDINGS = re.compile(
    r"\b(?:FINDINGS|RESULTS|INTERPRETATION)\b[^:]{0,20}:(.*?)"
    r"\b(?:FINAL )?(?:IMPRESSION|CONCLUSIONS?)\b[S ]*:(.*?)(?=\b[A-Z]{5,}[A-Z ]*:|$)",
    re.DOTALL,
)
_NUMBERED = re.compile(r"(?:^|(?<=[.] ))\d{1,2}[.)] ?(?=[A-Z])")
"""The marks of a list: what is drafted is shown sentence by sentence."""
_WORDS = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_SENTENCES = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9])")
_LITTLE = re.compile(
    r"(a|an|the|of|and|or|to|in|on|with|for|is|are|was|were|be|this|that|there|no|not|by|at|as|from|which|it|has|had"
    r"|have|he|she|his|her|patient)"
)


def words(text: str) -> list[str]:
    """The words that say something, in small letters."""
    return [word for word in _WORDS.findall(text.lower()) if not _LITTLE.fullmatch(word)]


def impressions(notes: Iterable[Note], least: float = 0.6) -> list[Pair]:
    """Findings and impressions that stand in a note, where the one says most of what the other does."""
    pairs = []
    for note in notes:
        for match in _FINDINGS.finditer(note.text):
            source, target = match[1].strip(), _NUMBERED.sub("", " ".join(match[2].split()))
            known = set(words(source))
            said = words(target)
            if said and len(said) < 90 and sum(word in known for word in said) >= least * len(said):
                pairs.append(Pair(note.id, source, target))
    return pairs


_SEEN_CHARACTERS = 1800


def summaries(notes: Iterable[Note], least: float = 0.8) -> list[Pair]:
    """The description of a note where the note says what it says, else the note's sentence that says most of
    it: a summary that adds something would teach to add.
    """
    pairs = []
    for note in notes:
        source = note.text[:_SEEN_CHARACTERS]
        known, wanted = set(words(source)), words(note.description)
        if len(wanted) < 4:
            continue
        if sum(word in known for word in wanted) >= least * len(wanted):
            pairs.append(Pair(note.id, source, note.description))
            continue
        told = set(wanted)
        sentences = [part for part in _SENTENCES.split(source) if 4 <= len(words(part)) <= 40]
        best = max(sentences, key=lambda part: _overlap(told, words(part)), default="")
        if best and _overlap(told, words(best)) >= 0.3:
            pairs.append(Pair(note.id, source, best))
    return pairs


def _overlap(told: set[str], said: list[str]) -> float:
    """Harmonic mean of the shares of either that the other has."""
    shared = len(told & set(said))
    return 2 * shared / (len(told) + len(set(said)))
