"""Measures the writer: `python -m training.report_writer.evaluate [--weights …]`.

Notes and pairs of notes that never trained; reports of the grammar with seeds that never trained, in wordings
that never trained. Findings are read out of what is written by the language service's own terminology and
assertion rules, so that what is counted is what a reader of the mesh would find.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from medmesh.common.v1.model_card_pb2 import Metric
from services.language.entities import Assertion
from services.language.writing.prompts import Task
from training.figures import metric
from training.language_models import ExportedAnnotator
from training.report_writer import graph, notes, scoring, tasks
from training.report_writer.examples import Encoder, Example
from training.report_writer.generation import GraphWriter, Written
from training.report_writer.network import Writer
from training.report_writer.tasks import Tasks
from training.report_writer.train import RUN, Recipe

CONSTANT = "No acute cardiopulmonary abnormality."
"""What most normal chest radiographs get: the answer that reads nothing."""
SEED = 1_000_003
"""Of the reports that measure; training draws from `[seed, step, shard]`."""
BATCH = 16
MOST_SUMMARIES = 80

BY_HAND = "chest reports written by hand beside the grammar (written_by_hand.tsv)"
UNSEEN = "reports of the grammar, seeds and wordings that never trained"


@dataclass(frozen=True)
class Case:
    """One thing that was to be written, and what was."""

    example: Example
    written: Written


def drawn(task: tasks.Draw, count: int) -> list[Example]:
    """Examples that never trained."""
    return [task(np.random.default_rng([SEED, number])) for number in range(count)]


def written(writer: GraphWriter, examples: Sequence[Example], most_tokens: int = 220) -> list[Case]:
    """What the writer writes; prompts of like length together."""
    order = sorted(range(len(examples)), key=lambda at: len(examples[at].prompt))
    answers: dict[int, Written] = {}
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        sequences = [writer.encoder.sequence(Example(examples[at].prompt, "")) for at in places]
        prompts = [sequence.ids[:-1] for sequence in sequences]  # without the end
        answers |= dict(zip(places, writer.continue_ids(prompts, most_tokens), strict=True))
    return [Case(example, answers[at]) for at, example in enumerate(examples)]


def figure(
    name: str, values: Sequence[float], measured_on: str, *, subgroup: str = "", published: str = ""
) -> Metric:
    """The mean of one value a case, with its interval."""
    array = np.array(values)

    def mean(rows: NDArray[np.int64]) -> float:
        return float(array[rows].mean())

    return metric(
        name, mean, np.arange(len(array)), measured_on=measured_on, subgroup=subgroup, published=published
    )


def rouge_figures(cases: Sequence[Case], measured_on: str, name: str) -> list[Metric]:
    """ROUGE-L beside those of an answer that reads nothing and of one that copies."""
    wanted = [case.example.answer for case in cases]
    sources = [case.example.prompt.partition("\n")[2] for case in cases]
    firsts = [source.partition(". ")[0] for source in sources]
    answers = {
        name: [case.written.text for case in cases],
        f"{name}_of_the_constant_answer": [CONSTANT] * len(cases),
        f"{name}_of_the_first_sentence": firsts,
        f"{name}_of_all_findings": sources,
    }
    return [
        figure(
            key, [scoring.rouge_l(text, want) for text, want in zip(texts, wanted, strict=True)], measured_on
        )
        for key, texts in answers.items()
    ]


async def _found(texts: Sequence[str]) -> list[set[object]]:
    annotator = ExportedAnnotator()
    found: list[set[object]] = []
    for text in texts:
        entities = await annotator.annotate(text)
        found.append(
            {
                (entity.concept.code if entity.concept else entity.text.lower(), entity.assertion)
                for entity in entities
                if entity.assertion
                in (Assertion.PRESENT, Assertion.POSSIBLE, Assertion.ABSENT, Assertion.HISTORICAL)
            }
        )
    return found


def by_hand() -> list[Example]:
    """Chest reports that nobody drew from the grammar."""
    lines = Path(__file__).with_name("written_by_hand.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if not line.startswith("#")]
    return [Example(tasks.prompt(Task.IMPRESSION, source), target) for source, target in pairs]


def finding_figure(cases: Sequence[Case], measured_on: str, name: str) -> Metric:
    """F1 of findings with their assertion, as the mesh reads them."""
    texts = [case.written.text for case in cases] + [case.example.answer for case in cases]
    found = asyncio.run(_found(texts))
    ours, theirs = found[: len(cases)], found[len(cases) :]

    def f1(rows: NDArray[np.int64]) -> float:
        return scoring.f1([ours[row] for row in rows], [theirs[row] for row in rows])

    return metric(name, f1, np.arange(len(cases)), measured_on=measured_on)


def copying_figures(cases: Sequence[Case], measured_on: str, task: str) -> list[Metric]:
    """How many answers name a side or a number that the source does not have, and do not end."""
    sources = [case.example.prompt.partition("\n")[2] for case in cases]
    texts = [case.written.text for case in cases]
    pairs = list(zip(texts, sources, strict=True))
    return [
        figure(
            f"{task}_with_a_side_not_given",
            [float(bool(scoring.sides(a) - scoring.sides(b))) for a, b in pairs],
            measured_on,
        ),
        figure(
            f"{task}_with_a_number_not_given",
            [float(bool(set(scoring.numbers(a)) - set(scoring.numbers(b)))) for a, b in pairs],
            measured_on,
        ),
        figure(f"{task}_that_do_not_end", [float(not case.written.ended) for case in cases], measured_on),
    ]


def name_figures(cases: Sequence[Case]) -> list[Metric]:
    """How many lines of evidence have their name in no sentence, of all lines and of drugs."""
    lines = [
        (line.split(" | "), case.written.text.lower())
        for case in cases
        for line in case.example.prompt.splitlines()[1:]
    ]
    missing = [(kind, float(name.lower() not in text)) for (kind, name, *_), text in lines]
    drugs = [value for kind, value in missing if kind == "medication"]
    return [
        figure("names_not_copied", [value for _, value in missing], f"{UNSEEN}; lines"),
        figure("names_of_drugs_not_copied", drugs, f"{UNSEEN}; lines"),
    ]


def perplexity(network: Writer, encoder: Encoder, texts: Sequence[str]) -> Metric:
    """Of held-out notes, by token, in stretches of 256."""
    losses, groups = [], []
    with torch.no_grad():
        for number, text in enumerate(texts):
            ids = encoder.tokenizer.encode(text).ids
            for at in range(0, max(len(ids) - 16, 1), 256):
                part = torch.tensor([ids[at : at + 257]])
                rows = torch.arange(part.shape[1] - 1)[None]
                hidden, _ = network(part[:, :-1], torch.ones_like(rows), rows)
                loss = torch.nn.functional.cross_entropy(
                    network.logits(hidden)[0], part[0, 1:], reduction="none"
                )
                losses.append(loss.numpy())
                groups.append(np.full(len(loss), number))
    values, owner = np.concatenate(losses), np.concatenate(groups)
    sums = np.bincount(owner, values)
    counts = np.bincount(owner)
    return metric(
        "perplexity",
        lambda rows: float(np.exp(sums[rows].sum() / counts[rows].sum())),
        np.arange(len(sums)),
        measured_on=f"{len(sums)} notes of MTSamples that never trained, by token",
    )


def speed_figures(writer: GraphWriter, examples: Sequence[Example]) -> list[Metric]:
    """Time to the first token, and tokens a second after it, of one text at a time on one thread."""
    first, rate = [], []
    for example in examples:
        prompt = writer.encoder.prompt_ids(example.prompt)
        began = time.perf_counter()
        writer.continue_ids([prompt], 1)
        seen = time.perf_counter()
        count = len(writer.continue_ids([prompt], 60)[0].ids)
        ended = time.perf_counter()
        first.append(1000 * (seen - began))
        if count > 1:
            rate.append((count - 1) / max(ended - seen - (seen - began), 1e-6))
    machine = "one thread of ONNX Runtime on a virtual AMD EPYC with AVX2, without Triton"
    return [
        figure("first_token_ms", first, f"{machine}; lines of evidence as prompts"),
        figure("tokens_per_second", rate, machine),
    ]


def figures(writer: GraphWriter, held_out: Sequence[notes.Note], count: int) -> list[Metric]:
    """All that is measured of an exported graph."""
    source = Tasks(held_out, held_out=True)
    chest = written(writer, drawn(source.chest_report, count))
    normal = [
        case for case in chest if case.example.answer.count(".") == 1 and "acute" in case.example.answer
    ]
    findings = written(writer, drawn(source.findings, count))
    conclusions = written(writer, drawn(source.conclusion, count // 2))
    summaries = [
        Example(tasks.prompt(Task.SUMMARY, pair.source), pair.target)
        for pair in notes.summaries(held_out, 0.0)
    ]
    hand_cases = written(writer, by_hand())
    summary_cases = written(writer, summaries[:MOST_SUMMARIES])
    exact = [float(case.written.text == case.example.answer) for case in findings]
    of_notes = "notes of MTSamples that never trained"
    return [
        *rouge_figures(chest, UNSEEN, "rouge_l_of_impressions"),
        figure(
            "normal_impressions_said_word_for_word",
            [float(c.written.text == c.example.answer) for c in normal],
            UNSEEN,
        ),
        finding_figure(chest, UNSEEN, "finding_f1_of_impressions"),
        *copying_figures(chest, UNSEEN, "impressions"),
        figure("findings_said_word_for_word", exact, f"{UNSEEN}; all lines of a case"),
        finding_figure(findings, UNSEEN, "finding_f1_of_findings"),
        *copying_figures(findings, UNSEEN, "findings"),
        *name_figures(findings),
        figure(
            "conclusions_said_word_for_word",
            [float(case.written.text == case.example.answer) for case in conclusions],
            UNSEEN,
        ),
        *rouge_figures(hand_cases, BY_HAND, "rouge_l_of_impressions_by_hand"),
        finding_figure(hand_cases, BY_HAND, "finding_f1_of_impressions_by_hand"),
        *copying_figures(hand_cases, BY_HAND, "impressions_by_hand"),
        figure(
            "rouge_l_of_summaries",
            [scoring.rouge_l(case.written.text, case.example.answer) for case in summary_cases],
            f"descriptions of {of_notes}",
        ),
        *copying_figures(summary_cases, of_notes, "summaries"),
        *speed_figures(writer, drawn(source.findings, 40)),
    ]


def trained(run: Path) -> tuple[Writer, Encoder]:
    """The network of a run's last checkpoint, and its tokens."""
    state = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
    network = Writer(Recipe(**state["recipe"]).shape)
    network.load_state_dict(state["network"])
    return network.eval(), Encoder(Tokenizer.from_file(str(run / "tokenizer.json")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="checkpoints (default %(default)s)")
    parser.add_argument("--count", type=int, default=400, help="reports of the grammar (default %(default)s)")
    parser.add_argument("--show", type=int, default=0, help="print so many answers that differ")
    arguments = parser.parse_args()
    held_out = [note for note in notes.read() if note.held_out]

    network, encoder = trained(arguments.run)
    graph.write(graph.to_onnx(network), arguments.run / "fp32.onnx")
    writer = GraphWriter(arguments.run / "fp32.onnx", arguments.run / "tokenizer.json")
    if arguments.show:
        source = Tasks(held_out, held_out=True)
        shown = [
            example
            for task in source.shares
            if task != source.mined
            for example in drawn(task, arguments.show)
        ]
        for case in written(writer, [*by_hand(), *shown]):
            wanted, text = case.example.answer, case.written.text
            mark = "=" if text == wanted else "#"
            print(f"{mark} {case.example.prompt[:600]}\n  wanted  {wanted}\n  written {text}\n")
        return
    print(json.dumps({"perplexity": perplexity(network, encoder, [note.text for note in held_out]).value}))
    for one in figures(writer, held_out, arguments.count):
        print(f"{one.name:<45} {one.value:.3f} ({one.ci_low:.3f} to {one.ci_high:.3f}) n={one.case_count}")


if __name__ == "__main__":
    main()
