"""Trains the patient encoder on the training patients: `python -m training.patient_encoder.train`.

It reads records with the vocabulary of the treatment ranker, which has to be trained before. Writes
`encoder.pt` into `training/runs/patient_encoder`; an interrupted run goes on from its last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from services.recommendation.features import FeatureEncoder, Vocabulary
from training.model_card import MODEL_REPOSITORY
from training.patient_encoder.network import Recipe, train
from training.synthea import ROOT, is_held_out, load_patients

RUN = ROOT / "training" / "runs" / "patient_encoder"
VOCABULARY = MODEL_REPOSITORY / "treatment_ranker" / "vocabulary.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    arguments = parser.parse_args()
    recipe = Recipe(seed=arguments.seed)
    torch.set_num_threads(1)
    arguments.run.mkdir(parents=True, exist_ok=True)
    encoder = FeatureEncoder(Vocabulary.load(VOCABULARY))
    records = [patient.record for patient in load_patients() if not is_held_out(patient.id)]
    features = np.stack([encoder.encode(record) for record in records])
    print(f"{len(records)} patients, {encoder.size} features")
    resume = arguments.run / "network.ckpt"
    network = train(features, encoder, recipe, resume=resume)
    torch.save({"network": network.state_dict(), "recipe": recipe}, arguments.run / "encoder.pt")
    resume.unlink()


if __name__ == "__main__":
    main()
