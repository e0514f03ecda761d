"""Exports the patient encoder to `triton_repo/patient_encoder`: `python -m training.patient_encoder.export`.

Needs the run of `train` and the figures of `evaluate`. Writes `1/model.onnx`, `vocabulary.json`, the card,
and the reference population: representations of the training patients, who are synthetic, under new names.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import Change, Metric, ModelCard, TensorContract
from services.recommendation.features import PREPROCESSING_VERSION
from services.recommendation.similarity import REPRESENTATION_SIZE, ReferencePopulation
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, write_card
from training.patient_encoder.evaluate import Trained
from training.patient_encoder.train import RUN, VOCABULARY
from training.synthea import is_held_out, load_patients
from training.treatment_ranker.export import SYNTHEA, SYNTHETIC, to_onnx

NAME = "patient_encoder"


def reference_population(trained: Trained, features: np.ndarray) -> tuple[ReferencePopulation, float, float]:
    """The population, and precision and recall of its reconstructed conditions."""
    representations, reconstructed = trained.run(features)
    truth, conditions = features[:, trained.ever] > 0, reconstructed[:, trained.ever] >= 0.5
    # In a shuffled order, so that the names do not follow the order of the source.
    order = np.random.default_rng(trained.recipe.seed).permutation(len(features))
    ids = tuple(f"synthetic-{number:04d}" for number in range(1, len(features) + 1))
    hits = (truth & conditions).sum()
    population = ReferencePopulation(ids, representations[order], conditions[order])
    return population, float(hits / conditions.sum()), float(hits / truth.sum())


def card(trained: Trained, metrics: list[Metric], precision: float, recall: float) -> ModelCard:
    parameters = sum(value.numel() for value in trained.network.parameters())
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Encodes a patient's record into a short representation, to find patients that are alike.",
        intended_use=f"{INTENDED_USE} It compares with synthetic patients: they say nothing about real ones.",
        architecture=(
            f"Denoising autoencoder of the record with {REPRESENTATION_SIZE} numbers of unit length in the "
            f"middle; "
            f"{parameters} parameters."
        ),
        datasets=[SYNTHEA],
        metrics=metrics,
        calibration="None: only whether a reconstructed probability reaches a half is used.",
        limitations=[
            SYNTHETIC,
            "Codes that are not in vocabulary.json do not count.",
            (
                "The conditions shown as shared are those that the encoder reconstructs from a reference "
                "patient's "
                f"representation: {precision:.1%} of them are right, and {recall:.1%} of the true ones are "
                f"among them."
            ),
        ],
        inputs=[
            TensorContract(
                name="features",
                datatype="FP32",
                shape=[trained.encoder.size],
                description="A record by services/recommendation/features.py and vocabulary.json; -3 to 8.",
            )
        ],
        outputs=[
            TensorContract(
                name="representation",
                datatype="FP32",
                shape=[REPRESENTATION_SIZE],
                description="Unit length; the cosine of two tells how alike the records are.",
            ),
            TensorContract(
                name="reconstruction",
                datatype="FP32",
                shape=[trained.encoder.size],
                description="Probabilities of the flags, 0 to 1, and values of the other features.",
            ),
        ],
        precision="fp32; at 0.5 million parameters there is nothing to gain from int8",
        preprocessing_version=PREPROCESSING_VERSION,
        licence="Apache-2.0",
        reproduce=f"python -m training.{NAME}.train, .evaluate, .export (seed {trained.recipe.seed})",
        changelog=[Change(version="1.0.0", description="First version.")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    arguments = parser.parse_args()
    trained = Trained(arguments.run)
    features = trained.features([patient for patient in load_patients() if not is_held_out(patient.id)])
    folder: Path = arguments.repository / NAME
    sample = torch.from_numpy(features[:64])
    to_onnx(trained.network, sample, ["representation", "reconstruction"], folder / "1" / "model.onnx")
    population, precision, recall = reference_population(trained, features)
    population.save(folder / "reference.npz")
    shutil.copy(VOCABULARY, folder / "vocabulary.json")
    measured = json.loads((arguments.run / "metrics.json").read_text(encoding="utf-8"))
    metrics = [json_format.ParseDict(entry, Metric()) for entry in measured]
    print(write_card(card(trained, metrics, precision, recall), arguments.repository))


if __name__ == "__main__":
    main()
