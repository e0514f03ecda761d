"""Scores the tagger on BC5CDR's devel file, which training never saw: `python -m
training.clinical_ner.evaluate`.

Without options it scores the trained weights, with `--exported` the model in `triton_repo`; with `--write` it
fits the service's curves anew and renews them and the figures in that model's card (after a change of the
rules around the network, which leaves the weights as they are).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.language.recovery import Terms
from services.language.tokenization import TextTokenizer
from training.clinical_ner import scoring
from training.clinical_ner.calibration import cross_fitted, fitted, stretches
from training.clinical_ner.card import NAME, Calibration, renewed
from training.clinical_ner.corpus import Pieces, Sentence, corpus_folder, read, read_tokenizer, split
from training.clinical_ner.inference import with_onnx, with_torch
from training.clinical_ner.network import load
from training.clinical_ner.train import Recipe
from training.model_card import MODEL_REPOSITORY, write_card

SEED = 7
PUBLISHED = {
    "": "SciBERT 0.900 (Beltagy et al. 2019, 110 M parameters, trained on train and devel, scored on test)",
    "entity type=Disease": "BioBERT 0.872 (Lee et al. 2020, likewise)",
    "entity type=Chemical": "BioBERT 0.935 (Lee et al. 2020, likewise)",
}


@dataclass(frozen=True)
class View:
    """One way of reading the same sentences."""

    name: str
    sentences_per_note: int
    rewrite: Callable[[str], str]
    measured_on: str
    most_sentences: int | None = None
    """How many sentences from the start are enough: the further views ask for a difference, not a figure."""
    terms: Terms | None = None
    """With what the terminology adds, as AnalyzeNote answers; without it the tagger alone."""


VIEWS = (
    View("", scoring.SENTENCES_PER_NOTE, str, "nine sentences a note, read as the service reads it"),
    View(
        "_with_terminology",
        scoring.SENTENCES_PER_NOTE,
        str,
        "nine sentences a note, with what the terminology adds, as AnalyzeNote answers",
        terms=Terms(),
    ),
    View("_first_thousand", scoring.SENTENCES_PER_NOTE, str, "as above, to compare the next ones with", 1000),
    View("_single_sentences", 1, str, "every sentence alone", 1000),
    View("_lower_case", scoring.SENTENCES_PER_NOTE, str.lower, "typed without capitals", 1000),
    View("_upper_case", scoring.SENTENCES_PER_NOTE, str.upper, "typed in capitals", 1000),
)


def read_as(
    view: View, sentences: Sequence[Sentence], pieces: Pieces, predict: scoring.Predict
) -> list[scoring.Outcome]:
    """What comes out for each sentence, with the probabilities as decoded."""
    sentences = sentences[: view.most_sentences]
    rewritten = [Sentence(tuple(map(view.rewrite, sentence.words)), sentence.tags) for sentence in sentences]
    return scoring.outcomes(rewritten, pieces, predict, view.sentences_per_note, view.terms)


def metrics(
    results: Sequence[scoring.Outcome], view: View, scaled: Sequence[scoring.Outcome] | None = None
) -> list[Metric]:
    """Strict F1 of both types and of each, with intervals; where all sentences are read precision, recall
    and F1's spread too, the precision of what the terminology decided, and the calibration error of
    `scaled`: the same results with calibrated probabilities.
    """
    measured_on = f"BC5CDR devel, {len(results)} sentences of unseen abstracts, {view.measured_on}"
    found = []
    for stem in (None, *scoring.STEMS):
        table = scoring.counts(results, stem)
        low, high = scoring.bootstrap(table, SEED)
        subgroup = f"entity type={stem}" if stem else ""
        found.append(
            Metric(
                name=f"strict_entity_f1{view.name}",
                value=scoring.f1(table),
                ci_low=low,
                ci_high=high,
                case_count=int(table[:, 2].sum()),
                measured_on=measured_on,
                subgroup=subgroup,
                published=PUBLISHED[subgroup] if not view.name else "",
            )
        )
        if not view.name:
            found += spread(table, measured_on, subgroup)
    if view.most_sentences is None:
        right, predicted, gold = scoring.counts(results).sum(axis=0)
        numbers = {"strict_entity_precision": right / predicted, "strict_entity_recall": right / gold}
        if scaled is not None:
            numbers["entity_expected_calibration_error"] = scoring.calibration_error(scaled)
        for name, value in numbers.items():
            found.append(
                Metric(name=name + view.name, value=value, case_count=int(gold), measured_on=measured_on)
            )
    decided = [item.right for outcome in results for item in outcome.judged if item.from_terminology]
    if decided:
        found.append(
            Metric(
                name="precision_of_entities_from_terminology",
                value=sum(decided) / len(decided),
                case_count=len(decided),
                measured_on=measured_on,
            )
        )
    return found


def spread(table: NDArray[np.int64], measured_on: str, subgroup: str) -> list[Metric]:
    """The lowest and the highest F1 among the stretches of devel; `table` as from `scoring.counts`."""
    parts = sorted((table[stretch] for stretch in stretches(len(table))), key=scoring.f1)
    return [
        Metric(
            name=f"strict_entity_f1_{which}_tenth",
            value=scoring.f1(part),
            case_count=int(part[:, 2].sum()),
            measured_on=f"{measured_on}; of ten stretches of some fifty abstracts each",
            subgroup=subgroup,
        )
        for which, part in (("lowest", parts[0]), ("highest", parts[-1]))
    ]


def measure(
    predict: scoring.Predict, tokenizer: TextTokenizer, held_out: float
) -> tuple[list[Metric], Calibration]:
    """The card's figures by `VIEWS`, each printed as it is there, and the service's curves.

    `held_out` is the share of the train file that watched the training.
    """
    pieces = Pieces(tokenizer)
    _, watched = split(read(corpus_folder() / "train.tsv"), held_out)
    devel = read(corpus_folder() / "devel.tsv")
    further = read_as(VIEWS[0], watched, pieces, predict)
    tagged = read_as(VIEWS[0], devel, pieces, predict)
    found = []
    for view in VIEWS:
        results = tagged if view is VIEWS[0] else read_as(view, devel, pieces, predict)
        whole = view.most_sentences is None
        found += metrics(results, view, cross_fitted(results, tagged, further) if whole else None)
    for metric in found:
        print(line(metric), flush=True)
    scaled = cross_fitted(tagged, tagged, further)
    calibration = Calibration(
        confidence=fitted([*further, *tagged]),
        sentence_count=len(watched) + len(devel),
        error_before=scoring.calibration_error(tagged),
        error_after=scoring.calibration_error(scaled),
        gaps=gaps(scaled),
    )
    return found, calibration


def gaps(results: Sequence[scoring.Outcome]) -> tuple[float, float]:
    """Mean probability less the share that is right, in the stretch where it is least and where most."""
    found = []
    for stretch in stretches(len(results)):
        judged = [item for i in stretch for item in results[i].judged]
        found.append(float(np.mean([item.probability - item.right for item in judged])))
    return min(found), max(found)


def line(metric: Metric) -> str:
    """One row of the printed table."""
    interval = f" [{metric.ci_low:.4f}, {metric.ci_high:.4f}]" if metric.HasField("ci_low") else ""
    return f"{metric.name:36} {metric.subgroup:22} {metric.value:.4f}{interval}  n={metric.case_count}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("training/runs/clinical_ner"), help="checkpoints")
    parser.add_argument("--exported", action="store_true", help="score the served model, not the training's")
    parser.add_argument("--write", action="store_true", help="renew the figures of the served model's card")
    arguments = parser.parse_args()
    exported = MODEL_REPOSITORY / NAME
    tokenizer = read_tokenizer(exported / "tokenizer.json")
    if arguments.exported or arguments.write:
        predict, held_out = with_onnx(exported / "1" / "model.onnx", tokenizer), Recipe.held_out
    else:
        network, recipe = load(arguments.folder)
        predict, held_out = with_torch(network, tokenizer), recipe["held_out"]
    measured, calibration = measure(predict, tokenizer, held_out)
    print(calibration.sentence())
    if arguments.write:
        card = json_format.Parse((exported / "metadata.json").read_text(encoding="utf-8"), ModelCard())
        print(write_card(renewed(card, measured, calibration)))


if __name__ == "__main__":
    main()
