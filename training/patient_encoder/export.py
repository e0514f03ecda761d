"""Exports the patient encoder to `triton_repo/patient_encoder`: `python -m training.patient_encoder.export`.

Needs the run of `train`. Measures both precisions and writes the chosen one as `1/model.onnx`, with
`vocabulary.json`, the card, and the reference population: representations of the training patients, who are
synthetic, under new names.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from medmesh.common.v1.model_card_pb2 import Change, Metric, ModelCard, TensorContract
from services.recommendation.reference_population import ReferencePopulation
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card
from training.patient_encoder.evaluate import OUTPUTS, Trained, measure
from training.patient_encoder.network import REPRESENTATION_SIZE
from training.patient_encoder.train import RUN, VOCABULARY
from training.precisions import Graph, both, card_metrics, card_precision
from training.synthea import is_held_out, load_patients
from training.treatment_ranker.export import SYNTHEA, SYNTHETIC

NAME = "patient_encoder"
COMPARED = ("shared_conditions_of_similar", "condition_precision", "condition_recall")
"""Figures that the card gives in both precisions."""


def reference_population(
    trained: Trained, graph: Graph, features: np.ndarray
) -> tuple[ReferencePopulation, float, float]:
    """The population, and precision and recall of its reconstructed conditions."""
    representations, reconstructed = graph.run({"features": features})
    truth, conditions = features[:, trained.ever] > 0, reconstructed[:, trained.ever] >= 0.5
    # In a shuffled order, so that the names do not follow the order of the source.
    order = np.random.default_rng(trained.recipe.seed).permutation(len(features))
    ids = tuple(f"synthetic-{number:04d}" for number in range(1, len(features) + 1))
    hits = (truth & conditions).sum()
    population = ReferencePopulation(ids, representations[order], conditions[order])
    return population, float(hits / conditions.sum()), float(hits / truth.sum())


def card(trained: Trained, metrics: list[Metric], right: float, found: float, precision: str) -> ModelCard:
    """The model card; `right` and `found`: precision and recall of the reference population's conditions."""
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
                f"representation: {right:.1%} of them are right, and {found:.1%} of the true ones are "
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
        precision=precision,
        serving=decided_serving(NAME),
        licence="Apache-2.0",
        reproduce=(
            f"make train MODEL={NAME} (seed {trained.recipe.seed}, one thread), after that of "
            "treatment_ranker, whose vocabulary it reads"
        ),
        changelog=[Change(version="1.0.0", description="First version.")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="default %(default)s")
    arguments = parser.parse_args()
    trained = Trained(arguments.run)
    features = trained.features([patient for patient in load_patients() if not is_held_out(patient.id)])
    sample = {"features": features[:64]}
    graphs = both(trained.network, sample, OUTPUTS)
    measured = {precision: measure(trained, graph) for precision, graph in graphs.items()}
    metrics = card_metrics(arguments.precision, measured, COMPARED)
    folder: Path = arguments.repository / NAME
    graphs[arguments.precision].save(folder / "1" / "model.onnx")
    population, right, found = reference_population(trained, graphs[arguments.precision], features)
    population.save(folder / "reference.npz")
    shutil.copy(VOCABULARY, folder / "vocabulary.json")
    precision = card_precision(arguments.precision, graphs, sample)
    print(write_card(card(trained, metrics, right, found, precision), arguments.repository))


if __name__ == "__main__":
    main()
