"""Token classification: `input_ids`, `attention_mask` -> `logits` of each label for each token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from training.importing import Refused
from training.importing.huggingface.text import INPUT, Logits, TextCheckpoint
from training.importing.paths import Facts

OUTSIDE = "O"
MOST_SHARED_TOKENS = 64
"""What neighbouring windows of a long text share, at most; a quarter of a short window."""


class TokenClassifier(TextCheckpoint):
    """A checkpoint with a token classification head (`training.importing.source.Source`)."""

    task, output = "token_classification", "logits"
    axes = MappingProxyType({"input_ids": INPUT, "attention_mask": INPUT, "logits": INPUT})

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForTokenClassification

        super().__init__(folder)
        model = self.load(AutoModelForTokenClassification, optional="pooler.")
        self.check_label_count(model)
        self.network = Logits(model)
        names = self.label_names()
        if not names:
            raise Refused("config.json does not name the labels (id2label): name them there, as in B-Disease")
        task: Facts = {
            "preprocessing": self.prepared(min(MOST_SHARED_TOKENS, self.longest // 4)),
            "scores_tensor": self.output,
            "activation": "ACTIVATION_SOFTMAX",
            "labels": names,
            "scheme": scheme(names),
            "entity_types": [
                {"label": stem, "type": re.sub(r"\W+", "_", stem).strip("_").upper()} for stem in stems(names)
            ],
            # Such taggers are taught the first piece of a word, the others being left out of the loss.
            "piece_aggregation": "PIECE_AGGREGATION_FIRST",
        }
        self.known = self.facts(
            task, "Not calibrated: the softmax of the logits.", "Of each label for each token, any number."
        )
        self.questions = self.asked()


def scheme(labels: Sequence[str]) -> str:
    """How the labels spell spans. Raises Refused for a way that the card has no word for."""
    prefixes = {label.partition("-")[0] for label in labels if "-" in label and label != OUTSIDE}
    if OUTSIDE not in labels:
        raise Refused(f"no label is {OUTSIDE}, which stands outside of every entity")
    if prefixes <= {"B", "I"} and prefixes:
        return "TAGGING_SCHEME_IOB2"
    if prefixes <= {"B", "I", "E", "S"} and prefixes:
        return "TAGGING_SCHEME_BIOES"
    if prefixes and prefixes <= {"B", "I", "L", "U"}:
        raise Refused("the labels are of the scheme BILOU; rename them in config.json: L- to E-, U- to S-")
    return "TAGGING_SCHEME_IO"


def stems(labels: Sequence[str]) -> list[str]:
    """The types' names, in order, without the prefixes."""
    spelt = scheme(labels) != "TAGGING_SCHEME_IO"
    found = [label.partition("-")[2] if spelt else label for label in labels if label != OUTSIDE]
    return list(dict.fromkeys(found))
