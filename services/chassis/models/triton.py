"""The inference seam on a Triton server: the only module that knows tritonclient.

One gRPC channel for all models. Triton's exceptions are mapped here, the most specific first; no tensor's
content ever gets into a message.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, model_config_pb2
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from services.chassis.errors import (
    DeadlineExceeded,
    MedmeshError,
    ModelFailed,
    ModelUnavailable,
    ModelUnknown,
    Overloaded,
)
from services.chassis.models.inference import Arrays, ModelSpec, check_inputs, check_outputs, example_inputs
from services.chassis.observability import telemetry
from services.chassis.rpc import request
from services.chassis.rpc.transport import DIRECT

_READY_FOR_S = 1.0
_PROBE_TIMEOUT_S = 5.0
_BUSY_FOR_S = 30.0
_RUNTIME_FOR_S = 30.0
_KEEPALIVE_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Triton restarts within seconds; gRPC's default backoff of up to two minutes would hide that it is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

TensorKey = tuple[str, str, tuple[int, ...]]
"""Name, Triton data type without its prefix, and dimensions without the batch axis."""

_QUEUE_FULL = re.compile(r"exceeds maximum queue size", re.IGNORECASE)
_DEAD = re.compile(r"stub process .* is not healthy", re.IGNORECASE)
_QUEUE_TIMEOUT = re.compile(r"request timeout expired", re.IGNORECASE)


class TritonInference:
    """Runs models on one Triton server (`services.chassis.models.inference.Inference`)."""

    def __init__(
        self,
        url: str,
        models: Iterable[ModelSpec],
        *,
        default_timeout_s: float = 30.0,
        maximum_message_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._specs = {spec.name: spec for spec in models}
        self._default_timeout_s = default_timeout_s
        self._client = InferenceServerClient(
            url,
            channel_args=[
                ("grpc.max_send_message_length", maximum_message_bytes),
                ("grpc.max_receive_message_length", maximum_message_bytes),
                DIRECT,
                *_KEEPALIVE_OPTIONS,
            ],
        )
        self._answered_at: dict[str, float] = {}
        self._probes: dict[str, asyncio.Task[bool]] = {}
        self._refused_at: dict[str, float] = {}
        self._runtime = ("unknown", -_RUNTIME_FOR_S)

    async def close(self) -> None:
        """Closes the channel."""
        probes = list(self._probes.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        await self._client.close()

    async def infer(self, model: str, inputs: Arrays, *, timeout_s: float | None = None) -> Arrays:
        """See `Inference.infer`. Unknown names raise ModelUnknown; a broken contract raises ModelFailed."""
        spec = self._specs.get(model)
        if spec is None:
            raise ModelUnknown(metadata={"model": model})
        check_inputs(spec, inputs)
        left_s = request.remaining_s(timeout_s)
        left_s = self._default_timeout_s if left_s is None else left_s
        if left_s <= 0:
            raise DeadlineExceeded(metadata={"model": model})
        with telemetry.span("triton.infer", model=model, batch_size=next(iter(inputs.values())).shape[0]):
            outputs = await self._ask(spec, inputs, left_s)
        check_outputs(spec, inputs, outputs)
        self._answered_at[model] = time.monotonic()
        return outputs

    async def is_ready(self, model: str) -> bool:
        """Whether `model` answers now: Triton's own word is not enough, so a tiny inference is made.

        Triton can report ready while its Python backend is dead (server issues 8841, 8604). The result holds
        for a second; callers at the same time share one probe.
        """
        if model not in self._specs:
            return False
        now = time.monotonic()
        if now - self._answered_at.get(model, -_READY_FOR_S) < _READY_FOR_S:
            return True
        if now - self._refused_at.get(model, -_READY_FOR_S) < _READY_FOR_S:
            return False
        probe = self._probes.get(model)
        if probe is None:
            probe = asyncio.create_task(self._probe(self._specs[model]))
            self._probes[model] = probe
            probe.add_done_callback(lambda _: self._probes.pop(model, None))
        return await asyncio.shield(probe)

    async def runtime(self) -> str:
        """`triton <version>`; `unknown` while the server does not answer. Asked again twice a minute."""
        name, asked_at = self._runtime
        if time.monotonic() - asked_at < _RUNTIME_FOR_S and name != "unknown":
            return name
        try:
            metadata = await self._client.get_server_metadata(client_timeout=_PROBE_TIMEOUT_S)
        except InferenceServerException:
            return "unknown"
        self._runtime = (f"{metadata.name} {metadata.version}", time.monotonic())
        return self._runtime[0]

    async def _ask(self, spec: ModelSpec, inputs: Arrays, left_s: float) -> dict[str, NDArray[Any]]:
        current = request.current.get()
        try:
            result = await self._client.infer(
                spec.name,
                _tensors(inputs),
                outputs=[InferRequestedOutput(t.name) for t in spec.outputs],
                request_id=current.request_id if current else "",
                timeout=max(1, int(left_s * 1e6)),
                client_timeout=left_s,
                headers=telemetry.outgoing_metadata(),
            )
        except InferenceServerException as error:
            raise _mapped(spec.name, error) from error
        outputs = {}
        for tensor in spec.outputs:
            array = result.as_numpy(tensor.name)
            if array is None:
                raise ModelFailed(
                    f"{spec.name}: output {tensor.name} is missing", metadata={"model": spec.name}
                )
            outputs[tensor.name] = array
        return outputs

    async def _probe(self, spec: ModelSpec) -> bool:
        # The task inherits the context of whoever asked first; its deadline is not the probe's.
        request.current.set(None)
        try:
            if not await self._client.is_model_ready(spec.name, client_timeout=_PROBE_TIMEOUT_S):
                self._refused_at[spec.name] = time.monotonic()
                return False
            await self.infer(spec.name, example_inputs(spec), timeout_s=_PROBE_TIMEOUT_S)
        except Overloaded:
            return True  # A full queue is what a living model under load has.
        except DeadlineExceeded:
            # So is a long one: a model that answers others is busy, not gone.
            if time.monotonic() - self._answered_at.get(spec.name, -_BUSY_FOR_S) < _BUSY_FOR_S:
                return True
            self._refused_at[spec.name] = time.monotonic()
            return False
        except (MedmeshError, InferenceServerException):
            self._refused_at[spec.name] = time.monotonic()
            return False
        return True


def _tensors(inputs: Arrays) -> Sequence[InferInput]:
    tensors = []
    for name, array in inputs.items():
        tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
        tensors.append(tensor)
    return tensors


def _mapped(model: str, error: InferenceServerException) -> MedmeshError:
    """The typed error for one of Triton's, most specific first. Its text is looked at, never passed on."""
    metadata = {"model": model}
    status = (error.status() or "").removeprefix("StatusCode.")
    text = error.message() or ""
    if _QUEUE_FULL.search(text):
        return Overloaded(f"{model}: Triton's queue is full", metadata=metadata)
    if _QUEUE_TIMEOUT.search(text) or status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(f"{model}: no answer within the time given", metadata=metadata)
    if _DEAD.search(text):
        return ModelUnavailable(f"{model}: its process in Triton has ended", metadata=metadata)
    if status == "NOT_FOUND":
        return ModelUnavailable(f"{model}: not loaded by Triton", metadata=metadata)
    if status in {"UNAVAILABLE", "CANCELLED"}:
        return ModelUnavailable(f"{model}: Triton does not answer", metadata=metadata)
    return ModelFailed(f"{model}: Triton answered {status or 'an error'}", metadata=metadata)


def read_config(text: str) -> tuple[set[TensorKey], set[TensorKey]]:
    """Inputs and outputs of a `config.pbtxt`, each as (name, data type, dimensions). Raises ValueError."""
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ValueError("not a Triton model configuration") from error
    return _keys(config.input), _keys(config.output)


def _keys(tensors: Iterable[Any]) -> set[TensorKey]:
    return {
        (t.name, model_config_pb2.DataType.Name(t.data_type).removeprefix("TYPE_"), tuple(t.dims))
        for t in tensors
    }
