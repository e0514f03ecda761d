"""The sentence encoder: MiniLM, the mean over the text's tokens, unit length (Reimers and Gurevych 2019)."""

from __future__ import annotations

import torch
from torch import nn

from training.minilm import Encoder


class SentenceEncoder(nn.Module):
    """Token ids -> one unit vector a text."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder.pretrained()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, 384]."""
        hidden = self.encoder(input_ids, attention_mask)[-1]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        unit: torch.Tensor = mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return unit
