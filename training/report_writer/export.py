"""Writes `triton_repo/report_writer` from the trained weights: `python -m training.report_writer.export`.

Stores the matrices as int8, measures what is served, counts how often it writes other tokens than fp32 does,
and writes the card.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

from medmesh.common.v1.model_card_pb2 import Metric
from training.model_card import MODEL_REPOSITORY, write_card
from training.report_writer import graph, notes
from training.report_writer.card import NAME, card
from training.report_writer.evaluate import UNSEEN, drawn, figure, figures, perplexity, trained, written
from training.report_writer.generation import GraphWriter
from training.report_writer.network import parameter_count
from training.report_writer.tasks import Tasks
from training.report_writer.train import RUN, Recipe


def agreement(small: GraphWriter, whole: GraphWriter, held_out: list[notes.Note], count: int) -> Metric:
    """How many answers of int8 are those of fp32, token by token."""
    source = Tasks(held_out, held_out=True)
    examples = [
        *drawn(source.chest_report, count),
        *drawn(source.findings, count),
        *drawn(source.conclusion, count),
    ]
    pairs = zip(written(small, examples), written(whole, examples), strict=True)
    same = [float(one.written.ids == other.written.ids) for one, other in pairs]
    return figure("answers_of_int8_that_are_those_of_fp32", same, UNSEEN)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="checkpoints (default %(default)s)")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    parser.add_argument("--count", type=int, default=240, help="reports of the grammar (default %(default)s)")
    arguments = parser.parse_args()
    folder = arguments.repository / NAME
    recipe = Recipe(**torch.load(arguments.run / "last.pt", weights_only=True)["recipe"])
    network, encoder = trained(arguments.run)
    model = graph.to_onnx(network)
    graph.write(model, arguments.run / "fp32.onnx")
    graph.write(graph.with_int8_weights(model), folder / "1" / "model.onnx")
    shutil.copyfile(arguments.run / "tokenizer.json", folder / "tokenizer.json")

    held_out = [note for note in notes.read() if note.held_out]
    small = GraphWriter(folder / "1" / "model.onnx", folder / "tokenizer.json")
    whole = GraphWriter(arguments.run / "fp32.onnx", folder / "tokenizer.json")
    same = agreement(small, whole, held_out, arguments.count // 5)
    measured = [
        perplexity(network, encoder, [note.text for note in held_out]),
        *figures(small, held_out, arguments.count),
        same,
    ]
    for one in measured:
        print(f"{one.name:<45} {one.value:.3f} ({one.ci_low:.3f} to {one.ci_high:.3f}) n={one.case_count}")
    told = f"Of {same.case_count} answers {same.value:.1%} are those of fp32, token by token."
    write_card(card(recipe, parameter_count(network), measured, told), folder.parent)


if __name__ == "__main__":
    main()
