"""Image networks whose class activation map is part of the forward pass, and a small residual one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; with `stride` 2 the shortcut averages before it projects
    (ResNet-D).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, drop_path: float) -> None:
        super().__init__()
        self.first = _conv_norm(inputs, outputs, 3, stride)
        self.second = _conv_norm(outputs, outputs, 3)
        self.drop_path = drop_path
        shortcut: list[nn.Module] = []
        if stride == 2:
            shortcut.append(nn.AvgPool2d(2))
        if stride == 2 or inputs != outputs:
            shortcut.append(_conv_norm(inputs, outputs, 1))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.second(functional.relu(self.first(x)))
        if self.training and self.drop_path > 0:
            kept = torch.rand(len(x), 1, 1, 1, dtype=torch.float32).to(branch) >= self.drop_path
            branch = branch * kept.to(branch.dtype) / (1 - self.drop_path)
        return functional.relu(branch + self.shortcut(x))


def standardised(image: Tensor) -> Tensor:
    """Each image `[batch, 1, side, side]` less its mean, over its deviation."""
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    centred = image - mean
    deviation = (centred * centred).mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / (deviation + 1.0)


class MappedNetwork(nn.Module):
    """Grey images -> class logits and the activation maps whose mean they are.

    Input: float32 `[batch, 1, side, side]` on any linear scale; each image is standardised by its own mean
    and deviation, so exposure does not matter. Output: logits `[batch, classes]` and maps
    `[batch, classes, cells, cells]`. The head is a 1x1 convolution followed by the mean over positions,
    which is global average pooling and a linear layer in the other order: each map cell is the evidence that
    this place adds to the logit (class activation mapping, Zhou et al., CVPR 2016).
    """

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, classes, 1)

    def body(self, image: Tensor) -> Tensor:
        """Standardised images `[batch, 1, side, side]` -> features `[batch, width, cells, cells]`."""
        raise NotImplementedError

    def pretrained(self) -> Iterator[nn.Parameter]:
        """The parameters that come trained on other images and are to be trained further, with care."""
        return iter(())

    def maps(self, image: Tensor) -> Tensor:
        """Standardised images `[batch, 1, side, side]` -> float32 `[batch, classes, cells, cells]`."""
        maps: Tensor = self.head(self.dropout(self.body(image).float()))
        return maps

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(standardised(image))
        return maps.mean(dim=(2, 3)), maps


class ImageNetwork(MappedNetwork):
    """Eight residual blocks in four stages of `widths` channels."""

    def __init__(
        self, widths: tuple[int, int, int, int], classes: int, drop_path: float = 0.0, dropout: float = 0.0
    ):
        super().__init__(widths[-1], classes, dropout)
        self.stem = nn.Sequential(
            _conv_norm(1, 32, 3, 2), nn.ReLU(), _conv_norm(32, widths[0], 3, 2), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for position in range(2):
                stride = 2 if stage > 0 and position == 0 else 1
                rate = drop_path * len(blocks) / (2 * len(widths) - 1)
                blocks.append(ResidualBlock(inputs, width, stride, rate))
                inputs = width
        self.blocks = nn.Sequential(*blocks)

    def body(self, image: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(image))
        return features


class Ensemble(nn.Module):
    """The mean of several networks' maps, and so of their logits (Lakshminarayanan et al., NeurIPS 2017)."""

    def __init__(self, members: Iterable[MappedNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        image = standardised(image)
        maps = torch.stack([member.maps(image) for member in self.members]).mean(dim=0)
        return maps.mean(dim=(2, 3)), maps


class CalibratedNetwork(nn.Module):
    """What is exported: uint8 image in, calibrated probabilities out, temperature and class offsets inside
    the graph.
    """

    def __init__(self, network: nn.Module, temperature: float, offsets: list[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", torch.tensor(temperature))
        self.register_buffer("offsets", torch.tensor(offsets))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 `[batch, 1, side, side]` -> logits, probabilities `[batch, classes]`, maps `[batch, classes,
        h, w]`.
        """
        logits, maps = self.network(image.float())
        calibrated = logits / self.temperature + self.offsets
        return calibrated, torch.softmax(calibrated, dim=1), maps


@torch.no_grad()
def fold_averaging(network: Network) -> Network:
    """A copy that computes the same with each shortcut's averaging folded into its projection.

    The mean of 2x2 pixels followed by a 1x1 convolution is one 2x2 convolution of stride 2 with a quarter of
    the weights; ONNX Runtime's int8 average pooling is slower than the rest of a block.
    """
    folded = copy.deepcopy(network)
    for block in folded.modules():
        if not isinstance(block, ResidualBlock):
            continue
        parts = list(block.shortcut)
        if len(parts) == 2 and isinstance(parts[0], nn.AvgPool2d):
            projection, norm = parts[1]
            wide = nn.Conv2d(projection.in_channels, projection.out_channels, 2, 2, bias=False)
            wide.weight.copy_((projection.weight / 4).expand_as(wide.weight))
            block.shortcut = nn.Sequential(wide, norm)
    return folded
