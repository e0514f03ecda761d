"""Random changes of a batch of radiographs that leave the diagnosis as it is; never an upside-down one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentationRange:
    """How far each random change goes; uniform within the range unless a probability is named."""

    rotation_deg: float = 12.0
    scale: float = 0.15
    """Zoom, and a second independent one for the aspect ratio at half the range, as a fraction."""
    shift: float = 0.08
    """Of the side."""
    mirror_probability: float = 0.5
    contrast: float = 0.3
    gamma: float = 0.4
    """The exponent is `exp(u)` with u in ± this."""
    blur_probability: float = 0.3
    noise_deviation: float = 5.0
    """Grey levels of 255; the deviation itself is drawn between 0 and this."""
    erase_probability: float = 0.4
    erase_side: float = 0.3


def _uniform(size: int, reach: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(size, generator=generator) * 2 - 1) * reach


def augment(images: Tensor, side: int, limits: AugmentationRange, generator: torch.Generator) -> Tensor:
    """uint8 `[batch, h, w]` -> float32 `[batch, 1, side, side]` in 0..255, each image changed
    independently.
    """
    n = len(images)
    angle = _uniform(n, math.radians(limits.rotation_deg), generator)
    zoom = torch.exp(_uniform(n, limits.scale, generator))
    aspect = torch.exp(_uniform(n, limits.scale / 2, generator))
    mirror = torch.where(torch.rand(n, generator=generator) < limits.mirror_probability, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.cos(angle) * zoom * aspect * mirror
    theta[:, 0, 1] = -torch.sin(angle) * zoom
    theta[:, 1, 0] = torch.sin(angle) * zoom * mirror
    theta[:, 1, 1] = torch.cos(angle) * zoom / aspect
    theta[:, 0, 2] = _uniform(n, 2 * limits.shift, generator)
    theta[:, 1, 2] = _uniform(n, 2 * limits.shift, generator)
    grid = functional.affine_grid(theta, [n, 1, side, side], align_corners=False)
    x = functional.grid_sample(images.float().unsqueeze(1), grid, align_corners=False)

    x = x / 255
    x = x.clamp_min(1e-4).pow(torch.exp(_uniform(n, limits.gamma, generator)).view(n, 1, 1, 1))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (1 + _uniform(n, limits.contrast, generator).view(n, 1, 1, 1)) + mean
    x = x.clamp(0, 1) * 255

    chosen = torch.rand(n, generator=generator) < limits.blur_probability
    if chosen.any():
        x[chosen] = functional.avg_pool2d(functional.pad(x[chosen], (1, 1, 1, 1), mode="replicate"), 3, 1)
    deviation = torch.rand(n, 1, 1, 1, generator=generator) * limits.noise_deviation
    x = x + deviation * torch.randn(x.shape, generator=generator)
    for i in torch.nonzero(torch.rand(n, generator=generator) < limits.erase_probability).flatten().tolist():
        u = torch.rand(5, generator=generator).tolist()
        height, width = (int(side * limits.erase_side * (0.2 + 0.8 * f)) for f in u[:2])
        top, left = int(u[2] * (side - height)), int(u[3] * (side - width))
        x[i, :, top : top + height, left : left + width] = u[4] * 255
    return x


def mix(images: Tensor, targets: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """MixUp (Zhang et al., ICLR 2018): a batch and its class distributions blended with a shuffled copy."""
    concentration = torch.tensor([alpha, alpha])
    lam = float(torch._sample_dirichlet(concentration, generator=generator).max())  # noqa: SLF001 - no public form
    order = torch.randperm(len(images), generator=generator)
    return lam * images + (1 - lam) * images[order], lam * targets + (1 - lam) * targets[order]
