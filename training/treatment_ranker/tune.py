"""Chooses the rankers' constants by cross-validation of the training patients: `python -m
training.treatment_ranker.tune`.

The held-out patients are not touched. Prints recall@5 and NDCG@10 of both views for each value; the constants
in `rankers`, `network` and `served` have the best mean of the four figures in this table, or, where values
differ by less than 0.005, which is noise, are the smallest of those.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray

from services.recommendation.features import FeatureEncoder
from training.synthea import is_held_out, load_patients
from training.treatment_ranker import rankers
from training.treatment_ranker.evaluate import SEED, Test, medication_mask, tests_of
from training.treatment_ranker.network import Recipe, ranker, train
from training.treatment_ranker.views import decision_views, learn_vocabulary, whole_views

EASE_PENALTIES = (5.0, 20.0, 50.0, 200.0)
SIDE_PENALTIES = (2.0, 5.0, 10.0, 20.0, 100.0)
EASE_SHARES = (2.0, 4.0, 6.0, 9.0, 13.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=3)
    folds = parser.parse_args().folds
    torch.set_num_threads(1)
    patients = [patient for patient in load_patients() if not is_held_out(patient.id)]
    fold_of = np.random.default_rng(SEED).permutation(len(patients)) % folds
    figures: defaultdict[str, list[list[float]]] = defaultdict(list)
    for fold in range(folds):
        inside = [patient for patient, its in zip(patients, fold_of, strict=True) if its != fold]
        outside = [patient for patient, its in zip(patients, fold_of, strict=True) if its == fold]
        encoder = FeatureEncoder(learn_vocabulary(inside))
        whole, decision = whole_views(inside, encoder), decision_views(inside, encoder)
        treatments = encoder.treatment_slice
        tests = tests_of(outside, encoder)
        allowed = medication_mask(encoder)
        scored: dict[str, rankers.Ranker] = {"popularity": rankers.popularity(whole)}
        for penalty in EASE_PENALTIES:
            scored[f"EASE, penalty {penalty:g}"] = rankers.ease(whole, penalty=penalty)
        for penalty in SIDE_PENALTIES:
            scored[f"EASE with side information, penalty {penalty:g}"] = rankers.ease_with_side(
                whole, treatments, penalty=penalty
            )
        side = rankers.ease_with_side(whole, treatments)
        for loss in ("binary", "multinomial"):
            network = train(whole, decision, treatments, Recipe(loss=loss))
            alone = ranker(network, treatments)
            scored[f"autoencoder, {loss} loss"] = alone
            for share in EASE_SHARES:
                scored[f"autoencoder, {loss} loss, with {share:g} times EASE"] = _sum(alone, side, share)
        for name, score in scored.items():
            figures[name].append(_four(tests, score, allowed))
        print(f"fold {fold + 1} of {folds} done", flush=True)
    print("mean    recall@5 whole, NDCG@10 whole, recall@5 decision, NDCG@10 decision")
    for name, rows in figures.items():
        row = np.mean(rows, axis=0)
        print(f"{row.mean():.4f}  " + "  ".join(f"{value:.4f}" for value in row) + f"  {name}")


def _four(tests: list[Test], score: rankers.Ranker, allowed: NDArray[np.bool_]) -> list[float]:
    return [value for test in tests for value in test.measure(score, allowed).mean(axis=0).tolist()]


def _sum(network: rankers.Ranker, side: rankers.Ranker, share: float) -> rankers.Ranker:
    return lambda features, visible: network(features, visible) + share * side(features, visible)


if __name__ == "__main__":
    main()
