"""Writes `triton_repo/clinical_ner` from the trained weights: `python -m training.clinical_ner.export`.

Fits the temperature on the part of the train file that watched the training, puts it into the graph, stores
the weights as int8, measures both precisions on devel, fits the service's curves, and writes the card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from services.language.tokenization import Int64Array, TextTokenizer
from training import onnx_export
from training.clinical_ner import evaluate, scoring
from training.clinical_ner.card import NAME, model_card
from training.clinical_ner.corpus import Pieces, Sentence, corpus_folder, read, read_tokenizer, split
from training.clinical_ner.inference import FloatArray, with_onnx, with_torch
from training.clinical_ner.network import EntityTagger, load
from training.compression import quantize_embedding, store_weights_as_int8
from training.minilm import base_folder
from training.model_card import MODEL_REPOSITORY, write_card

LARGEST_LOSS = 0.005
"""How much strict F1 the int8 form may lose against fp32."""


class Served(nn.Module):
    """The network as it is served: calibrated probabilities instead of logits."""

    def __init__(self, network: EntityTagger, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, 5]."""
        return torch.softmax(self.network(input_ids, attention_mask) / self.temperature, dim=-1)


def fit_temperature(network: EntityTagger, sentences: Sequence[Sentence], tokenizer: TextTokenizer) -> float:
    """The temperature at which the entities' probabilities say best whether they are right (Guo et al. 2017).

    It leaves the likeliest label sequence as it is, since it scales the scores of all sequences alike, but
    not which entities are likely enough to be served; so all of them count here.
    """
    pieces = Pieces(tokenizer)
    known: list[FloatArray] = []

    def at(temperature: float) -> scoring.Predict:
        def predict(sequences: Sequence[Int64Array]) -> list[FloatArray]:
            if not known:
                known.extend(with_torch(network, tokenizer)(sequences))
            powers = [probabilities ** np.float32(1 / temperature) for probabilities in known]
            return [power / power.sum(axis=-1, keepdims=True) for power in powers]

        return predict

    tried = {}
    for temperature in [1.0, *np.geomspace(0.4, 2.0, 17).tolist()]:
        results = scoring.outcomes(
            sentences, pieces, at(temperature), scoring.SENTENCES_PER_NOTE, least_probability=0.0
        )
        judged = [item for outcome in results for item in outcome.judged]
        probability = np.clip([item.probability for item in judged], 1e-6, 1 - 1e-6)
        right = np.array([item.right for item in judged])
        tried[temperature] = -float(np.mean(np.log(np.where(right, probability, 1 - probability))))
    return min(tried, key=lambda temperature: tried[temperature])


def save(network: EntityTagger, temperature: float, precision: str, path: Path) -> None:
    """Write the served form of the network to `path` in `int8` or `fp32`."""
    model = onnx_export.to_onnx(Served(network, temperature), "probabilities", {0: "batch", 1: "tokens"})
    if precision == "int8":
        quantize_embedding(model, "network.encoder.words.weight")
        # The label layer decides between close scores and holds 0.02 % of the weights.
        store_weights_as_int8(model, but=("/labels/",))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path("training/runs/clinical_ner")
    parser.add_argument("--folder", type=Path, default=folder, help="checkpoints (default %(default)s)")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8", help="default %(default)s")
    arguments = parser.parse_args()
    network, recipe = load(arguments.folder)
    target = arguments.repository / NAME
    target.mkdir(parents=True, exist_ok=True)
    (target / "tokenizer.json").write_bytes((base_folder() / "tokenizer.json").read_bytes())
    tokenizer = read_tokenizer(target / "tokenizer.json")

    _, watched = split(read(corpus_folder() / "train.tsv"), recipe["held_out"])
    temperature = fit_temperature(network, watched, tokenizer)
    save(network, temperature, arguments.precision, target / "1" / "model.onnx")
    served = with_onnx(target / "1" / "model.onnx", tokenizer)
    metrics, calibration = evaluate.measure(served, tokenizer, recipe["held_out"])
    print(calibration.sentence(), flush=True)

    devel, as_in_a_note = read(corpus_folder() / "devel.tsv"), evaluate.VIEWS[0]
    exact = evaluate.read_as(
        as_in_a_note, devel, Pieces(tokenizer), with_torch(network, tokenizer, temperature)
    )
    reference = evaluate.metrics(exact, as_in_a_note)[0]
    reference.name, reference.published = "strict_entity_f1_fp32", ""
    print(evaluate.line(reference), flush=True)
    if reference.value - metrics[0].value > LARGEST_LOSS:
        raise SystemExit(f"{arguments.precision} loses more than {LARGEST_LOSS} strict F1 against fp32")
    card = model_card([*metrics, reference], temperature, calibration, arguments.precision, recipe)
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
