"""Llama's network with its cache as plain tensors, so that it can be traced: transformers' own hides it in an
object.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Unsupported(ValueError):  # noqa: N818 - says what is wrong
    """The network is not of the form that is served."""


class LlamaWithCache(nn.Module):
    """`input_ids`, `attention_mask`, `position_ids` INT64, and keys and values of each layer, FP32 [batch,
    heads, past, width] -> logits FP32 [batch, 1, vocabulary] of what follows, and the cache with it.
    """

    def __init__(self, llama: Any) -> None:
        """`llama`: transformers' LlamaForCausalLM. Raises Unsupported."""
        super().__init__()
        config = llama.config
        rope = dict(config.rope_parameters or {}) if config.model_type == "llama" else {}
        if rope.get("rope_type") != "default":
            raise Unsupported(f"a network of the kind {config.model_type} is not exported here; use vLLM")
        self.layers = llama.model.layers
        self.words = llama.model.embed_tokens
        self.norm = llama.model.norm
        self.head = llama.lm_head
        self.heads, self.shared = config.num_attention_heads, config.num_key_value_heads
        self.width = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        steps = torch.arange(0, self.width, 2).float() / self.width
        self.register_buffer("frequencies", float(rope["rope_theta"]) ** -steps)

    def names(self) -> tuple[list[str], list[str]]:
        """Of the inputs and of the outputs, in order."""
        cache = [f"{at}.{part}" for at in range(len(self.layers)) for part in ("key", "value")]
        fixed = ["input_ids", "attention_mask", "position_ids"]
        past = [f"past_key_values.{name}" for name in cache]
        return [*fixed, *past], ["logits", *(f"present.{name}" for name in cache)]

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        angles = positions[:, None, :, None].float() * self.frequencies
        rotary = torch.cat((angles, angles), dim=-1)
        cosine, sine = torch.cos(rotary), torch.sin(rotary)
        tokens, total = ids.shape[1], mask.shape[1]
        places = torch.arange(total)
        causal = places[None, :] <= places[total - tokens :, None]
        seen = causal[None, None] & (mask[:, None, None, :] > 0)
        allowed = torch.where(seen, 0.0, -1e9)
        x, present = self.words(ids), []
        for at, layer in enumerate(self.layers):
            attended, key, value = self._attend(
                layer, layer.input_layernorm(x), cosine, sine, allowed, past[2 * at], past[2 * at + 1]
            )
            present += [key, value]
            x = x + attended
            y = layer.post_attention_layernorm(x)
            mlp = layer.mlp
            x = x + mlp.down_proj(functional.silu(mlp.gate_proj(y)) * mlp.up_proj(y))
        return (self.head(self.norm(x[:, -1:])), *present)

    def _attend(
        self, layer: Any, y: Tensor, cosine: Tensor, sine: Tensor, allowed: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        attention = layer.self_attn
        query = self._rotated(self._split(attention.q_proj(y), self.heads), cosine, sine)
        new = self._rotated(self._split(attention.k_proj(y), self.shared), cosine, sine)
        key = torch.cat((key, new), dim=2)
        value = torch.cat((value, self._split(attention.v_proj(y), self.shared)), dim=2)
        each = self.heads // self.shared
        keys, values = key.repeat_interleave(each, dim=1), value.repeat_interleave(each, dim=1)
        scores = query @ keys.transpose(2, 3) * self.width**-0.5 + allowed
        given = torch.softmax(scores, dim=-1) @ values
        merged = given.transpose(1, 2).reshape(y.shape[0], -1, self.heads * self.width)
        return attention.o_proj(merged), key, value

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.reshape(x.shape[0], -1, heads, self.width).transpose(1, 2)

    @staticmethod
    def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return x * cosine + torch.cat((-second, first), dim=-1) * sine
