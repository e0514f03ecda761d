"""Measures the ranker and what it has to beat on the held-out patients: `python -m
training.treatment_ranker.evaluate`.

Both views of `views` count: `whole` hides half of a patient's treatments, `decision` looks at one random day
of each patient on which medications began. Figures are of medications unless they say otherwise; treatments
that the patient is known to have had are not ranked. Recall@5 is |hits| / min(5, hidden) and NDCG@10 is
normalised by the best possible order, as in Liang et al. (WWW 2018). A medication that the vocabulary lacks
counts as missed. Intervals: bootstrap over patients.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medmesh.common.v1.model_card_pb2 import Metric
from services.clinical.statuses import Gender
from services.recommendation.features import FeatureEncoder, Vocabulary
from training.figures import calibration_error, metric
from training.onnx_runtime import PRECISIONS
from training.precisions import Graph, Inputs
from training.synthea import SyntheaPatient, is_held_out, load_patients
from training.treatment_ranker import rankers
from training.treatment_ranker.network import Autoencoder, Recipe, ranker
from training.treatment_ranker.served import Calibration, Served
from training.treatment_ranker.train import RUN
from training.treatment_ranker.views import Views, decision_views, hide_at_random, whole_views

SEED = 7
"""Of what is hidden and of which day is looked at."""
AGE_BANDS = ((0, 18), (18, 45), (45, 65), (65, 131))
FIGURES = ("recall_at_5", "ndcg_at_10")
OUTPUTS = ("scores",)


class Trained:
    """The artefacts of a run."""

    def __init__(self, run: Path) -> None:
        # The checkpoint is this code's own.
        saved = torch.load(run / "ranker.pt", weights_only=False)
        self.recipe: Recipe = saved["recipe"]
        self.calibration: Calibration = saved["calibration"]
        self.encoder = FeatureEncoder(Vocabulary.load(run / "vocabulary.json"))
        shape = (self.encoder.size, len(self.encoder.vocabulary.treatments))
        self.network = Autoencoder(*shape, self.recipe)
        self.network.load_state_dict(saved["network"])
        self.served = Served(self.network, np.zeros(shape), self.calibration)
        self.served.load_state_dict(saved["served"])
        self.network.eval()
        self.served.eval()


def records(trained: Trained) -> Inputs:
    """The ranker's input for the whole records of the held-out patients: what a graph is tried on."""
    held_out = [patient for patient in load_patients() if is_held_out(patient.id)]
    return {"features": whole_views(held_out, trained.encoder).features}


def graph_ranker(graph: Graph, treatments: slice) -> rankers.Ranker:
    """The exported ranker, with its calibrated probabilities."""

    def score(features: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float64]:
        (scores,) = graph.run({"features": rankers.with_visible(features, visible, treatments)})
        return scores.astype(np.float64)

    return score


VIEWS = {
    "whole": "half of each record's treatments hidden",
    "decision": "what began on one random day of each patient hidden",
}


class Test:
    """One view of the held-out patients: what is visible, what has to be found."""

    def __init__(
        self, name: str, views: Views, visible: NDArray[np.bool_], hidden: NDArray[np.bool_]
    ) -> None:
        self.name, self.views, self.visible, self.hidden = name, views, visible, hidden

    def measure(self, score: rankers.Ranker, allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Recall@5 and NDCG@10 of every patient, [n, 2]."""
        scores = np.where(self.visible | ~allowed, -np.inf, score(self.views.features, self.visible))
        top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        hits = np.take_along_axis(self.hidden & allowed, top, axis=1)
        wanted = (self.hidden & allowed).sum(axis=1) + self.views.outside
        discount = 1.0 / np.log2(np.arange(10) + 2.0)
        best = np.array([discount[: min(10, count)].sum() for count in wanted])
        return np.stack(
            [hits[:, :5].sum(axis=1) / np.minimum(5, wanted), (hits * discount).sum(axis=1) / best], axis=1
        )


def tests_of(patients: list[SyntheaPatient], encoder: FeatureEncoder) -> list[Test]:
    """The two tests, on patients with at least two medications (`whole`) or one (`decision`)."""
    rng = np.random.default_rng(SEED)
    medications = medication_mask(encoder)
    whole = whole_views(patients, encoder)
    whole = whole.rows((whole.candidates & medications).sum(axis=1) + whole.outside >= 2)
    hidden = hide_at_random(whole.candidates, 0.5, rng)
    found = (hidden & medications).sum(axis=1) + whole.outside > 0
    whole, hidden = whole.rows(found), hidden[found]
    decision = decision_views(patients, encoder)
    decision = decision.rows((decision.candidates & medications).sum(axis=1) + decision.outside > 0)
    decision = decision.rows(rng.permutation(len(decision.owner)))
    decision = decision.rows(np.unique(decision.owner, return_index=True)[1])
    return [
        Test("whole", whole, whole.candidates & ~hidden, hidden),
        Test("decision", decision, decision.before, decision.candidates),
    ]


def medication_mask(encoder: FeatureEncoder) -> NDArray[np.bool_]:
    """Which treatments are medications, bool [T]."""
    return np.array([treatment.kind == "medication" for treatment in encoder.vocabulary.treatments])


def measure(trained: Trained, graph: Graph) -> list[Metric]:
    """Every figure of the card, for this form of the ranker and for what it is compared with."""
    encoder, slice_ = trained.encoder, trained.encoder.treatment_slice
    patients = load_patients()
    held_out = [patient for patient in patients if is_held_out(patient.id)]
    whole = whole_views([patient for patient in patients if not is_held_out(patient.id)], encoder)
    medications = medication_mask(encoder)
    served = graph_ranker(graph, slice_)
    compared: dict[str, rankers.Ranker] = {
        "popularity": rankers.popularity(whole),
        "ease_medications": rankers.ease(whole, medications),
        "ease": rankers.ease(whole),
        "ease_with_side": rankers.ease_with_side(whole, slice_),
        "content": rankers.content(whole),
        "autoencoder": ranker(trained.network, slice_),
        "served": served,
    }
    metrics: list[Metric] = []
    for test in tests_of(held_out, encoder):
        results = {name: test.measure(score, medications) for name, score in compared.items()}
        metrics += _figures(test, results)
        everything = test.measure(served, np.ones_like(medications))
        metrics += [
            _metric(f"{figure}_{test.name}_all_treatments", everything[:, column], test, of="all treatments")
            for column, figure in enumerate(FIGURES)
        ]
        metrics += _subgroups(test, results["served"], held_out)
        metrics.append(_calibration(test, served))
    for entry in metrics:
        entry.measured_on += f", {graph.precision}"
    return metrics


def _figures(test: Test, results: dict[str, NDArray[np.float64]]) -> list[Metric]:
    metrics = []
    for column, figure in enumerate(FIGURES):
        values = {name: result[:, column] for name, result in results.items()}
        served = values["served"]
        metrics.append(_metric(f"{figure}_{test.name}", served, test))
        metrics += [
            _metric(f"{figure}_{test.name}_of_{name}", values[name], test)
            for name in values
            if name != "served"
        ]
        gain = functools.partial(_relative_gain, served, values["popularity"])
        metrics.append(_metric_of(f"{figure}_{test.name}_over_popularity", gain, test))
        for rival in ("ease", "ease_with_side"):
            metrics.append(_metric(f"{figure}_{test.name}_minus_{rival}", served - values[rival], test))
    return metrics


def _relative_gain(ours: NDArray[np.float64], theirs: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    return float(ours[rows].mean() / theirs[rows].mean() - 1.0)


def _subgroups(test: Test, result: NDArray[np.float64], patients: list[SyntheaPatient]) -> list[Metric]:
    records = [patients[owner].record for owner in test.views.owner]
    ages = test.views.features[:, 1] * 100.0
    groups = {
        "sex=female": np.array([record.gender is Gender.FEMALE for record in records]),
        "sex=male": np.array([record.gender is Gender.MALE for record in records]),
        **{f"age={low}-{high - 1}": (ages >= low - 0.01) & (ages < high - 0.01) for low, high in AGE_BANDS},
    }
    return [
        _metric(f"{figure}_{test.name}", result[rows, column], test, name)
        for name, rows in groups.items()
        if rows.sum() >= 20
        for column, figure in enumerate(FIGURES)
    ]


def _calibration(test: Test, served: rankers.Ranker) -> Metric:
    score = served(test.views.features, test.visible)

    def error(rows: NDArray[np.int64]) -> float:
        counted = ~test.visible[rows]
        return calibration_error(score[rows][counted], test.hidden[rows][counted])

    return _metric_of(f"calibration_error_{test.name}", error, test, of="all treatments")


def _metric(
    name: str, values: NDArray[np.float64], test: Test, subgroup: str = "", of: str = "medications"
) -> Metric:
    groups = np.arange(len(values))
    return metric(
        name,
        lambda rows: float(values[rows].mean()),
        groups,
        measured_on=_measured_on(test, of),
        subgroup=subgroup,
    )


def _metric_of(
    name: str, figure: Callable[[NDArray[np.int64]], float], test: Test, of: str = "medications"
) -> Metric:
    groups = np.arange(len(test.views.owner))
    return metric(name, lambda rows: float(figure(rows)), groups, measured_on=_measured_on(test, of))


def _measured_on(test: Test, of: str) -> str:
    return f"Synthea, held-out patients, {of}, view `{test.name}` ({VIEWS[test.name]}), seed {SEED}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default %(default)s")
    arguments = parser.parse_args()
    trained = Trained(arguments.run)
    graph = Graph(trained.served, records(trained), OUTPUTS, arguments.precision)
    for entry in measure(trained, graph):
        interval = f"{entry.ci_low:.4f}-{entry.ci_high:.4f}"
        print(f"{entry.name:48s} {entry.subgroup:14s} {entry.value:8.4f}  {interval}  n={entry.case_count}")


if __name__ == "__main__":
    main()
