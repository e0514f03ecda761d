"""Trains the two networks of `chest_xray`: `python -m training.chest_xray.train [--run DIR]`.

One learns from nothing, the other starts from ImageNet's weights. They err in different places, so their mean
is better calibrated than either (docs/adr/0006-two-networks-read-the-chest.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from training.chest_xray.data import LABELS, SIDE_PX, load, split_calibration
from training.imaging.augmentation import AugmentationRange
from training.imaging.efficientnet_lite import EfficientNetLite
from training.imaging.figures import auroc
from training.imaging.fitting import FitSettings, Stage, fit
from training.imaging.network import Ensemble, ImageNetwork, MappedNetwork

WIDTHS = (48, 96, 192, 384)
RUN = Path(__file__).resolve().parents[1] / "runs" / "chest_xray"


@dataclass(frozen=True)
class Member:
    """One network of the ensemble: what it starts as, and how it is trained."""

    start: Callable[[], MappedNetwork]
    settings: FitSettings


MEMBERS = {
    "residual": Member(
        lambda: ImageNetwork(WIDTHS, len(LABELS), drop_path=0.1, dropout=0.2),
        FitSettings(stages=(Stage(128, 14), Stage(160, 6), Stage(192, 12), Stage(SIDE_PX, 14))),
    ),
    "pretrained": Member(
        lambda: EfficientNetLite.from_imagenet(len(LABELS), drop_path=0.1, dropout=0.3),
        FitSettings(
            stages=(Stage(SIDE_PX, 18),),
            frozen_epochs=6,
            learning_rate=1e-3,
            average_decay=0.995,
            # Germs differ in texture, which noise and blur would take away.
            augmentation=AugmentationRange(noise_deviation=2, blur_probability=0.1, erase_probability=0.2),
        ),
    ),
}


def load_network(run: Path) -> Ensemble:
    """The trained networks of a run, as one."""
    networks = []
    for name, member in MEMBERS.items():
        network = member.start()
        network.load_state_dict(torch.load(run / f"{name}.pt", weights_only=True))
        networks.append(network)
    return Ensemble(networks)


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
    for name, member in MEMBERS.items():
        print(f"{name} network")
        torch.manual_seed(arguments.seed)
        network = fit(
            member.start(),
            replace(member.settings, seed=arguments.seed),
            (fitted.images, fitted.labels),
            arguments.run / f"{name}.ckpt",
            (held.images, held.labels),
            lambda logits: "auroc normal-pneumonia {:.4f} bacterial-viral {:.4f}".format(
                *scores(logits, held.labels)
            ),
        )
        torch.save(network.state_dict(), arguments.run / f"{name}.pt")


if __name__ == "__main__":
    main()
