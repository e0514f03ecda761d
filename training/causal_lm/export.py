"""A network with its tokenizer as a model folder: graph, configuration, card."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ModelServing, TextGeneration
from training.causal_lm.network import LlamaWithCache
from training.model_card import INTENDED_USE, write_card

OPSET = 21
BLOCK = 32
"""Weights of one column that share a scale."""

CONFIG = """backend: "causal_lm"
max_batch_size: 0
model_transaction_policy {{ decoupled: true }}
input [
  {{ name: "text_input" data_type: TYPE_STRING dims: [ 1 ] }},
  {{ name: "stream" data_type: TYPE_BOOL dims: [ 1 ] }},
  {{ name: "sampling_parameters" data_type: TYPE_STRING dims: [ 1 ] optional: true }},
  {{ name: "return_finish_reason" data_type: TYPE_BOOL dims: [ 1 ] optional: true }}
]
output [
  {{ name: "text_output" data_type: TYPE_STRING dims: [ -1 ] }},
  {{ name: "finish_reason" data_type: TYPE_STRING dims: [ -1 ] }}
]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
parameters {{ key: "max_token_count" value: {{ string_value: "{max_token_count}" }} }}
parameters {{ key: "stop_tokens" value: {{ string_value: "{stop_tokens}" }} }}
parameters {{ key: "max_active_count" value: {{ string_value: "4" }} }}
parameters {{ key: "max_waiting_count" value: {{ string_value: "16" }} }}
parameters {{ key: "max_seconds" value: {{ string_value: "60" }} }}
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "2" }} }}
parameters {{ key: "session.intra_op.allow_spinning" value: {{ string_value: "0" }} }}
"""


@dataclass(frozen=True)
class Source:
    """A causal model as it was published."""

    network: Any
    """transformers' LlamaForCausalLM."""
    tokenizer: Any
    """transformers' tokenizer, with its chat template."""
    name: str
    """Of the folder to make."""
    origin: str
    """What it is and where it comes from, in one sentence."""
    licence: str
    """SPDX identifier of the weights."""


def graph(network: LlamaWithCache, *, bits: int = 8) -> onnx.ModelProto:
    """The network as ONNX; `bits` of its matrices' weights: 8, 4, or 32 as they are."""
    inputs, outputs = network.names()
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "position_ids")}
    axes["attention_mask"] = {0: "batch", 1: "total"}
    axes["logits"] = {0: "batch"}
    axes |= {name: {0: "batch", 2: "past"} for name in inputs[3:]}
    axes |= {name: {0: "batch", 2: "total"} for name in outputs[1:]}
    ids = torch.ones((2, 3), dtype=torch.int64)
    past = [torch.zeros((2, network.shared, 4, network.width)) for _ in inputs[3:]]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (ids, torch.ones((2, 7), dtype=torch.int64), ids, *past),
            buffer,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    if bits == 32:
        return model
    # Of the weights alone: what a text is must not depend on the texts that are computed beside it.
    quantizer = MatMulNBitsQuantizer(model, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    return quantizer.model.model


def write(source: Source, repository: Path, *, max_token_count: int, bits: int = 8) -> Path:
    """Writes the folder; returns it."""
    folder = repository / source.name
    (folder / "1").mkdir(parents=True)
    onnx.save(graph(LlamaWithCache(source.network), bits=bits), folder / "1" / "model.onnx")
    source.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(source.tokenizer.chat_template, encoding="utf-8")
    end = source.tokenizer.eos_token
    config = CONFIG.format(max_token_count=max_token_count, stop_tokens=end)
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    write_card(card(source, max_token_count=max_token_count, end=end, bits=bits), repository)
    return folder


def card(source: Source, *, max_token_count: int, end: str, bits: int) -> ModelCard:
    """The card, without digests."""
    texts = {"text_input": "The prompt.", "sampling_parameters": "A JSON object with vLLM's names."}
    flags = {"stream": "Always true.", "return_finish_reason": "Always true."}
    answers = {
        "text_output": "A piece of the text.",
        "finish_reason": "`stop`, `length`, or `None` before the end.",
    }
    task = TextGeneration(
        prompt_tensor="text_input",
        stream_tensor="stream",
        sampling_parameters_tensor="sampling_parameters",
        return_finish_reason_tensor="return_finish_reason",
        finish_reason_tensor="finish_reason",
        text_tensor="text_output",
        chat_template_file="chat_template.jinja",
        tokenizer_file="tokenizer.json",
        max_token_count=max_token_count,
        max_new_token_count=min(512, max_token_count // 2),
        stop_texts=[end],
    )
    parameters = sum(tensor.numel() for tensor in source.network.parameters())
    made = ModelCard(
        name=source.name,
        version="1.0.0",
        summary=f"Writes text: {source.origin}",
        intended_use=f"{INTENDED_USE} It was not made for medicine and states what no evidence says.",
        architecture=f"Causal transformer of Llama's form with {parameters:,} parameters.",
        serving=ModelServing(preprocessing_version="text/1", text_generation=task, default_answer=False),
        limitations=["Not measured on clinical text.", "Invents findings, and diagnoses that nobody made."],
        inputs=[_tensor(name, "BYTES", told) for name, told in texts.items()]
        + [_tensor(name, "BOOL", told) for name, told in flags.items()],
        outputs=[_tensor(name, "BYTES", told) for name, told in answers.items()],
        precision="fp32" if bits == 32 else f"int{bits} weights",
        licence=source.licence,
        model_version=1,
    )
    made.changelog.add(version="1.0.0", description="Exported.")
    return made


def _tensor(name: str, datatype: str, told: str) -> TensorContract:
    return TensorContract(name=name, datatype=datatype, description=told)
