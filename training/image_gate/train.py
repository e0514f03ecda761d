"""Trains `image_gate`: `python -m training.image_gate.train [--run DIR] [--workers N]`.

Seven minutes with a GPU and 16 workers, which draw the examples; some hours on one core without.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from services.imaging.grey import Grey
from training.image_gate.columns import GATE_LABELS, GATE_SIDE_PX
from training.image_gate.data import (
    CONDITIONS,
    FLAGS,
    KINDS,
    UNKNOWN,
    Counts,
    Examples,
    medical_greys,
    training_examples,
)
from training.imaging.augmentation import AugmentationRange, augment
from training.imaging.fitting import device
from training.imaging.network import ImageNetwork

WIDTHS = (24, 32, 64, 96)
CYCLES = ((30, 2e-3), (14, 1.2e-3))
"""Rounds, and the learning rate that they begin with and anneal from. Each round draws its examples afresh:
of few images, flaws that never come twice."""
ROUNDS = sum(rounds for rounds, _ in CYCLES)
BATCH = 64
RUN = Path(__file__).resolve().parents[1] / "runs" / "image_gate"
AUGMENTATION = AugmentationRange(
    rotation_deg=10,
    scale=0.1,
    shift=0.05,
    contrast=0.3,
    gamma=0.3,
    blur_probability=0.15,
    erase_probability=0,
)


def build_network() -> ImageNetwork:
    return ImageNetwork(WIDTHS, len(GATE_LABELS), drop_path=0.05, dropout=0.1)


def gate_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy over the kinds and, where it is known, the condition; binary over the flags that are
    known.
    """
    kinds = functional.cross_entropy(logits[:, KINDS], targets[:, KINDS], label_smoothing=0.02)
    judged = targets[:, CONDITIONS.start] != UNKNOWN
    conditions = functional.cross_entropy(
        logits[judged][:, CONDITIONS], targets[judged][:, CONDITIONS], label_smoothing=0.02
    )
    known = (targets[:, FLAGS] != UNKNOWN).float()
    flags = functional.binary_cross_entropy_with_logits(
        logits[:, FLAGS], targets[:, FLAGS].clamp_min(0), reduction="none"
    )
    return kinds + conditions + (flags * known).sum() / known.sum().clamp_min(1)


def learning_rate(done: float) -> float:
    """After so many rounds: a short rise, then a half cosine, in each cycle."""
    for rounds, peak in CYCLES:
        if done < rounds:
            share = done / rounds
            return peak * min(1, share * 20 + 0.05) * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
        done -= rounds
    return 0.0


def drawn_by(workers: int, chest: list[Grey], head: list[Grey]) -> Callable[[int], Examples]:
    """Draws a round's examples from its seed, a part in each of so many processes."""
    part = Counts(*(count // workers for count in astuple(Counts())))

    def draw(seed: int) -> Examples:
        if workers == 1:
            return training_examples(chest, head, seed)
        draw_part = partial(training_examples, chest, head, counts=part)
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            parts = list(pool.map(draw_part, [seed * workers + number for number in range(workers)]))
        return Examples(
            np.concatenate([part.images for part in parts]), np.concatenate([part.targets for part in parts])
        )

    return draw


def fit_gate(draw: Callable[[int], Examples], checkpoint: Path, seed: int) -> ImageNetwork:
    """One pass over the examples of each round, which `draw` makes from the round's seed.

    Resumes from `checkpoint`; the random numbers of a round depend only on the seed and the round.
    """
    torch.manual_seed(seed)
    where = device()
    network = build_network().to(where, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), CYCLES[0][1], weight_decay=0.02, fused=True)
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["round"]
    for number in range(start, ROUNDS):
        examples = draw(seed * ROUNDS + number)
        generator = torch.Generator().manual_seed(seed * 100_003 + number)
        torch.manual_seed(seed * 100_003 + number)
        order = torch.randperm(len(examples.images), generator=generator).numpy()
        steps = len(order) // BATCH
        network.train()
        total = 0.0
        for step in tqdm(range(steps), desc=f"round {number + 1}/{ROUNDS}", leave=False, mininterval=5):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(number + step / steps)
            chosen = order[step * BATCH : (step + 1) * BATCH]
            x = augment(torch.from_numpy(examples.images[chosen]), GATE_SIDE_PX, AUGMENTATION, generator)
            # bfloat16 is quick on a GPU; processors without it emulate it.
            with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
                logits = network(x.to(where).contiguous(memory_format=torch.channels_last))[0].float()
            loss = gate_loss(logits, torch.from_numpy(examples.targets[chosen]).to(where))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            total += loss.item()
        print(f"round {number + 1:2d} loss {total / steps:.4f}", flush=True)
        torch.save(
            {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "round": number + 1},
            checkpoint,
        )
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw examples")
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    chest, _, head, _ = medical_greys()
    draw = drawn_by(arguments.workers, chest, head)
    network = fit_gate(draw, arguments.run / "checkpoint.pt", arguments.seed)
    torch.save(network.state_dict(), arguments.run / "weights.pt")


if __name__ == "__main__":
    main()
