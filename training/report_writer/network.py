"""A decoder-only transformer whose keys also see the token before: it learns to copy from little text.

What a report says is mostly copied from what it is given: a side, a number, a drug. A transformer copies by
looking for the place where the last token stood before and taking what followed there, and needs two layers
and much text to find that out. Here each key is mixed with the key before it (Olsson et al. 2022, "smeared
keys"), so that one layer suffices, and with the cache nothing is lost: the mix is made of the cached keys.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

ROTARY_BASE = 10_000.0
Cache = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, each FP32 [batch, heads, past, head width]."""


@dataclass(frozen=True)
class Shape:
    """How large the network is."""

    vocabulary: int = 4096
    width: int = 256
    layers: int = 4
    heads: int = 4
    hidden: int = 768
    """Width between the two halves of a gated feed-forward layer."""

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    def as_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)


class Norm(nn.Module):
    """Root-mean-square normalisation (Zhang and Sennrich 2019), in operations that ONNX has."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt((x * x).mean(dim=-1, keepdim=True) + 1e-6) * self.scale


def rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021): x [batch, heads, tokens, head width]."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)


class Attention(nn.Module):
    """Causal attention over smeared keys."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        # Half of the heads start as looking for what followed, half for what stands.
        start = torch.tensor([4.0 if head % 2 else -4.0 for head in range(shape.heads)])
        self.smear = nn.Parameter(start)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        return x.reshape(batch, tokens, self.shape.heads, self.shape.head_width).transpose(1, 2)

    def forward(
        self,
        x: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        allowed: torch.Tensor,
        known: torch.Tensor,
        past: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        query = rotated(self._heads(self.query(x)), *rotary)
        key = rotated(self._heads(self.key(x)), *rotary)
        value = self._heads(self.value(x))
        if past is not None:
            key = torch.cat((past[0], key), dim=2)
            value = torch.cat((past[1], value), dim=2)
        real = key * known
        before = torch.cat((torch.zeros_like(real[:, :, :1]), real[:, :, :-1]), dim=2)
        share = torch.sigmoid(self.smear)[None, :, None, None]
        mixed = (1 - share) * real + share * before
        scores = query @ mixed.transpose(2, 3) / math.sqrt(self.shape.head_width) + allowed
        seen = torch.softmax(scores, dim=-1) @ value
        batch, _, tokens, _ = seen.shape
        return self.out(seen.transpose(1, 2).reshape(batch, tokens, self.shape.width)), (key, value)


class Layer(nn.Module):
    """Attention, then a gated feed-forward layer (Shazeer 2020), each added to what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = Norm(shape.width)
        self.attention = Attention(shape)
        self.feed_norm = Norm(shape.width)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        rotary: tuple[torch.Tensor, torch.Tensor],
        allowed: torch.Tensor,
        known: torch.Tensor,
        past: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        seen, present = self.attention(self.attention_norm(x), rotary, allowed, known, past)
        x = x + seen
        y = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y)), present


class Writer(nn.Module):
    """Next-token logits. The word table serves as input and output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width)
        frequencies = ROTARY_BASE ** (-torch.arange(0, shape.head_width, 2).float() / shape.head_width)
        self.register_buffer("frequencies", frequencies, persistent=False)
        nn.init.normal_(self.words.weight, std=0.02)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2 and not name.startswith("words"):
                nn.init.normal_(parameter, std=0.5 / math.sqrt(parameter.shape[1]))
            if name.endswith(("out.weight", "down.weight")):
                nn.init.zeros_(parameter)

    def forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        past: Cache | None = None,
    ) -> tuple[torch.Tensor, Cache]:
        """Hidden states FP32 [batch, tokens, width], normalised, and the cache with these tokens in it.

        `ids`, `positions` INT64 [batch, tokens]; `mask` INT64 [batch, past + tokens], 0 where a place is
        padding, which is on the left only: the token before must be the one that was before.
        """
        angles = positions[:, None, :, None].float() * self.frequencies
        rotary = (torch.cos(angles), torch.sin(angles))
        tokens, total = ids.shape[1], mask.shape[1]
        places = torch.arange(total, device=ids.device)
        causal = places[None, :] <= places[total - tokens :, None]
        seen = causal[None, None] & (mask[:, None, None, :] > 0)
        allowed = torch.where(seen, 0.0, -1e9)
        known = mask[:, None, :, None].to(torch.float32)
        x = self.words(ids) * math.sqrt(self.shape.width)
        cache: Cache = []
        for index, layer in enumerate(self.layers):
            x, present = layer(x, rotary, allowed, known, None if past is None else past[index])
            cache.append(present)
        return self.norm(x), cache

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """FP32 [..., vocabulary] of hidden states [..., width]."""
        return functional.linear(hidden, self.words.weight)


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network learned, the tied word table once."""
    return sum(parameter.numel() for parameter in network.parameters())
