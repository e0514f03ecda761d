"""A causal language model as an ONNX graph with a key-value cache, called by its tensors' names.

The form is that of Hugging Face's exports (`text-generation-with-past`):

    input_ids       INT64 [batch, length]          tokens that are not in the cache yet
    attention_mask  INT64 [batch, past + length]   0 where a place is padding, which is on the left alone
    position_ids    INT64 [batch, length]          place of each token in its own text; optional
    past_key_values.<layer>.key, .value            [batch, heads, past, width]
    logits          FP32  [batch, length or 1, vocabulary]
    present.<layer>.key, .value                    the cache with these tokens in it

One graph takes the prompt (past of length 0) and each further token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from .network import Cache, Floats, Ints

_FIXED = ("input_ids", "attention_mask", "position_ids")
_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxCache:
    """Keys and values in ONNX Runtime's own memory, so that a token costs no copy of them."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    @property
    def length(self) -> int:
        """See `Cache.length`."""
        return int(self.values[0].shape()[2])

    def select(self, rows: Sequence[int], first: int) -> OnnxCache:
        """See `Cache.select`."""
        return _cache([value.numpy()[list(rows), :, first:] for value in self.values])

    def beside(self, other: Cache) -> OnnxCache:
        """See `Cache.beside`."""
        if not isinstance(other, OnnxCache):
            raise TypeError("caches of one network alone stand beside each other")
        pairs = zip(self.values, other.values, strict=True)
        return _cache([_joined(one.numpy(), two.numpy()) for one, two in pairs])


class OnnxNetwork:
    """A session on one CPU. Raises ValueError where the graph has another form."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        inputs = {node.name: node for node in session.get_inputs()}
        outputs = {node.name: node for node in session.get_outputs()}
        self._past = sorted((name for name in inputs if _PAST.fullmatch(name)), key=_place)
        self._present = [name.replace("past_key_values", "present", 1) for name in self._past]
        unknown = set(inputs) - {*_FIXED, *self._past}
        missing = ({"input_ids", "attention_mask"} - set(inputs)) | (
            {"logits", *self._present} - set(outputs)
        )
        if unknown or missing or not self._past:
            names = ", ".join(sorted(unknown | missing)) or "past_key_values.0.key"
            raise ValueError(f"the graph is not a causal model with a cache: see {names}")
        if inputs["input_ids"].type != "tensor(int64)" or outputs["logits"].type != "tensor(float)":
            raise ValueError("the graph's tokens must be INT64 and its logits FP32")
        self._has_positions = "position_ids" in inputs
        self._empty = [_empty(inputs[name]) for name in self._past]
        self.vocabulary_count = _fixed(outputs["logits"], -1)

    def run(self, ids: Ints, mask: Ints, positions: Ints, past: Cache | None) -> tuple[Floats, OnnxCache]:
        """See `Network.run`."""
        feed = {"input_ids": _value(ids), "attention_mask": _value(mask)}
        if self._has_positions:
            feed["position_ids"] = _value(positions)
        if past is None:
            known = [_value(np.repeat(empty, len(ids), axis=0)) for empty in self._empty]
        elif isinstance(past, OnnxCache):
            known = past.values
        else:
            raise TypeError("the cache is of another network")
        feed.update(zip(self._past, known, strict=True))
        logits, *present = self._session.run_with_ort_values(["logits", *self._present], feed)
        return logits.numpy()[:, -1], OnnxCache(present)


def _value(array: npt.NDArray[Any]) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


def _cache(arrays: Sequence[npt.NDArray[Any]]) -> OnnxCache:
    return OnnxCache([_value(array) for array in arrays])


def _joined(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> npt.NDArray[Any]:
    heads, length, width = one.shape[1], max(one.shape[2], two.shape[2]), one.shape[3]
    both = np.zeros((len(one) + len(two), heads, length, width), dtype=one.dtype)
    both[: len(one), :, length - one.shape[2] :] = one
    both[len(one) :, :, length - two.shape[2] :] = two
    return both


def _place(name: str) -> tuple[int, str]:
    found = _PAST.fullmatch(name)
    return (int(found[1]), found[2]) if found else (-1, "")


def _empty(node: Any) -> npt.NDArray[Any]:
    if node.type not in _TYPES or len(node.shape) != 4:
        raise ValueError(f"{node.name} must be FP32 or FP16 [batch, heads, past, width]")
    return np.zeros((1, _fixed(node, 1), 0, _fixed(node, 3)), dtype=_TYPES[node.type])


def _fixed(node: Any, axis: int) -> int:
    size = node.shape[axis]
    if isinstance(size, int):
        return size
    raise ValueError(f"{node.name} must have a fixed size along axis {axis}")
