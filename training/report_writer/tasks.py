"""What there is to write, and how often each is practised."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.language.writing.evidence import Item, Status, evidence_lines
from services.language.writing.prompts import Task, messages
from services.language.writing.wording import fixed_form
from training.report_writer import chest, evidence
from training.report_writer.examples import Example
from training.report_writer.notes import Note, Pair, impressions, summaries
from training.report_writer.wording import choose, filled, resolved, said, sentence, weighted

READING_SHARE = 0.05
Draw = Callable[[np.random.Generator], Example]


def prompt(task: Task, material: str) -> str:
    """The user's message, which is all that the network is shown: `write: impression` and the material."""
    return messages(task, material)[-1].content


class Tasks:
    """The tasks over names and pairs of the notes; with `held_out`, in wordings that never train."""

    def __init__(self, notes: Sequence[Note], held_out: bool = False) -> None:
        self.held_out = held_out
        self.names = evidence.Names([note.text for note in notes])
        self.pairs = impressions(notes)
        self.summaries = summaries(notes)
        self.shares: dict[Draw, float] = {
            self.chest_report: 46,
            self.findings: 32,
            self.conclusion: 9,
            self.other: 6,
            self.mined: 2 if self.pairs else 0,
            self.summary: 5 if self.summaries else 0,
        }

    def pick(self, rng: np.random.Generator) -> Draw:
        """A task, by its share."""
        return weighted(rng, list(self.shares), list(self.shares.values()))

    def chest_report(self, rng: np.random.Generator) -> Example:
        """Findings of a chest radiograph to an impression."""
        others = [self._rare(rng)] if rng.random() < 0.15 else []
        report = chest.report(rng, self.held_out, others)
        return Example(
            prompt(Task.IMPRESSION, rough(rng, report.findings, report.impression)), report.impression
        )

    def _rare(self, rng: np.random.Generator) -> chest.Fact:
        """A finding that the phrases of the chest do not know, so that such a one is not passed over."""
        while True:
            item = evidence.finding(rng, self.names)
            if item.status is Status.PRESENT and not chest.speaks_of_the_chest(item.name):
                summed = sentence(f"{evidence.short(item)}.")
                return chest.Fact(item.name, "acute", "other", evidence.said(item), summed, {})

    def findings(self, rng: np.random.Generator) -> Example:
        """Lines of evidence to sentences."""
        items = evidence.items(rng, self.names)
        return Example(prompt(Task.FINDINGS, evidence_lines(items)), _sentences(items))

    def conclusion(self, rng: np.random.Generator) -> Example:
        """Such sentences, or those that the service writes in their place, to an impression."""
        items = evidence.items(rng, self.names)
        while not (conclusion := evidence.concluded(items)):
            items = evidence.items(rng, self.names)
        fixed = float(rng.choice([0.0, 0.2, 1.0]))
        lines = [fixed_form(item) if rng.random() < fixed else evidence.said(item) for item in items]
        return Example(prompt(Task.IMPRESSION, " ".join(lines)), conclusion)

    def other(self, rng: np.random.Generator) -> Example:
        """Findings of another study to an impression."""
        study = choose(rng, _studies())
        slots = chest.slots()
        lines = _few(rng, study["normal"], 2 + int(rng.integers(4)))
        said_of = [(sentence(resolved(template, rng)), "") for template in lines]
        for template, summed in _few(rng, study["found"], int(rng.integers(4))):
            text, shown = said(template, slots, rng)
            said_of.insert(int(rng.integers(len(said_of) + 1)), (text, filled(summed, shown)))
        conclusion = " ".join(summed for _, summed in said_of if summed) or study["calm"]
        source = rough(rng, " ".join(text for text, _ in said_of), conclusion)
        return Example(prompt(Task.IMPRESSION, source), conclusion)

    def mined(self, rng: np.random.Generator) -> Example:
        """Findings and impression of a real note."""
        return _example(Task.IMPRESSION, choose(rng, self.pairs))

    def summary(self, rng: np.random.Generator) -> Example:
        """A note and a sentence or two that sum it up."""
        return _example(Task.SUMMARY, choose(rng, self.summaries))


def _few(rng: np.random.Generator, items: Sequence[Any], count: int) -> list[Any]:
    """So many of the items, in any order."""
    return [items[place] for place in rng.permutation(len(items))[:count]]


def _sentences(items: Sequence[Item]) -> str:
    return " ".join(evidence.said(item) for item in items)


def _example(task: Task, pair: Pair) -> Example:
    return Example(prompt(task, pair.source), pair.target)


@functools.cache
def _studies() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("phrases") / "other.toml"
    studies: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["study"]
    return studies


_WORD = re.compile(r"\b[a-z]{3,}\b")


def rough(rng: np.random.Generator, text: str, conclusion: str) -> str:
    """The findings as they come: under a heading, in capitals or small letters, with words that were taken
    out of a published report (`XXXX`, none that the conclusion needs), or one sentence a line.
    """
    if rng.random() < 0.12:
        kept = {"not", "without", "negative", "free", "clear", *_WORD.findall(conclusion.lower())}
        text = _WORD.sub(lambda m: "XXXX" if m[0] not in kept and rng.random() < 0.04 else m[0], text)
    drawn = rng.random()
    if drawn < 0.05:
        text = text.upper()
    elif drawn < 0.08:
        text = text.lower()
    elif drawn < 0.12:
        text = text.replace(". ", ".\n")
    elif drawn < 0.15:
        text = text.replace(". ", ".  ")
    return f"FINDINGS: {text}" if rng.random() < 0.15 else text
