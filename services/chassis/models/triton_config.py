"""`config.pbtxt` and Triton's own word of a model's configuration, read and made. Beside `triton`, the only
module that knows tritonclient.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from services.chassis.models.repository import (
    DIGEST_PARAMETER,
    LOAD_PARAMETER,
    ON_FIRST_USE,
    WEIGHTS,
    WEIGHTS_OF_BACKENDS,
)
from services.chassis.models.turns import Ahead

_RUNS_GRAPHS = frozenset({"", "onnxruntime"})
"""Backends whose tensors are those of the ONNX graph; others put something between."""
_TAKES_CANCEL_REQUESTS = frozenset({"causal_lm"})


@dataclass(frozen=True)
class ConfiguredTensor:
    """One input or output, as the configuration has it."""

    name: str
    datatype: str
    """Without the prefix, e.g. `FP32`."""
    shape: tuple[int, ...]
    """As written: without the batch axis where the model batches."""


@dataclass(frozen=True)
class Configuration:
    """What a model's configuration says of its contract."""

    name: str
    """Empty where the file leaves it to the folder."""
    max_batch_count: int
    """0: the model has no batch axis of its own."""
    inputs: tuple[ConfiguredTensor, ...]
    outputs: tuple[ConfiguredTensor, ...]
    weights_file: str
    """In a version's folder."""
    runs_graph: bool
    """Whether the tensors are those of the graph in that file."""
    is_decoupled: bool
    """Whether it answers a request piece by piece."""
    takes_cancel_requests: bool
    """Whether a request can cancel another one."""
    loads_on_first_use: bool
    """Whether an embedded Triton loads it when it is first asked for."""
    ahead: Ahead
    """What keeps its instances busy."""
    ahead_sparing: Ahead
    """The same where whoever comes next should not wait for long."""
    digests: Mapping[int, str]
    """Version -> the stated digest of its weights."""


def read_configuration(text: str) -> Configuration:
    """Reads a `config.pbtxt`. Raises ValueError."""
    return configuration(_parse(text))


def configuration(config: model_config_pb2.ModelConfig) -> Configuration:
    """What a configuration says, also one that Triton answered with."""
    return Configuration(
        config.name,
        config.max_batch_size,
        _tensors(config.input),
        _tensors(config.output),
        config.default_model_filename or WEIGHTS_OF_BACKENDS.get(config.backend, WEIGHTS),
        config.backend in _RUNS_GRAPHS,
        config.model_transaction_policy.decoupled,
        config.backend in _TAKES_CANCEL_REQUESTS,
        LOAD_PARAMETER in config.parameters
        and config.parameters[LOAD_PARAMETER].string_value == ON_FIRST_USE,
        *_ahead(config),
        _digests(config),
    )


def override(text: str, versions: Iterable[int], digests: Mapping[int, str]) -> str:
    """The configuration with which Triton is told to serve just these versions, as JSON.

    `text` is the `config.pbtxt`; `digests` are stated for the versions that it does not state one for itself.
    Raises ValueError where the text is not a configuration.
    """
    config = _parse(text)
    config.version_policy.specific.versions[:] = sorted(versions)
    for number, digest in {**digests, **_digests(config)}.items():
        config.parameters[f"{DIGEST_PARAMETER}{number}"].string_value = digest
    fields: dict[str, Any] = json_format.MessageToDict(config, preserving_proto_field_name=True)
    return json.dumps(fields)


def _parse(text: str) -> model_config_pb2.ModelConfig:
    try:
        return text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ValueError(f"not a Triton model configuration: {error}") from error


def _tensors(tensors: Iterable[Any]) -> tuple[ConfiguredTensor, ...]:
    return tuple(
        ConfiguredTensor(
            tensor.name,
            model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_").replace("STRING", "BYTES"),
            tuple(tensor.dims),
        )
        for tensor in tensors
    )


def _ahead(config: model_config_pb2.ModelConfig) -> tuple[Ahead, Ahead]:
    """How much keeps a model's instances busy, and how much where whoever comes next should not wait for
    long.

    On a processor one request for each instance, and one more, which is begun while the answer to another one
    is on its way; all together hold a batch for each instance, since whoever comes next waits for them: where
    he should not, one call each for each instance, since a batch takes as long as its rows. So it is too
    where Triton joins nothing. A group without a count has one instance, on whatever Triton finds.
    """
    groups = config.instance_group or [model_config_pb2.ModelInstanceGroup()]
    instances: int = sum(max(group.count, 1) * max(len(group.gpus), 1) for group in groups)
    batch: int = 1
    if config.HasField("dynamic_batching"):
        batch = max([*config.dynamic_batching.preferred_batch_size] or [config.max_batch_size, 1])
    if any(group.kind != model_config_pb2.ModelInstanceGroup.KIND_CPU for group in groups):
        return Ahead(2 * instances, batch), Ahead(2 * instances, batch)
    sparing = Ahead(instances, 1)
    if batch == 1:
        return sparing, sparing
    return Ahead(instances + 1, -(-instances * batch // (instances + 1))), sparing


def _digests(config: model_config_pb2.ModelConfig) -> dict[int, str]:
    return {
        int(number): value.string_value
        for key, value in config.parameters.items()
        if (number := key.removeprefix(DIGEST_PARAMETER)) != key and number.isdecimal()
    }
