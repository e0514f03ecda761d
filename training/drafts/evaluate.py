"""Measures drafts against their evidence: `python -m training.drafts.evaluate`.

A stand-in writes true sentences and, in every fifth place, a lie: how many of the lies stand, how many of the
true sentences do not, and what an oracle that shares nothing with the check finds in the drafts. Once for
reports from evidence, once for summaries of a text that says the same in other sentences.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from services.language.writing.drafting import Origin, ReportDrafter, Written
from services.language.writing.prompts import Task
from services.language.writing.summarizing import Summarizer, Wanted
from services.language.writing.templates import Section, SectionKind, Template
from training.drafts.made_cases import LIES, Case, case, sentences_of, true_sentence
from training.drafts.oracle import unsupported

FINDINGS_ALONE = Template((Section(SectionKind.FINDINGS, "FINDINGS"),))


class StandIn:
    """Writes these sentences."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self._sentences = sentences

    async def sentences(self, _: Task, __: str) -> AsyncGenerator[Written]:
        """All of them, whatever is asked."""
        for sentence in self._sentences:
            yield Written(sentence)


class Count:
    """What became of what was written."""

    def __init__(self) -> None:
        self.lies: Counter[str] = Counter()
        self.caught: Counter[str] = Counter()
        self.true = self.lost = self.reworded = self.drafts = self.unsupported = 0
        self.stood: list[str] = []
        self.missed: list[str] = []
        self.oracle: list[str] = []


async def tell(own: Case, rng: random.Random, count: Count, *, of_text: bool) -> None:
    """Drafts one report, or the summary of a text, of a stand-in that lies, and counts."""
    told = sentences_of(own, rng)
    writer = StandIn([sentence for _, sentence in told])
    drafter: ReportDrafter | Summarizer = ReportDrafter(own.items, FINDINGS_ALONE, writer)
    if of_text:
        text = "\n".join(true_sentence(item, rng) for item in own.items)
        drafter = Summarizer(text, Wanted.IMPRESSION, writer)
    async for _ in drafter.sentences():
        pass
    draft = drafter.draft()
    dropped = {one.text: one for one in draft.dropped}
    count.drafts += 1
    for kind, sentence in told:
        if kind:
            count.lies[kind] += 1
            if sentence in dropped:
                count.caught[kind] += 1
            else:
                count.stood.append(f"{kind}: {sentence} <- {own.items}")
        else:
            count.true += 1
            if sentence in dropped and dropped[sentence].reason.name != "REPEATED":
                count.lost += not dropped[sentence].rewritten
                count.reworded += dropped[sentence].rewritten
                count.missed.append(f"{dropped[sentence].reason.name}: {sentence}")
    for one in draft.sentences:
        if one.origin is Origin.WRITTEN and (wrong := unsupported(one.text, own.items)):
            count.unsupported += 1
            count.oracle.append(f"{wrong}: {one.text} <- {own.items}")


def interval(hits: int, total: int) -> str:
    """A share with its Wilson interval of 95 %."""
    if not total:
        return "-"
    z, share = 1.96, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    return f"{share:.4f} ({max(middle - half, 0):.4f}-{min(middle + half, 1):.4f}) of {total}"


async def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drafts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--show", type=int, default=10, help="sentences of each kind of error that are shown")
    given = parser.parse_args()
    for of_text in (False, True):
        rng, count = random.Random(given.seed), Count()
        for _ in range(given.drafts):
            await tell(case(rng), rng, count, of_text=of_text)
        print(f"{'summaries of texts' if of_text else 'reports from evidence'}: {count.drafts}")
        present(count, given.show)


def present(count: Count, most: int) -> None:
    """Prints the figures of one kind."""
    print(f"lies caught {interval(sum(count.caught.values()), sum(count.lies.values()))}")
    for kind in LIES:
        print(f"  {kind:<16}{interval(count.caught[kind], count.lies[kind])}")
    print(f"true sentences lost {interval(count.lost, count.true)}")
    print(f"true sentences reworded {interval(count.reworded, count.true)}")
    print(f"written sentences that the oracle finds unsupported {count.unsupported}")
    for title, shown in (("stood", count.stood), ("missed", count.missed), ("oracle", count.oracle)):
        print(title)
        for line in list(dict.fromkeys(shown))[:most]:
            print("   ", line)


if __name__ == "__main__":
    asyncio.run(main())
