"""Trains `image_gate`: `python -m training.image_gate.train [--run DIR]`; a few minutes on one core."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from services.imaging.gate import GATE_LABELS
from services.imaging.models import GATE_SIDE_PX
from training.image_gate.data import UNKNOWN, Examples, medical_greys, training_examples
from training.imaging.augmentation import AugmentationRange, augment
from training.imaging.fitting import device
from training.imaging.network import ImageNetwork

WIDTHS = (16, 32, 64, 128)
EPOCHS = 8
BATCH = 64
LEARNING_RATE = 2e-3
RUN = Path(__file__).resolve().parents[1] / "runs" / "image_gate"
AUGMENTATION = AugmentationRange(
    rotation_deg=10, scale=0.1, shift=0.05, contrast=0.3, gamma=0.3, erase_probability=0.2
)


def build_network() -> ImageNetwork:
    return ImageNetwork(WIDTHS, len(GATE_LABELS), drop_path=0.05, dropout=0.1)


def gate_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy over the three kinds, binary cross entropy over the flags that are known."""
    kinds = functional.cross_entropy(logits[:, :3], targets[:, :3], label_smoothing=0.02)
    known = (targets[:, 3:] != UNKNOWN).float()
    flags = functional.binary_cross_entropy_with_logits(
        logits[:, 3:], targets[:, 3:].clamp_min(0), reduction="none"
    )
    return kinds + (flags * known).sum() / known.sum().clamp_min(1)


def fit_gate(examples: Examples, checkpoint: Path, seed: int) -> ImageNetwork:
    """Resumes from `checkpoint`; the random numbers of an epoch depend only on the seed and the epoch."""
    torch.manual_seed(seed)
    where = device()
    network = build_network().to(where, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.02, fused=True)
    steps = len(examples.images) // BATCH
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["epoch"]
    for epoch in range(start, EPOCHS):
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        torch.manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(examples.images), generator=generator).numpy()
        network.train()
        total = 0.0
        for step in tqdm(range(steps), desc=f"epoch {epoch + 1}/{EPOCHS}", leave=False, mininterval=5):
            done = (epoch * steps + step) / (EPOCHS * steps)
            for group in optimizer.param_groups:
                group["lr"] = (
                    LEARNING_RATE
                    * min(1, done * 20 + 0.05)
                    * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
                )
            chosen = order[step * BATCH : (step + 1) * BATCH]
            x = augment(torch.from_numpy(examples.images[chosen]), GATE_SIDE_PX, AUGMENTATION, generator)
            with torch.autocast(where.type, torch.bfloat16):
                logits = network(x.to(where).contiguous(memory_format=torch.channels_last))[0].float()
            loss = gate_loss(logits, torch.from_numpy(examples.targets[chosen]).to(where))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1:2d} loss {total / steps:.4f}", flush=True)
        torch.save(
            {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1},
            checkpoint,
        )
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    chest, _, head, _ = medical_greys()
    examples = training_examples(chest, head, arguments.seed)
    print(f"{len(examples.images)} examples")
    network = fit_gate(examples, arguments.run / "checkpoint.pt", arguments.seed)
    torch.save(network.state_dict(), arguments.run / "weights.pt")


if __name__ == "__main__":
    main()
