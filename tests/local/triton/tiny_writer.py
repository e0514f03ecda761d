"""A causal model so small that what it writes can be worked out by hand, and yet wrong as soon as a place of
the cache, a mask or a position is.

The token that follows is the sum over all tokens so far of the token times its place, counted from 1, plus 7
(without which the texts would end in one letter), modulo the letters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

LETTERS = "abcdefghijklmnopqrstuvwxyz .\n"
END = "<eos>"
VOCABULARY = {letter: at for at, letter in enumerate(LETTERS)} | {END: len(LETTERS)}

CONFIG = """
backend: "causal_lm"
max_batch_size: 0
model_transaction_policy { decoupled: true }
input [
  { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "stream" data_type: TYPE_BOOL dims: [ 1 ] },
  { name: "sampling_parameters" data_type: TYPE_STRING dims: [ 1 ] optional: true },
  { name: "return_finish_reason" data_type: TYPE_BOOL dims: [ 1 ] optional: true }
]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "finish_reason" data_type: TYPE_STRING dims: [ -1 ] }
]
instance_group [ { count: 1 kind: KIND_CPU } ]
"""


def following(tokens: Sequence[int]) -> int:
    """What the model writes after these tokens."""
    return sum((place + 1) * token + 7 for place, token in enumerate(tokens)) % len(LETTERS)


def written(prompt: str, count: int) -> str:
    """What it writes after this text, in so many tokens."""
    tokens = [VOCABULARY[letter] for letter in prompt]
    for _ in range(count):
        tokens.append(following(tokens))
    return "".join(LETTERS[token] for token in tokens[len(prompt) :])


def tokenizer() -> Tokenizer:
    """A token a letter."""
    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token="."))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(END)])
    return made


def graph() -> onnx.ModelProto:
    """The model, in the form of an export with a cache: one layer of one head of width 1."""

    def ints(name: str, *shape: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.INT64, shape)

    def floats(name: str, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def numbers(name: str, *values: int) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)

    def scalar(name: str, value: float) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, [], [value])

    size = len(VOCABULARY)
    constants = [
        numbers("heads", 0, 1, -1, 1),
        numbers("outer", 1, 2, 3),
        numbers("row", -1, 1, 1),
        scalar("one", 1),
        scalar("seven", 7),
        scalar("letters", len(LETTERS)),
        helper.make_tensor("numbers", TensorProto.FLOAT, [1, 1, size], [float(n) for n in range(size)]),
    ]
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["tokens"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["position_ids"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["places", "one"], ["counted"]),
        helper.make_node("Mul", ["tokens", "counted"], ["product"]),
        helper.make_node("Add", ["product", "seven"], ["weighted"]),
        helper.make_node("Reshape", ["weighted", "heads"], ["new"]),
        helper.make_node("Concat", ["past_key_values.0.key", "new"], ["present.0.key"], axis=2),
        helper.make_node("Concat", ["past_key_values.0.value", "new"], ["present.0.value"], axis=2),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["mask", "heads"], ["seen"]),
        # Half of the sum by each of the two, so that both are needed.
        helper.make_node("Add", ["present.0.key", "present.0.value"], ["both"]),
        helper.make_node("Mul", ["both", "seen"], ["counts"]),
        helper.make_node("ReduceSum", ["counts", "outer"], ["twice"], keepdims=0),
        helper.make_node("Add", ["one", "one"], ["two"]),
        helper.make_node("Div", ["twice", "two"], ["sum"]),
        helper.make_node("Mod", ["sum", "letters"], ["next"], fmod=1),
        helper.make_node("Reshape", ["next", "row"], ["wanted"]),
        helper.make_node("Sub", ["numbers", "wanted"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["distance"]),
        helper.make_node("Neg", ["distance"], ["logits"]),
    ]
    inputs = [
        ints("input_ids", "batch", "length"),
        ints("attention_mask", "batch", "total"),
        ints("position_ids", "batch", "length"),
        *(floats(f"past_key_values.0.{name}", "batch", 1, "past", 1) for name in ("key", "value")),
    ]
    outputs = [
        floats("logits", "batch", 1, size),
        *(floats(f"present.0.{name}", "batch", 1, "total", 1) for name in ("key", "value")),
    ]
    made = helper.make_graph(nodes, "tiny_writer", inputs, outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write(repository: Path, name: str, **parameters: str | float) -> str:
    """Its folder, without a card; `parameters` go into the configuration. Returns the weights' digest."""
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    onnx.save(graph(), folder / "1" / "model.onnx")
    tokenizer().save(str(folder / "tokenizer.json"))
    given = {"max_token_count": 4096, "stop_tokens": END, "intra_op_thread_count": 1} | parameters
    lines = [f'parameters {{ key: "{k}" value: {{ string_value: "{v}" }} }}\n' for k, v in given.items()]
    (folder / "config.pbtxt").write_text(CONFIG + "".join(lines))
    return hashlib.sha256((folder / "1" / "model.onnx").read_bytes()).hexdigest()
