"""The network: MiniLM's encoder with a table of the pieces that notes and names use most, and the shape of the written word."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from services.language.word_shapes import Shape
from training.identifier_tagger.corpus import LABELS
from training.minilm import HIDDEN, Encoder


class IdentifierTagger(nn.Module):
    """Token ids with the word's shape in them -> logits a token."""

    def __init__(self, vocabulary: int, layers: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.encoder = Encoder(dropout)
        self.encoder.words = nn.Embedding(vocabulary, HIDDEN)
        del self.encoder.layers[layers:]
        self.shapes = nn.Embedding(len(Shape), HIDDEN)
        nn.init.zeros_(self.shapes.weight)
        self.dropout = nn.Dropout(dropout)
        self.labels = nn.Linear(HIDDEN, len(LABELS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, labels]."""
        pieces = input_ids % self.vocabulary
        shapes = torch.div(input_ids, self.vocabulary, rounding_mode="floor")
        hidden = self.encoder(pieces, attention_mask, self.shapes(shapes))[-1]
        logits: torch.Tensor = self.labels(self.dropout(hidden))
        return logits.float()

    @classmethod
    def pretrained(cls, ids: Sequence[int], layers: int, dropout: float) -> IdentifierTagger:
        """With MiniLM's weights, of its table the rows `ids`, and of its layers the first."""
        network, base = cls(len(ids), layers, dropout), Encoder.pretrained(dropout)
        weights = base.state_dict()
        weights["words.weight"] = weights["words.weight"][list(ids)]
        own = network.encoder.state_dict()
        network.encoder.load_state_dict({name: weights[name] for name in own})
        return network
