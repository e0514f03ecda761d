"""The network: MiniLM's encoder, the shape of the written word beside its pieces, a mix of layers, five
labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from services.language.word_shapes import Shape
from training.clinical_ner.corpus import LABELS, VOCABULARY_SIZE
from training.minilm import HIDDEN, LAYERS, Encoder


class EntityTagger(nn.Module):
    """Token ids with the word's shape in them -> logits a token.

    The label layer reads a learned mix of all layers (Peters et al. 2018), since the last one of a sentence
    encoder is shaped for the meaning of the whole, not of each token.
    """

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = Encoder.pretrained(dropout)
        # Frozen: 500 abstracts hold a small part of the vocabulary, and pieces they hold must stay comparable
        # to the others.
        self.encoder.words.weight.requires_grad_(False)
        self.shapes = nn.Embedding(len(Shape), HIDDEN)
        nn.init.zeros_(self.shapes.weight)
        self.mix = nn.Parameter(torch.zeros(LAYERS + 1))
        self.dropout = nn.Dropout(dropout)
        self.labels = nn.Linear(HIDDEN, len(LABELS))
        nn.init.normal_(self.labels.weight, std=0.02)
        nn.init.zeros_(self.labels.bias)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, 5]."""
        pieces = input_ids % VOCABULARY_SIZE
        shapes = torch.div(input_ids, VOCABULARY_SIZE, rounding_mode="floor")
        outputs = self.encoder(pieces, attention_mask, self.shapes(shapes))
        weights = torch.softmax(self.mix, dim=0)
        mixed = sum(weights[index] * output for index, output in enumerate(outputs))
        logits: torch.Tensor = self.labels(self.dropout(mixed))
        return logits.float()


def load(folder: Path) -> tuple[EntityTagger, dict[str, Any]]:
    """The network that a run or a whole training left in `folder`, and the recipe it was trained with."""
    state = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)
    network = EntityTagger()
    network.load_state_dict(state["network"])
    return network, state["recipe"]
