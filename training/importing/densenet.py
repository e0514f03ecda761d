"""DenseNet-121 (Huang et al., CVPR 2017) with torchvision's and TorchXRayVision's parameter names."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

GROWTH, BOTTLENECK, STEM, BLOCKS = 32, 4, 64, (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution; what they find is added to the channels that came in."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, BOTTLENECK * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * GROWTH)
        self.conv2 = nn.Conv2d(BOTTLENECK * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.conv1(functional.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(functional.relu(self.norm2(narrow)))], dim=1)


class DenseNet121(nn.Module):
    """Images -> logits; `maps` keeps the place of the evidence."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv0"] = nn.Conv2d(channels, STEM, 7, stride=2, padding=3, bias=False)
        parts["norm0"] = nn.BatchNorm2d(STEM)
        parts["relu0"] = nn.ReLU()
        parts["pool0"] = nn.MaxPool2d(3, stride=2, padding=1)
        width = STEM
        for block, layers in enumerate(BLOCKS, start=1):
            parts[f"denseblock{block}"] = nn.Sequential(
                OrderedDict((f"denselayer{n + 1}", DenseLayer(width + n * GROWTH)) for n in range(layers))
            )
            width += layers * GROWTH
            if block < len(BLOCKS):
                parts[f"transition{block}"] = nn.Sequential(
                    OrderedDict(
                        norm=nn.BatchNorm2d(width),
                        relu=nn.ReLU(),
                        conv=nn.Conv2d(width, width // 2, 1, bias=False),
                        pool=nn.AvgPool2d(2),
                    )
                )
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        """float32 [batch, channels, side, side] -> logits [batch, classes]."""
        pooled = functional.relu(self.features(image)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(pooled)
        return logits

    def maps(self, image: Tensor) -> Tensor:
        """float32 [batch, channels, side, side] -> [batch, classes, side/32, side/32].

        Their mean is the logits: the classifier as a 1x1 convolution before the mean (class activation
        mapping, Zhou et al., CVPR 2016).
        """
        kernel = self.classifier.weight[:, :, None, None]
        return functional.conv2d(functional.relu(self.features(image)), kernel, self.classifier.bias)
