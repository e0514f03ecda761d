"""Writes `triton_repo/identifier_tagger` from the trained weights: `python -m training.identifier_tagger.export`.

Recall goes first: the logit of "no identifier" is lowered as far as the precision on `tune` allows, and that stands in the
graph. The weights are stored as int8; the figures are those of the stored form beside the rules, on `test`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from services.language.tokenization import TextTokenizer
from training import onnx_export
from training.compression import IN_INT8_WHERE_IT_CAN, quantize_embedding, store_weights_as_int8
from training.deidentification import evaluate
from training.deidentification.synthetic import passages
from training.identifier_tagger import inference
from training.identifier_tagger.corpus import LABELS
from training.identifier_tagger.network import IdentifierTagger
from training.identifier_tagger.train import FOLDER
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card

NAME = "identifier_tagger"
LEAST_PRECISION = 0.96
"""On `tune`, beside the rules: 0.01 above what is asked for of `test`, whose sentences are less like those of the training."""
PENALTIES = (4.0, 3.0, 2.0, 1.0, 0.0)
PASSAGES = 800


class Served(nn.Module):
    """The network as it is served: probabilities, the logit of "no identifier" lowered."""

    def __init__(self, network: IdentifierTagger, penalty: float) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("penalty", torch.tensor([penalty] + [0.0] * (len(LABELS) - 1)))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, labels]."""
        return torch.softmax(self.network(input_ids, attention_mask) - self.penalty, dim=-1)


def load(folder: Path) -> IdentifierTagger:
    """The network that a training left in `folder`."""
    state = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)
    network = IdentifierTagger(state["vocabulary"], state["recipe"]["layers"])
    network.load_state_dict(state["network"])
    return network


def save(network: IdentifierTagger, penalty: float, path: Path) -> None:
    """Write the served form to `path`, its weights in int8."""
    model = onnx_export.to_onnx(Served(network, penalty), "probabilities", {0: "batch", 1: "tokens"})
    quantize_embedding(model, "network.encoder.words.weight")
    # The label layer decides between close scores and holds 0.05 % of the weights.
    store_weights_as_int8(model, but=("/labels/",))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def largest_penalty(network: IdentifierTagger, tokenizer: TextTokenizer) -> float:
    """The largest that leaves the precision on `tune` at `LEAST_PRECISION`; 0 where none does."""
    texts = passages("tune", PASSAGES, seed=1)
    for penalty in PENALTIES:
        served = Served(network, penalty).eval()

        def probabilities(ids: np.ndarray, mask: np.ndarray, served: Served = served) -> np.ndarray:
            with torch.inference_mode():
                result: np.ndarray = served(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            return result

        figures = evaluate.measure(texts, inference.beside_the_rules(probabilities, tokenizer))
        print(
            f"penalty {penalty}: on tune recall {figures['recall'][0]:.4f}, precision {figures['precision'][0]:.4f}",
            flush=True,
        )
        if figures["precision"][0] >= LEAST_PRECISION:
            return penalty
    return 0.0


def metrics(path: Path, tokenizer: TextTokenizer) -> list[Metric]:
    """Of the stored form beside the rules, and of the rules alone."""
    texts = passages("test", PASSAGES, seed=1)
    names = sum(kind.value == "NAME" for text in texts for *_, kind in text.identifiers)
    counts = {"recall": sum(len(text.identifiers) for text in texts), "recall NAME": names}
    found = []
    finds = {
        "": inference.beside_the_rules(inference.with_onnx(path), tokenizer),
        "_of_the_rules_alone": evaluate.rules(),
    }
    for suffix, find in finds.items():
        figures = evaluate.measure(texts, find)
        for figure in ("recall NAME", "recall", "precision"):
            value, low, high = figures[figure]
            print(f"{figure}{suffix}: {value:.4f} ({low:.4f} to {high:.4f})", flush=True)
            found.append(
                Metric(
                    name=f"{'name_recall' if figure == 'recall NAME' else figure}{suffix}",
                    value=value,
                    ci_low=low,
                    ci_high=high,
                    case_count=counts.get(figure, counts["recall"]),
                    measured_on=f"synthetic identifiers in {len(texts)} passages of real notes (MTSamples) not seen in training, "
                    + (
                        "beside the rules as served; every letter must go"
                        if not suffix
                        else "without the network"
                    ),
                )
            )
    return found


def model_card(figures: list[Metric], penalty: float, network: IdentifierTagger) -> ModelCard:
    layers, pieces = len(network.encoder.layers), network.vocabulary
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Finds names, places, organisations, dates and numbers that identify somebody in English text.",
        intended_use=f"{INTENDED_USE} For de-identification beside rules; alone it was not measured, and what comes out needs a person's look.",
        architecture=f"all-MiniLM-L6-v2's encoder ({layers} layers, 384 wide) with a table of the {pieces:,} word pieces that notes and names use "
        "most, the written word's shape beside its pieces, a BIO label for each piece. The logit of no identifier is lowered by "
        f"{penalty:g}, since what is missed costs more than what is replaced in vain.",
        datasets=[
            Dataset(
                name="MTSamples: three fifths of 952 notes, with synthetic identifiers set into them, others in each epoch",
                source="MTSamples, collected by T. Boyle; names of the US census, of Faker, and made of syllables",
                licence="CC0-1.0; the names are public domain and MIT",
                population="Transcribed notes of all specialties from the USA, their own names taken out by the publisher",
            )
        ],
        metrics=figures,
        calibration="None: its probabilities are raised on purpose.",
        limitations=[
            "Measured on synthetic identifiers; real notes have forms that nobody thought of.",
            "Common words that begin a sentence before a verb of persons are replaced at times.",
            "Record numbers are the rules' task: it labels them OTHER.",
            "English only; Chinese names are found by the rules.",
            "Sees at most 126 tokens at a time.",
        ],
        inputs=[
            TensorContract(
                name="input_ids",
                datatype="INT64",
                shape=[-1],
                description=f"[CLS] tokens [SEP], padded with 0; a token is its piece + {pieces} * shape of the written word "
                "(0 lower case, 1 capitalised, 2 capitals, 3 mixed); at most 128 tokens",
            ),
            TensorContract(
                name="attention_mask", datatype="INT64", shape=[-1], description="1 for tokens, 0 for padding"
            ),
        ],
        outputs=[
            TensorContract(
                name="probabilities",
                datatype="FP32",
                shape=[-1, len(LABELS)],
                description="of each label for each token, 0..1, sum 1; every piece of a word carries the word's label",
            )
        ],
        precision=f"int8 weights and word table; {IN_INT8_WHERE_IT_CAN}",
        serving=decided_serving(NAME),
        licence="Apache-2.0",
        reproduce="make train MODEL=identifier_tagger (seed 11; 40 epochs took 97 s on an NVIDIA H200 with 7 processes that make the epochs)",
        changelog=[Change(version="1.0.0", description="First release.")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the training (default %(default)s)")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    arguments = parser.parse_args()
    network = load(arguments.folder).eval()
    target = arguments.repository / NAME
    target.mkdir(parents=True, exist_ok=True)
    (target / "tokenizer.json").write_bytes((arguments.folder / "tokenizer.json").read_bytes())
    tokenizer = TextTokenizer.from_file(target / "tokenizer.json", has_word_shapes=True)
    penalty = largest_penalty(network, tokenizer)
    save(network, penalty, target / "1" / "model.onnx")
    figures = metrics(target / "1" / "model.onnx", tokenizer)
    print(write_card(model_card(figures, penalty, network), arguments.repository))


if __name__ == "__main__":
    main()
