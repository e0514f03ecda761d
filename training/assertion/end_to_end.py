"""How many labelled mentions of real notes the whole path of AnalyzeNote finds and asserts right.

`.venv-training/bin/python -m training.assertion.end_to_end [--split test]` reads the whole notes with the
served tagger (its ONNX file on one thread) and all that follows it. A mention is found where an entity of its
type overlaps it: the taggers' borders are measured on BC5CDR, not here.

The precision of a class is over the mentions that were found, since not every mention of a passage is
labelled; its recall is over all of them. The last line counts, of the sentences of imaging in which the
reader found nothing asserted or left open, those in which a disease is asserted. `--errors` lists the
mentions of the development half that were not found (patients' words: for the terminal only).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.language.entities import Assertion, Entity, EntityType
from training.assertion.real_notes import LabelledNote, read_imaging, read_notes
from training.data_folder import data_folder
from training.language_models import ExportedAnnotator


@dataclass(slots=True)
class Count:
    """Mentions of one class: labelled, found, found with the right assertion; and answers of the class."""

    labelled: int = 0
    found: int = 0
    right: int = 0
    answered: int = 0

    def line(self, name: str) -> str:
        found, precision, recall, f1 = (
            part / whole if whole else float("nan")
            for part, whole in (
                (self.found, self.labelled),
                (self.right, self.answered),
                (self.right, self.labelled),
                (2 * self.right, self.labelled + self.answered),
            )
        )
        return f"{name:<13} {self.labelled:>4} {found:>6.3f} {precision:>9.3f} {recall:>7.3f} {f1:>6.3f}"


async def counted(
    notes: Sequence[LabelledNote], annotator: ExportedAnnotator
) -> tuple[dict[Assertion, Count], list[str]]:
    """Counts a class over the mentions that are not doubtful, and the mentions that were not found."""
    counts = {kind: Count() for kind in Assertion}
    missed = []
    for note in notes:
        entities = await annotator.annotate(note.text)
        for mention in note.mentions:
            if mention.doubtful:
                continue
            counts[mention.label].labelled += 1
            met = [e for e in entities if _overlap(e, mention.span.start, mention.span.end)]
            same_type = [e for e in met if e.span.type is mention.span.type]
            if same_type:
                counts[mention.label].found += 1
                if (assertion := same_type[0].assertion) is not None:
                    counts[assertion].answered += 1
                counts[mention.label].right += same_type[0].assertion is mention.label
            else:
                text = note.text[mention.span.start : mention.span.end]
                as_other = " as another type" if met else ""
                missed.append(
                    f"{mention.span.type.lower()}{as_other}  {note.name}:{mention.span.start}  {text}"
                )
    return counts, missed


async def asserted_without_finding(annotator: ExportedAnnotator) -> tuple[int, int]:
    """Of the imaging sentences without an asserted or open finding: those with a present disease, and all."""
    wrong = total = 0
    for text, sentences in read_imaging(data_folder()):
        entities = await annotator.annotate(text)
        present = [
            e for e in entities if e.span.type is EntityType.DISEASE and e.assertion is Assertion.PRESENT
        ]
        for sentence in sentences:
            if not sentence.present and not sentence.possible:
                total += 1
                wrong += any(_overlap(e, sentence.start, sentence.end) for e in present)
    return wrong, total


def _overlap(entity: Entity, start: int, end: int) -> bool:
    return entity.span.start < end and start < entity.span.end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--notes", type=int, help="only so many notes, the first by their random names")
    parser.add_argument("--errors", action="store_true", help="list what was not found")
    options = parser.parse_args()
    if options.errors and options.split != "dev":
        parser.error("the errors of the test half are not looked at")
    notes = [note for note in read_notes(data_folder()) if note.split == options.split]
    notes = sorted(notes, key=lambda note: note.name)[: options.notes]
    annotator = ExportedAnnotator()
    counts, missed = asyncio.run(counted(notes, annotator))
    print(f"{'class':<13} {'n':>4} {'found':>6} {'precision':>9} {'recall':>7} {'F1':>6}")
    for kind, count in counts.items():
        print(count.line(kind.value))
    labelled, right = (sum(getattr(c, name) for c in counts.values()) for name in ("labelled", "right"))
    print(f"found with the right type and assertion: {right} of {labelled} ({right / labelled:.3f})")
    if options.errors:
        print("\n".join(sorted(missed)))
    if options.split == "dev" and options.notes is None:
        wrong, total = asyncio.run(asserted_without_finding(annotator))
        print(f"imaging sentences without a finding, a disease asserted: {wrong} of {total}")


if __name__ == "__main__":
    main()
