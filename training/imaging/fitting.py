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
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from training import checkpoint
from training.imaging.augmentation import AugmentationRange, augment, mix
from training.imaging.network import MappedNetwork

ImagesOf = Callable[[int], npt.NDArray[np.uint8]]
"""Side in pixels -> uint8 `[n, side, side]`."""
Labelled = tuple[ImagesOf, npt.NDArray[np.int64]]
"""Images and the class of each."""


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
    pretrained_rate: float = 0.1
    """What the learning rate of pretrained kernels is multiplied by."""
    frozen_epochs: int = 0
    """So many first epochs leave pretrained kernels alone: a fresh head would spoil them (linear probing,
    then fine-tuning: Kumar et al., ICLR 2022)."""
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


def predict(network: nn.Module, images: npt.NDArray[np.uint8], batch: int = 64) -> npt.NDArray[np.float64]:
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
    network: MappedNetwork,
    settings: FitSettings,
    train: Labelled,
    path: Path,
    held: Labelled | None = None,
    watch: Callable[[npt.NDArray[np.float64]], str] = lambda _: "",
) -> MappedNetwork:
    """Trains `network` and returns its averaged weights at the end.

    The held-out loss decides when to stop, not which epoch to keep: on a few hundred images the best epoch is
    best by luck, and the average at the end of an annealed schedule is the steadier choice.

    `held` is looked at after each epoch, never trained on; `watch` turns its logits into a line for the
    progress log. Without it training goes to its last epoch. Goes on from the checkpoint at `path` when it is
    there, and exits when that is of other settings; the random numbers of an epoch depend only on the seed
    and the epoch.
    """
    where = device()
    classes = network.head.out_channels
    network = network.to(where, memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(_parameter_groups(network, settings), fused=True)
    steps = math.ceil(len(train[1]) / settings.batch)
    weights = class_weights(train[1], classes).to(where)
    start, best_loss, since = 0, math.inf, 0
    state = checkpoint.load(path, settings)
    if state is not None:
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start, best_loss, since = state["epoch"], state["best_loss"], state["since"]

    last_stage = settings.epochs - settings.stages[-1].epochs
    loaded = 0
    for epoch in range(start, settings.epochs):
        if since >= settings.patience_epochs:
            break
        side = settings.side_at(epoch)
        if side != loaded:  # sampled from a slightly larger image, so that zooming in does not blur
            images, loaded = train[0](side * 8 // 7), side
            held_images = None if held is None else held[0](side)
        began = time.monotonic()
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + epoch)
        torch.manual_seed(settings.seed * 100_003 + epoch)
        order = torch.randperm(len(images), generator=generator).numpy()
        network.train()
        for kernel in network.pretrained():
            kernel.requires_grad_(epoch >= settings.frozen_epochs)
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
            _set_rate(optimizer, settings, epoch + step / steps)
            with torch.autocast(where.type, torch.bfloat16):
                logits = network(x.to(where).contiguous(memory_format=torch.channels_last))[0].float()
            objective = functional.cross_entropy(
                logits, target.to(where), weight=weights, label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad()
            objective.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            done = epoch * steps + step
            _average_into(average, network, min(settings.average_decay, done / (done + 10)))
            total += objective.item()

        if held is not None and held_images is not None:
            logits = predict(average, held_images)
            loss = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(held[1])).item()
            print(
                f"epoch {epoch + 1:3d} side {side} train {total / steps:.4f} held {loss:.4f} {watch(logits)}"
                f" {time.monotonic() - began:.0f}s",
                flush=True,
            )
            if epoch >= last_stage:
                best_loss, since = (loss, 0) if loss < best_loss else (best_loss, since + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        reached = {"epoch": epoch + 1, "best_loss": best_loss, "since": since}
        parts = {"network": network, "average": average, "optimizer": optimizer}
        checkpoint.save(path, settings, reached | {name: part.state_dict() for name, part in parts.items()})
    return average


def _parameter_groups(network: MappedNetwork, settings: FitSettings) -> list[dict[str, Any]]:
    """Fresh and pretrained parameters, each with and without weight decay; offsets and scales get none."""
    pretrained = {id(parameter) for parameter in network.pretrained()}
    groups = []
    for fresh, factor in ((True, 1.0), (False, settings.pretrained_rate)):
        for kernels, decay in ((True, settings.weight_decay), (False, 0.0)):
            parameters = [
                parameter
                for parameter in network.parameters()
                if parameter.requires_grad
                and (id(parameter) not in pretrained) == fresh
                and (parameter.ndim > 1) == kernels
            ]
            groups.append({"params": parameters, "weight_decay": decay, "factor": factor})
    return [group for group in groups if group["params"]]


def _set_rate(optimizer: torch.optim.Optimizer, settings: FitSettings, epoch: float) -> None:
    """Linear warm-up, then half a cosine down to 1 % of the peak; `epoch` counts in fractions."""
    if epoch < settings.warmup_epochs:
        factor = (epoch + 0.05) / settings.warmup_epochs
    else:
        done = (epoch - settings.warmup_epochs) / max(settings.epochs - settings.warmup_epochs, 1e-9)
        factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * group["factor"] * factor


@torch.no_grad()
def _average_into(average: MappedNetwork, network: MappedNetwork, decay: float) -> None:
    """Moves the average towards the network; batch-norm statistics too, counters are copied."""
    for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)
