"""Cross-validates and trains `head_ct`: `python -m training.head_ct.train [--run DIR] [--chest WEIGHTS]`.

With 149 slices there is no test set to spare: the figures come from repeated stratified cross-validation, in
which every
prediction is of a slice that its network has not seen; the network that is served is then trained on all
slices in the
same way. Nothing is stopped or chosen by looking at held-out slices: the number of epochs is fixed
beforehand.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import StratifiedKFold
from torch.nn import functional
from tqdm import tqdm

from training.chest_xray import train as chest
from training.head_ct.data import LABELS, load
from training.imaging.augmentation import AugmentationRange, augment, mix
from training.imaging.figures import auroc
from training.imaging.fitting import device, predict
from training.imaging.network import ImageNetwork

FOLDS = 5
EPOCHS = 30
BATCH = 24
LEARNING_RATE = 5e-4
AUGMENTATION = AugmentationRange(
    rotation_deg=20,
    scale=0.15,
    shift=0.06,
    contrast=0.25,
    gamma=0.25,
    noise_deviation=8,
    erase_probability=0.2,
)
RUN = Path(__file__).resolve().parents[1] / "runs" / "head_ct"


def build_network() -> ImageNetwork:
    return ImageNetwork(chest.WIDTHS, len(LABELS), drop_path=0.1, dropout=0.3)


def transferred(weights: Path) -> ImageNetwork:
    """The residual network of `chest_xray` with a fresh head."""
    network = build_network()
    state = torch.load(weights, weights_only=True)
    network.load_state_dict(
        network.state_dict() | {k: v for k, v in state.items() if not k.startswith("head.")}
    )
    return network


def fit_slices(
    network: ImageNetwork, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], seed: int
) -> ImageNetwork:
    """Fine-tunes all of `network` on uint8 `[n, side, side]` for `EPOCHS` epochs."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    where = device()
    network = network.to(where, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.05, fused=True)
    side = images.shape[-1]
    total = EPOCHS * math.ceil(len(images) / BATCH)
    step = 0
    network.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator).numpy()
        for start in range(0, len(order), BATCH):
            for group in optimizer.param_groups:
                warm = min(1.0, (step + 1) / (0.1 * total))
                group["lr"] = (
                    LEARNING_RATE * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / total)) / 2)
                )
            step += 1
            chosen = order[start : start + BATCH]
            if len(chosen) < 2:
                continue
            x = augment(torch.from_numpy(images[chosen]), side, AUGMENTATION, generator)
            target = functional.one_hot(torch.from_numpy(labels[chosen]), len(LABELS)).float()
            x, target = mix(x, target, 0.2, generator)
            with torch.autocast(where.type, torch.bfloat16):
                logits = network(x.to(where).contiguous(memory_format=torch.channels_last))[0].float()
            loss = functional.cross_entropy(logits, target.to(where), label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
    return network.eval()


def fold_weights(work: Path, fold: int) -> Path:
    """Where the network of one fold of the first repeat is kept."""
    return work / f"fold_{fold}.pt"


def folds_of(
    repeat: int, labels: npt.NDArray[np.int64]
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """(trained on, held out) row numbers of each fold."""
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(labels, labels))


def cross_validate(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    chest_weights: Path,
    repeats: int,
    work: Path,
) -> npt.NDArray[np.float64]:
    """Held-out logits, float64 `[repeats, n, 2]`; folds that were already done are read from `work`."""
    logits = np.zeros((repeats, len(labels), len(LABELS)))
    for repeat in range(repeats):
        file = work / f"repeat_{repeat}.npy"
        if file.exists():
            logits[repeat] = np.load(file)
            continue
        parts = tqdm(folds_of(repeat, labels), desc=f"repeat {repeat + 1}/{repeats}", mininterval=5)
        for fold, (kept, out) in enumerate(parts):
            seed = 1000 * repeat + fold
            torch.manual_seed(seed)
            network = fit_slices(transferred(chest_weights), images[kept], labels[kept], seed)
            logits[repeat, out] = predict(network, images[out])
            if repeat == 0:  # kept, to measure what int8 loses on slices that a network has not seen
                torch.save(network.state_dict(), fold_weights(work, fold))
        np.save(file, logits[repeat])
        difference = logits[repeat, :, 1] - logits[repeat, :, 0]
        print(f"repeat {repeat + 1}: AUROC {auroc(labels == 1, difference):.4f}", flush=True)
    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--chest", type=Path, default=chest.RUN / "residual.pt", help="weights to start from")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    slices = load()
    images = slices.inputs()
    cross_validate(images, slices.labels, arguments.chest, arguments.repeats, arguments.run)
    torch.manual_seed(0)
    network = fit_slices(transferred(arguments.chest), images, slices.labels, seed=0)
    torch.save(network.state_dict(), arguments.run / "weights.pt")


if __name__ == "__main__":
    main()
