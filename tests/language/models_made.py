"""Folders of models of text: a card, and one of the tokenizers made here. What runs them is a function."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tokenizers import Tokenizer

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import ModelServing
from services.chassis.models.inference import Arrays, Tensor
from tests.fakes import model_card, write_model_repository

PREPROCESSING = """preprocessing {
  tokenizer_file: "tokenizer.json" max_token_count: 64 stride_token_count: 16
  input_ids_tensor: "input_ids" attention_mask_tensor: "attention_mask"
}"""


def add_model(
    repository: Path,
    name: str,
    tokenizer: Tokenizer,
    task: str,
    output: tuple[int, ...],
    *,
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
    length: int = -1,
    dtype: type[np.generic] = np.int64,
) -> ModelCard:
    """Writes the model's folder; `task` is its part of the card in protobuf's text form, `output` the shape
    of its one output, `scores`.
    """
    folder = repository / name
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    serving = text_format.Parse(f'preprocessing_version: "text/1" {task}', ModelServing())
    serving.files.add(path="tokenizer.json", sha256=digest)
    card = model_card(
        name,
        serving,
        [Tensor(given, dtype, (length,)) for given in inputs],
        [Tensor("scores", np.float32, output)],
    )
    write_model_repository(repository, [card])
    return card


def tags_words(tokenizer: Tokenizer, labels: int, words: Mapping[str, int], outside: int = 0) -> Any:
    """A tagger that gives the first piece of these words its label and every other piece `outside`, with a
    logit of 6 against 0.
    """
    tokenizer.no_padding()
    marks = {}
    for word, label in words.items():
        for written in (word, f" {word}", f"no {word}", f"No {word}", f"takes {word}"):
            encoded = tokenizer.encode(written, add_special_tokens=False)
            first = next(at for at, (_, end) in enumerate(encoded.offsets) if end > len(written) - len(word))
            marks[encoded.ids[first]] = label

    def tag(inputs: Arrays) -> Mapping[str, Any]:
        scores = np.zeros((*inputs["input_ids"].shape, labels), dtype=np.float32)
        for position, id_ in np.ndenumerate(inputs["input_ids"]):
            scores[position][marks.get(int(id_), outside)] = 6
        return {"scores": scores}

    return tag
