"""A model folder with the task of generating text, for tests: a card with vLLM's tensors, a tokenizer of
bytes, a chat template.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import FileDigest, ModelServing, TextGeneration
from services.chassis.models.inference import Tensor
from tests.fakes import model_card, write_model_repository

NAME = "scribe"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INPUTS = (
    Tensor("text_input", np.object_, ()),
    Tensor("stream", np.bool_, ()),
    Tensor("sampling_parameters", np.object_, (), b'{"max_tokens": 1}'),
)
OUTPUTS = (Tensor("text_output", np.object_, ()),)
REASONED_INPUTS = (*INPUTS, Tensor("return_finish_reason", np.bool_, ()))
REASONED_OUTPUTS = (*OUTPUTS, Tensor("finish_reason", np.object_, ()))


def byte_tokenizer() -> Tokenizer:
    """A token a byte, and two control tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|im_start|>"), AddedToken("<|im_end|>")])
    return made


def card(**fields: Any) -> ModelCard:
    """A card of the task; `fields` are set in it."""
    task = {
        "prompt_tensor": "text_input",
        "stream_tensor": "stream",
        "sampling_parameters_tensor": "sampling_parameters",
        "return_finish_reason_tensor": "return_finish_reason",
        "finish_reason_tensor": "finish_reason",
        "text_tensor": "text_output",
        "chat_template_file": "chat_template.jinja",
        "tokenizer_file": "tokenizer.json",
        "max_token_count": 200,
        "max_new_token_count": 40,
        "stop_texts": ["<|im_end|>"],
    } | fields
    reasons = bool(task["finish_reason_tensor"])
    return model_card(
        NAME,
        ModelServing(preprocessing_version="text/1", text_generation=TextGeneration(**task)),
        REASONED_INPUTS if reasons else INPUTS,
        REASONED_OUTPUTS if reasons else OUTPUTS,
    )


def write(
    folder: Path, made: ModelCard, *, template: str = TEMPLATE, tokenizer: Tokenizer | None = None
) -> Path:
    """A model repository with this one model, without weights. Returns the repository."""
    place = folder / made.name
    place.mkdir(parents=True, exist_ok=True)
    (tokenizer or byte_tokenizer()).save(str(place / "tokenizer.json"))
    (place / "chat_template.jinja").write_text(template, encoding="utf-8")
    task = made.serving.text_generation
    for name in filter(None, (task.tokenizer_file, task.chat_template_file)):
        digest = hashlib.sha256((place / name).read_bytes()).hexdigest()
        made.serving.files.append(FileDigest(path=name, sha256=digest))
    return write_model_repository(folder, [made])
