"""Text classification: `input_ids`, `attention_mask` -> `logits` of each label."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from training.importing import Refused
from training.importing.huggingface.text import INPUT, Logits, TextCheckpoint
from training.importing.labels import labels
from training.importing.paths import Facts


class TextClassifier(TextCheckpoint):
    """A checkpoint with a sequence classification head (`training.importing.source.Source`)."""

    task, output = "text_classification", "logits"
    axes = MappingProxyType(
        {"input_ids": INPUT, "attention_mask": INPUT, "logits": MappingProxyType({0: "batch"})}
    )

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification

        super().__init__(folder)
        model = self.load(AutoModelForSequenceClassification)
        self.check_label_count(model)
        self.network = Logits(model)
        names = self.label_names()
        task: Facts = {
            "preprocessing": self.prepared(),
            "scores_tensor": self.output,
            **activation(model.config),
            **({"labels": labels(names)} if names else {}),
        }
        self.known = self.facts(
            task, "Not calibrated: what the activation makes of the logits.", "Of each label, any number."
        )
        self.questions = self.asked(labels=not names)


def activation(config: object) -> Facts:
    """What the logits of a classifier are, as transformers reads `problem_type`."""
    problem = getattr(config, "problem_type", None)
    if problem == "regression" or int(getattr(config, "num_labels", 0)) < 2:
        raise Refused("the network gives one number (regression), and a classifier gives labels")
    exclusive = problem != "multi_label_classification"
    return {
        "activation": "ACTIVATION_SOFTMAX" if exclusive else "ACTIVATION_SIGMOID",
        "exclusive": exclusive,
    }
