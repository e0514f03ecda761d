"""Measures the patient encoder on the held-out patients: `python -m training.patient_encoder.evaluate`.

How much do the ten training patients that are most alike share with a held-out patient? The figure is the
Jaccard index of the conditions of both (all they ever had, those of the vocabulary), against ten patients
drawn at random, and ten drawn at random from those of the same sex within five years of age.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric
from services.recommendation.features import FeatureEncoder, Vocabulary
from training.figures import metric
from training.onnx_runtime import PRECISIONS
from training.patient_encoder.network import Recipe, RecordAutoencoder, continuous_features
from training.patient_encoder.train import RUN, VOCABULARY
from training.precisions import Graph
from training.synthea import SyntheaPatient, is_held_out, load_patients

AGE_BANDS = ((0, 18), (18, 45), (45, 65), (65, 131))
NEIGHBOURS = 10
SEED = 7
OUTPUTS = ("representation", "reconstruction")


class Trained:
    """The artefacts of a run."""

    def __init__(self, run: Path) -> None:
        # The file is this code's own.
        saved = torch.load(run / "encoder.pt", weights_only=False)
        self.recipe: Recipe = saved["recipe"]
        self.encoder = FeatureEncoder(Vocabulary.load(VOCABULARY))
        self.network = RecordAutoencoder(self.encoder.size, continuous_features(self.encoder), self.recipe)
        self.network.load_state_dict(saved["network"])
        self.network.eval()
        names = self.encoder.vocabulary.names()
        self.ever = np.array([index for index, name in enumerate(names) if name.endswith(":ever")])

    def features(self, patients: list[SyntheaPatient]) -> NDArray[np.float32]:
        """Whole records, FP32 [n, F]."""
        return np.stack([self.encoder.encode(patient.record) for patient in patients])


def measure(trained: Trained, graph: Graph) -> list[Metric]:
    """Every figure of the card, for this form of the encoder."""
    patients = load_patients()
    reference = [patient for patient in patients if not is_held_out(patient.id)]
    held_out = [patient for patient in patients if is_held_out(patient.id)]
    known, asked = trained.features(reference), trained.features(held_out)
    known_conditions, conditions = known[:, trained.ever] > 0, asked[:, trained.ever] > 0
    representations, reconstructed = graph.run({"features": asked})
    known_representations, _ = graph.run({"features": known})
    nearest = np.argsort(-representations @ known_representations.T, axis=1)[:, :NEIGHBOURS]
    rng = np.random.default_rng(SEED)
    anybody = np.stack([rng.choice(len(reference), NEIGHBOURS, replace=False) for _ in held_out])
    alike = np.stack([rng.choice(_same_age_and_sex(trained, known, row), NEIGHBOURS) for row in asked])
    has_any = conditions.any(axis=1)

    def shared(neighbours: NDArray[np.int64]) -> NDArray[np.float64]:
        return _jaccard(conditions[:, None], known_conditions[neighbours]).mean(axis=1)[has_any]

    near, chance, matched = shared(nearest), shared(anybody), shared(alike)
    groups = np.arange(len(near))
    on = (
        f"Synthea, held-out patients, each against {NEIGHBOURS} of {len(reference)} training patients "
        f"(Jaccard index of their conditions), seed {SEED}, {graph.precision}"
    )
    on_own = f"Synthea, held-out patients, their own conditions reconstructed, {graph.precision}"
    predicted = reconstructed[:, trained.ever] >= 0.5
    everybody = np.arange(len(held_out))
    metrics = [
        metric("shared_conditions_of_similar", lambda r: float(near[r].mean()), groups, measured_on=on),
        metric("shared_conditions_of_random", lambda r: float(chance[r].mean()), groups, measured_on=on),
        metric(
            "shared_conditions_of_same_age_and_sex",
            lambda r: float(matched[r].mean()),
            groups,
            measured_on=on,
        ),
        metric(
            "similar_over_random", lambda r: float(near[r].mean() / chance[r].mean()), groups, measured_on=on
        ),
        metric(
            "similar_over_same_age_and_sex",
            lambda r: float(near[r].mean() / matched[r].mean()),
            groups,
            measured_on=on,
        ),
        metric(
            "condition_precision",
            lambda r: float((predicted[r] & conditions[r]).sum() / predicted[r].sum()),
            everybody,
            measured_on=on_own,
        ),
        metric(
            "condition_recall",
            lambda r: float((predicted[r] & conditions[r]).sum() / conditions[r].sum()),
            everybody,
            measured_on=on_own,
        ),
    ]
    for name, inside in _subgroups(trained, asked[has_any]).items():
        group = near[inside]
        metrics.append(
            metric(
                "shared_conditions_of_similar",
                functools.partial(_mean, group),
                np.arange(len(group)),
                measured_on=on,
                subgroup=name,
            )
        )
    return metrics


def _subgroups(trained: Trained, features: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    names = trained.encoder.vocabulary.names()
    ages = np.round(features[:, names.index("age")] * 100.0)
    return {f"sex={name}": features[:, names.index(name)] > 0 for name in ("female", "male")} | {
        f"age={low}-{high - 1}": (ages >= low) & (ages < high) for low, high in AGE_BANDS
    }


def _mean(values: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    return float(values[rows].mean())


def _jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shared over all conditions, along the last axis."""
    either = (one | other).sum(axis=-1)
    return np.asarray((one & other).sum(axis=-1) / np.maximum(either, 1))


def _same_age_and_sex(
    trained: Trained, known: NDArray[np.float32], row: NDArray[np.float32]
) -> NDArray[np.int64]:
    names = trained.encoder.vocabulary.names()
    age, female = names.index("age"), names.index("female")
    near = (np.abs(known[:, age] - row[age]) <= 0.05) & (known[:, female] == row[female])
    return np.flatnonzero(near) if near.any() else np.arange(len(known))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default %(default)s")
    arguments = parser.parse_args()
    trained = Trained(arguments.run)
    sample = {"features": trained.features(load_patients()[:64])}
    for entry in measure(trained, Graph(trained.network, sample, OUTPUTS, arguments.precision)):
        interval = f"{entry.ci_low:.4f}-{entry.ci_high:.4f}"
        print(f"{entry.name:40s} {entry.subgroup:12s} {entry.value:8.4f}  {interval}  n={entry.case_count}")


if __name__ == "__main__":
    main()
