"""Trains the treatment ranker on the training patients: `python -m training.treatment_ranker.train`.

Writes `vocabulary.json` and `ranker.pt` into `training/runs/treatment_ranker`; an interrupted run goes on
from its last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from services.recommendation.features import FeatureEncoder
from training.synthea import ROOT, is_held_out, load_patients
from training.treatment_ranker.network import Recipe, train
from training.treatment_ranker.rankers import side_weights
from training.treatment_ranker.served import Served, calibrate
from training.treatment_ranker.views import decision_views, learn_vocabulary, whole_views

RUN = ROOT / "training" / "runs" / "treatment_ranker"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    arguments = parser.parse_args()
    recipe = Recipe(seed=arguments.seed)
    torch.set_num_threads(1)
    arguments.run.mkdir(parents=True, exist_ok=True)

    patients = [patient for patient in load_patients() if not is_held_out(patient.id)]
    vocabulary = learn_vocabulary(patients)
    vocabulary.save(arguments.run / "vocabulary.json")
    encoder = FeatureEncoder(vocabulary)
    whole, decision = whole_views(patients, encoder), decision_views(patients, encoder)
    print(f"{len(patients)} patients, {encoder.size} features, {len(vocabulary.treatments)} treatments")
    resume = arguments.run / "network.ckpt"
    network = train(whole, decision, encoder.treatment_slice, recipe, resume=resume)
    print("calibrating on patients left out in turn")
    calibration = calibrate(whole, decision, encoder.treatment_slice, recipe)
    print(f"slope {calibration.slope:.3f}, offset {calibration.offset:.3f}")
    served = Served(network, side_weights(whole, encoder.treatment_slice), calibration)
    torch.save(
        {
            "network": network.state_dict(),
            "served": served.state_dict(),
            "calibration": calibration,
            "recipe": recipe,
        },
        arguments.run / "ranker.pt",
    )
    resume.unlink()


if __name__ == "__main__":
    main()
