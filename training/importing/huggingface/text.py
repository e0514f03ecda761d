"""What checkpoints of text share: the tokenizer, the lengths, and examples to compare on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor, nn

from services.chassis.models.tasks import PREPROCESSING
from training.importing.config import TEXTS, Traffic
from training.importing.graph import Arrays
from training.importing.huggingface.checkpoint import Checkpoint
from training.importing.huggingface.tokenizers import (
    FILE,
    check_vocabulary,
    longest_input,
    tokenizer_json,
)
from training.importing.paths import Facts

INPUT = MappingProxyType({0: "batch", 1: "tokens"})
LANGUAGES = "Which languages does it read (BCP 47 tags, e.g. en or de; mul: every one)?"
LABELS = "config.json does not name the labels: what are they, in the order of the output, at commas?"


class TextCheckpoint(Checkpoint):
    """`input_ids`, `attention_mask` -> one output; what differs is its kind's."""

    traffic: Traffic = TEXTS
    task: str
    """Name of the task's field in the card."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        text = tokenizer_json(folder)
        check_vocabulary(text, int(self.config["vocab_size"]))
        self.files: Mapping[str, bytes] = {FILE: text.encode()}
        self.longest = longest_input(folder, self.config)
        self.readme = self.said_in_readme()
        self.padding = int(self.config.get("pad_token_id") or 0)

    def prepared(self, stride_tokens: int = 0) -> Facts:
        """The card's `preprocessing`."""
        facts: Facts = {
            "tokenizer_file": FILE,
            "max_token_count": self.longest,
            "stride_token_count": stride_tokens,
            "input_ids_tensor": "input_ids",
            "attention_mask_tensor": "attention_mask",
        }
        if self.config.get("pad_token_id") is not None:
            facts["pad_token_id"] = self.padding
        return facts

    def asked(self, *, labels: bool = False) -> Mapping[str, str]:
        """`Source.questions`: the languages, and the labels where they have no names."""
        found = {f"serving.{self.task}.languages": LANGUAGES}
        if labels:
            found[f"serving.{self.task}.labels"] = LABELS
        return found

    def facts(self, task: Facts, calibration: str, output: str) -> Facts:
        """What of the card is known, around the task's own part."""
        said = {"languages": self.readme["languages"]} if "languages" in self.readme else {}
        last = self.config["vocab_size"] - 1
        facts: Facts = {
            "architecture": self.architecture(),
            "calibration": calibration,
            "serving": {"preprocessing_version": PREPROCESSING[self.task], self.task: {**said, **task}},
            "inputs": [
                {
                    "name": "input_ids",
                    "description": (
                        f"Tokens of {FILE} with its special tokens, ids 0..{last}; at most {self.longest}"
                    ),
                },
                {"name": "attention_mask", "description": "1 for tokens, 0 for padding"},
            ],
            "outputs": [{"name": self.output, "description": output}],
        }
        if "licence" in self.readme:
            facts["licence"] = self.readme["licence"]
        return facts

    def examples(self) -> list[Arrays]:
        """See `Source`."""
        rng = np.random.default_rng(0)
        found = []
        for rows, tokens in ((1, min(16, self.longest)), (3, min(32, self.longest))):
            mask = (np.arange(tokens) < rng.integers(2, tokens + 1, (rows, 1))).astype(np.int64)
            ids = rng.integers(0, self.config["vocab_size"], (rows, tokens))
            ids = np.where((mask == 1) & (ids != self.padding), ids, self.padding + (mask * 2))
            found.append({"input_ids": ids, "attention_mask": mask})
        return found


class Logits(nn.Module):
    """A classifier's logits alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, …, labels]."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits
