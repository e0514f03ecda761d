"""Scores the tagger on BC5CDR's devel file, which training never saw: `python -m
training.clinical_ner.evaluate`.

Without options it scores the trained weights, before calibration; with `--exported` the model in
`triton_repo`, whose figures the card holds, and with `--write` it renews them there (after a change of the
rules around the network, which leaves the weights as they are).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import Metric, ModelCard
from services.language.confidence import AS_DECODED, Confidence
from services.language.models import CLINICAL_NER
from services.language.recovery import Terms
from services.language.tokenization import NoteTokenizer
from training.clinical_ner import scoring
from training.clinical_ner.card import renewed
from training.clinical_ner.corpus import Pieces, Sentence, corpus_folder, read
from training.clinical_ner.inference import with_onnx, with_torch
from training.clinical_ner.network import load
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


def metrics(
    predict: scoring.Predict,
    sentences: Sequence[Sentence],
    pieces: Pieces,
    view: View,
    confidence: Confidence = AS_DECODED,
) -> list[Metric]:
    """Strict F1 of both types and of each, with intervals; where all sentences are read precision, recall
    and ECE too, and the precision of what the terminology decided.
    """
    sentences = sentences[: view.most_sentences]
    rewritten = [Sentence(tuple(map(view.rewrite, sentence.words)), sentence.tags) for sentence in sentences]
    results = scoring.outcomes(
        rewritten, pieces, predict, view.sentences_per_note, view.terms, confidence=confidence
    )
    measured_on = f"BC5CDR devel, {len(sentences)} sentences of unseen abstracts, {view.measured_on}"
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
    if view.most_sentences is None:
        right, predicted, gold = scoring.counts(results).sum(axis=0)
        for name, value in (
            ("strict_entity_precision", right / predicted),
            ("strict_entity_recall", right / gold),
            ("entity_expected_calibration_error", scoring.calibration_error(results)),
        ):
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
    exported = MODEL_REPOSITORY / CLINICAL_NER.name
    tokenizer = NoteTokenizer.from_file(exported / "tokenizer.json")
    card = json_format.Parse((exported / "metadata.json").read_text(encoding="utf-8"), ModelCard())
    if arguments.exported or arguments.write:
        predict = with_onnx(exported / "1" / "model.onnx", tokenizer)
        confidence = Confidence.from_parameters(card.serving_parameters)
    else:
        predict, confidence = with_torch(load(arguments.folder)[0], tokenizer), AS_DECODED
    sentences = read(corpus_folder() / "devel.tsv")
    measured = []
    for view in VIEWS:
        for metric in metrics(predict, sentences, Pieces(tokenizer), view, confidence):
            measured.append(metric)
            print(line(metric), flush=True)
    if arguments.write:
        print(write_card(renewed(card, measured)))


if __name__ == "__main__":
    main()
