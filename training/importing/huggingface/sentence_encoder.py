"""Sentence encoders: `input_ids`, `attention_mask` -> `embedding` of unit length, pooled as `modules.json`
says.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from training.importing import Refused
from training.importing.huggingface.checkpoint import read_json
from training.importing.huggingface.text import INPUT, TextCheckpoint
from training.importing.paths import Facts

MEAN, FIRST = "mean", "cls"
HOW = MappingProxyType({MEAN: "the mean over the tokens", FIRST: "the first token"})
QUERY, PASSAGE = ("query", "search_query"), ("passage", "document", "search_document")
"""Names of the prompts that sentence-transformers' models give their queries and what is to be found."""


class SentenceEncoder(TextCheckpoint):
    """An encoder (`training.importing.source.Source`)."""

    task, output = "text_embedding", "embedding"
    axes = MappingProxyType(
        {"input_ids": INPUT, "attention_mask": INPUT, "embedding": MappingProxyType({0: "batch"})}
    )

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel

        super().__init__(folder)
        self.pooling = pooling(folder)
        self.network = Pooled(self.load(AutoModel, optional="pooler."), self.pooling)
        prefixes = prompts(folder)
        task: Facts = {
            "preprocessing": {**self.prepared(), **prefixes},
            "embedding_tensor": self.output,
            "pooling": "POOLING_IN_GRAPH",
        }
        self.known = self.facts(
            task, "None: a cosine is no probability.", "A point of unit length; each value -1..1."
        )
        self.known["architecture"] += f" {HOW[self.pooling].capitalize()} and unit length in the graph."
        self.questions = self.asked()


class Pooled(nn.Module):
    """An encoder and its pooling."""

    def __init__(self, model: Any, how: str) -> None:
        super().__init__()
        self.model, self.how = model, how

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, width]."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.how == FIRST:
            point = hidden[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            point = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        unit: Tensor = point / point.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return unit


def pooling(folder: Path) -> str:
    """How the folder makes one point of a text; the mean where it does not say. Raises Refused for a way
    that is not exported.
    """
    modules = folder / "modules.json"
    found = MEAN
    for module in json.loads(modules.read_text(encoding="utf-8")) if modules.is_file() else []:
        kind = module["type"].rpartition(".")[2]
        if kind not in {"Transformer", "Pooling", "Normalize"}:
            raise Refused(f"modules.json adds a layer {kind} after the encoder, which is not exported")
        if kind == "Pooling":
            config = read_json(folder / module["path"] / "config.json")
            modes = [
                name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
                for name, on in config.items()
                if name.startswith("pooling_mode_") and on is True
            ]
            modes = modes or [config.get("pooling_mode", MEAN)]
            if modes not in ([MEAN], [FIRST]):
                raise Refused(
                    f"sentences of {folder} are pooled by {', '.join(map(str, modes))}; {MEAN} and {FIRST} "
                    "are exported"
                )
            if prompts(folder) and config.get("include_prompt") is False:
                raise Refused("the folder leaves its prompts out of the pooling, which is not exported")
            found = modes[0]
    return found


def prompts(folder: Path) -> Facts:
    """What goes before queries and before what is to be found, as the card names them."""
    path = folder / "config_sentence_transformers.json"
    config = read_json(path) if path.is_file() else {}
    said = config.get("prompts") or {}
    usual = said.get(config.get("default_prompt_name") or "", "")
    facts: Facts = {}
    for field, names in (("query_prefix", QUERY), ("passage_prefix", PASSAGE)):
        prefix = next((said[name] for name in names if said.get(name)), usual)
        if prefix:
            facts[field] = prefix
    return facts
