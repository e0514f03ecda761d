"""The training loop of the image networks: stages of growing size, averaged weights, a checkpoint every
epoch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.imaging.augmentation import AugmentationRange, augment, mix
from training.imaging.network import ImageNetwork

ImagesOf = Callable[[int], npt.NDArray[np.uint8]]
"""Side in pixels -> uint8 `[n, side, side]`."""


@dataclass(frozen=True)
class Stage:
    """So many epochs at one input side; early ones are small, because a small image costs a fraction."""

    side_px: int
    epochs: int


@dataclass(frozen=True)
class FitSettings:
    """Everything that decides the result, next to the data and the network."""

    stages: tuple[Stage, ...]
    batch: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_epochs: int = 2
    label_smoothing: float = 0.05
    mixup_alpha: float = 0.2
    mixup_probability: float = 0.5
    average_decay: float = 0.998
    """Of the exponential moving average of the weights, a step; the average is what is exported."""
    patience_epochs: int = 12
    """Stops when the held-out loss of the averaged weights has not fallen for so long in the last stage."""
    augmentation: AugmentationRange = field(default_factory=AugmentationRange)
    seed: int = 0

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    def side_at(self, epoch: int) -> int:
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage.side_px
            epoch -= stage.epochs
        return self.stages[-1].side_px


def device() -> torch.device:
    """A GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def predict(network: ImageNetwork, images: npt.NDArray[np.uint8], batch: int = 64) -> npt.NDArray[np.float64]:
    """Uncalibrated logits, float64 `[n, classes]`, computed in float32."""
    network.eval()
    where = next(network.parameters()).device
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(images[i : i + batch]).to(where).unsqueeze(1).float())[0].cpu()
            for i in range(0, len(images), batch)
        ]
    return torch.cat(parts).double().numpy()


def class_weights(labels: npt.NDArray[np.int64], classes: int) -> Tensor:
    """Inverse square root of each class's share, mean 1: imbalance is softened; the calibration undoes its
    bias.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = 1 / np.sqrt(counts)
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


def fit(
    network: ImageNetwork,
    settings: FitSettings,
    train: tuple[ImagesOf, npt.NDArray[np.int64]],
    held: tuple[ImagesOf, npt.NDArray[np.int64]],
    checkpoint: Path,
    watch: Callable[[npt.NDArray[np.float64]], str],
) -> ImageNetwork:
    """Trains `network` and returns its averaged weights at the end.

    The held-out loss decides when to stop, not which epoch to keep: on a few hundred images the best epoch is
    best by luck, and the average at the end of an annealed schedule is the steadier choice.

    `held` is looked at after each epoch, never trained on; `watch` turns its logits into a line for the
    progress log.
    Resumes from `checkpoint` when it is there; the random numbers of an epoch depend only on the seed and
    the epoch.
    """
    where = device()
    classes = network.head.out_channels
    network = network.to(where, memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    decays = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decays, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        fused=True,
    )
    steps = math.ceil(len(train[1]) / settings.batch)
    weights = class_weights(train[1], classes).to(where)
    start, best_loss, since = 0, math.inf, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start, best_loss, since = state["epoch"], state["best_loss"], state["since"]

    last_stage = settings.epochs - settings.stages[-1].epochs
    loaded = 0
    for epoch in range(start, settings.epochs):
        side = settings.side_at(epoch)
        if side != loaded:  # sampled from a slightly larger image, so that zooming in does not blur
            images, held_images, loaded = train[0](side * 8 // 7), held[0](side), side
        began = time.monotonic()
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + epoch)
        torch.manual_seed(settings.seed * 100_003 + epoch)
        order = torch.randperm(len(images), generator=generator).numpy()
        network.train()
        total = 0.0
        for step in tqdm(
            range(steps), desc=f"epoch {epoch + 1}/{settings.epochs}", leave=False, mininterval=5
        ):
            chosen = order[step * settings.batch : (step + 1) * settings.batch]
            if len(chosen) < 2:  # batch statistics need two
                continue
            x = augment(torch.from_numpy(images[chosen]), side, settings.augmentation, generator)
            target = functional.one_hot(torch.from_numpy(train[1][chosen]), classes).float()
            if torch.rand(1, generator=generator).item() < settings.mixup_probability:
                x, target = mix(x, target, settings.mixup_alpha, generator)
            _set_rate(optimizer, settings, (epoch * steps + step) / steps)
            with torch.autocast(where.type, torch.bfloat16):
                logits = network(x.to(where).contiguous(memory_format=torch.channels_last))[0].float()
            loss = functional.cross_entropy(
                logits, target.to(where), weight=weights, label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            _average_into(
                average,
                network,
                min(settings.average_decay, (epoch * steps + step) / (epoch * steps + step + 10)),
            )
            total += loss.item()

        logits = predict(average, held_images)
        held_loss = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(held[1])).item()
        print(
            f"epoch {epoch + 1:3d} side {side} train {total / steps:.4f} held {held_loss:.4f} {watch(logits)}"
            f" {time.monotonic() - began:.0f}s",
            flush=True,
        )
        if epoch >= last_stage:
            since += 1
            if held_loss < best_loss:
                best_loss, since = held_loss, 0
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch + 1,
                "best_loss": best_loss,
                "since": since,
            },
            checkpoint.with_suffix(".part"),
        )
        checkpoint.with_suffix(".part").replace(checkpoint)
        if since >= settings.patience_epochs:
            break
    return average


def _set_rate(optimizer: torch.optim.Optimizer, settings: FitSettings, epoch: float) -> None:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if epoch < settings.warmup_epochs:
        factor = (epoch + 0.05) / settings.warmup_epochs
    else:
        done = (epoch - settings.warmup_epochs) / max(settings.epochs - settings.warmup_epochs, 1e-9)
        factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * factor


@torch.no_grad()
def _average_into(average: ImageNetwork, network: ImageNetwork, decay: float) -> None:
    """Moves the average towards the network; batch-norm statistics too, counters are copied."""
    for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)
