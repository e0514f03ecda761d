"""Writes `triton_repo/note_embedding`: `python -m training.note_embedding.export`. Nothing is trained.

The weights are all-MiniLM-L6-v2's own: the encoder's matrices in fp16, the word table in int8 with one scale
a row; the arithmetic is fp32. Matrices in int8 too (`store_weights_as_int8`) would make 23.5 MB of 33.7, but
move embeddings by up to 0.0026 in cosine, beyond the 0.001 that this export must hold; int8 products by up to
0.025.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from services.language.tokenization import TextTokenizer
from training import onnx_export
from training.compression import quantize_embedding, store_weights_as_half
from training.minilm import base_folder
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card
from training.note_embedding.evaluate import NAME, measure, renewed
from training.note_embedding.network import SentenceEncoder
from training.note_embedding.reference import distances, exported, reference, varied_texts

SEED, TEXTS, LARGEST_DISTANCE = 7, 200, 1e-3
PRECISIONS = {"fp16": "fp16 matrices and int8 word table, computed in fp32", "fp32": "fp32"}
"""What the card says of each."""
OTHER_PRECISIONS = (
    "The other of fp16 and fp32: export with --precision, no training. int8 matrices would move embeddings "
    "by up to 0.0026 in cosine, more than is allowed."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    parser.add_argument("--precision", choices=("fp16", "fp32"), default="fp16", help="default %(default)s")
    arguments = parser.parse_args()
    folder = arguments.repository / NAME
    model = onnx_export.to_onnx(SentenceEncoder(), "embedding", {0: "batch"})
    if arguments.precision == "fp16":
        quantize_embedding(model, "encoder.words.weight")
        store_weights_as_half(model)
    target = folder / "1" / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    tokenizer_file = folder / "tokenizer.json"
    tokenizer_file.write_bytes((base_folder() / "tokenizer.json").read_bytes())
    texts = varied_texts(TEXTS, SEED)
    ours = exported(target, texts, TextTokenizer.from_file(tokenizer_file))
    found = distances(ours, reference(texts))
    print(f"1 - cosine to the reference: mean {found.mean():.2e}, max {found.max():.2e} of {TEXTS} texts")
    if found.max() > LARGEST_DISTANCE:
        raise SystemExit(f"the export differs from the reference by more than {LARGEST_DISTANCE}")
    made = card(float(found.max()), float(np.mean(found)), arguments.precision)
    write_card(renewed(made, measure(folder)), folder.parent)


def card(largest: float, mean: float, precision: str) -> ModelCard:
    """The model card; the digest of the weights is filled in by `write_card`."""
    measured_on = f"{TEXTS} varied texts (phrases, notes, notes longer than the window, noise), seed {SEED}"
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Sentence embeddings of notes and literature, 384 dimensions, for search and comparison.",
        intended_use=f"{INTENDED_USE} Likeness of two embeddings is no statement about a patient.",
        architecture=(
            "all-MiniLM-L6-v2 (MiniLM, 6 layers, 384 wide, 22.7 M parameters; Wang et al. 2020, Reimers and "
            "Gurevych 2019), mean over the tokens and L2 norm in the graph; not trained further."
        ),
        datasets=[
            Dataset(
                name="the sentence pairs all-MiniLM-L6-v2 was trained on (1.17 billion)",
                source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
                licence="Apache-2.0 (the weights)",
                population="English text of the web and of scientific papers; no clinical notes",
            )
        ],
        metrics=[
            Metric(
                name="max_cosine_distance_to_reference",
                value=largest,
                case_count=TEXTS,
                measured_on=measured_on,
            ),
            Metric(
                name="mean_cosine_distance_to_reference",
                value=mean,
                case_count=TEXTS,
                measured_on=measured_on,
            ),
        ],
        calibration="None: a cosine is no probability.",
        limitations=[
            "Reads the first 254 word pieces of a text; what follows does not count.",
            "English only; trained on general text, so clinical shorthand is represented poorly.",
            (
                "Negation moves an embedding little: 'fever' and 'no fever' lie near each other. "
                "RankPassages therefore puts passages that contradict the query last; whoever compares "
                "embeddings alone must do so too."
            ),
        ],
        inputs=[
            TensorContract(
                name="input_ids",
                datatype="INT64",
                shape=[-1],
                description=(
                    "[CLS] pieces [SEP], padded with 0; vocabulary ids 0..30521; at most 512 tokens"
                ),
            ),
            TensorContract(
                name="attention_mask", datatype="INT64", shape=[-1], description="1 for tokens, 0 for padding"
            ),
        ],
        outputs=[
            TensorContract(
                name="embedding", datatype="FP32", shape=[384], description="unit length; each value -1..1"
            )
        ],
        precision=f"{PRECISIONS[precision]}. {OTHER_PRECISIONS}",
        serving=decided_serving(NAME),
        licence="Apache-2.0",
        reproduce=f"python -m training.note_embedding.export  # seed {SEED}",
        changelog=[Change(version="1.0.0", description="First export.")],
    )


if __name__ == "__main__":
    main()
