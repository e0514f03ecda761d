"""The network: pieces and shapes of words, five layers that each see their neighbours, a label each.

A layer reads a token with one neighbour on either side, 1, 2, 4, 8 and 1 tokens away, so that a label rests on 16 tokens on
either side; names need no more, and the rules carry what was found once to the rest of the text. Written with
products alone, so that its weights store in int8 as the others' do (`training.compression`).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from services.language.word_shapes import Shape
from training.deidentification.corpus import LABELS

WIDTH, EMBEDDING = 128, 64
DILATIONS = (1, 2, 4, 8, 1)


class Neighbours(nn.Module):
    """One residual layer over a token and its two neighbours at a distance."""

    def __init__(self, distance: int, dropout: float) -> None:
        super().__init__()
        self.distance = distance
        self.product = nn.Linear(3 * WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        normed = self.norm(hidden) * mask
        padded = functional.pad(normed, (0, 0, self.distance, self.distance))
        length = hidden.shape[1]
        before, after = padded[:, :length], padded[:, 2 * self.distance :]
        seen = functional.gelu(self.product(torch.cat([before, normed, after], dim=-1)))
        return hidden + self.dropout(self.out(seen))


class IdentifierTagger(nn.Module):
    """Token ids with the word's shape in them -> logits a token."""

    def __init__(self, vocabulary: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.words = nn.Embedding(vocabulary, EMBEDDING)
        self.shapes = nn.Embedding(len(Shape), EMBEDDING)
        self.widen = nn.Linear(EMBEDDING, WIDTH)
        self.layers = nn.ModuleList(Neighbours(distance, dropout) for distance in DILATIONS)
        self.norm = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.labels = nn.Linear(WIDTH, len(LABELS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, labels]."""
        pieces = input_ids % self.vocabulary
        shapes = torch.div(input_ids, self.vocabulary, rounding_mode="floor")
        mask = attention_mask.unsqueeze(-1).to(torch.float32)
        hidden = self.widen(self.dropout(self.words(pieces) + self.shapes(shapes)))
        for layer in self.layers:
            hidden = layer(hidden, mask)
        logits: torch.Tensor = self.labels(self.norm(hidden))
        return logits
