"""Trains `chest_xray` from scratch: `python -m training.chest_xray.train [--run DIR]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from training.chest_xray.data import LABELS, load, split_calibration
from training.imaging.figures import auroc
from training.imaging.fitting import FitSettings, Stage, fit
from training.imaging.network import ImageNetwork

SIDE_PX = 224
WIDTHS = (48, 96, 192, 384)
SETTINGS = FitSettings(stages=(Stage(128, 14), Stage(160, 6), Stage(192, 12), Stage(224, 14)))
RUN = Path(__file__).resolve().parents[1] / "runs" / "chest_xray"


def build_network() -> ImageNetwork:
    return ImageNetwork(WIDTHS, len(LABELS), drop_path=0.1, dropout=0.2)


def scores(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """AUROC of pneumonia against normal, and of bacterial against viral among the pneumonias."""
    probabilities = softmax(logits, axis=1)
    sick = labels > 0
    ratio = logits[sick, 1] - logits[sick, 2]
    return auroc(sick, 1 - probabilities[:, 0]), auroc(labels[sick] == 1, ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    fitted, held = split_calibration(load("train"))
    print(
        f"{len(fitted.files)} images to fit on, {len(held.files)} of other patients to stop and calibrate on"
    )
    torch.manual_seed(arguments.seed)
    network = fit(
        build_network(),
        FitSettings(stages=SETTINGS.stages, seed=arguments.seed),
        (fitted.images, fitted.labels),
        (held.images, held.labels),
        arguments.run / "checkpoint.pt",
        lambda logits: "auroc normal-pneumonia {:.4f} bacterial-viral {:.4f}".format(
            *scores(logits, held.labels)
        ),
    )
    torch.save(network.state_dict(), arguments.run / "weights.pt")


if __name__ == "__main__":
    main()
