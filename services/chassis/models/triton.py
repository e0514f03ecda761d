"""The inference seam on a Triton server. Beside the modules named `triton_…` the only one with tritonclient.

One gRPC connection for all models. A version is asked for by its number, and before the first call, and then
twice a minute, Triton's own configuration of it is held against the card; a version that is not loaded is
loaded, where Triton allows it. Triton's exceptions are mapped in `triton_errors`; no tensor's content ever
gets into a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import grpc
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException

from services.chassis.errors import DeadlineExceeded, MedmeshError, ModelUnavailable, Overloaded
from services.chassis.models import triton_calls, triton_errors
from services.chassis.models.inference import (
    Answer,
    Arrays,
    ModelVersion,
    Verification,
    ask_once,
    check_inputs,
    check_outputs,
    row_count,
)
from services.chassis.models.repository import EMBEDDED_ID
from services.chassis.models.triton_calls import CHANNEL_OPTIONS, INFER, STREAM, KeyedStub, Part
from services.chassis.models.triton_config import configuration, override
from services.chassis.models.triton_key import TritonKey
from services.chassis.models.triton_streams import Streams
from services.chassis.observability.attributes import Attributes, Name
from services.chassis.observability.client_call import ClientCall
from services.chassis.rpc import request

logger = logging.getLogger("medmesh.models")

_READY_FOR_S, _STARTING_FOR_S = 1.0, 0.05
_PROBE_TIMEOUT_S, _LIVE_TIMEOUT_S = 5.0, 2.0
_BUSY_FOR_S = _VERIFIED_FOR_S = _RUNTIME_FOR_S = 30.0
_LOAD_TIMEOUT_S = 300.0
_LOAD_AGAIN_S = 5.0
_APPEARS_WITHIN_S = 5.0
_NEVER = float("-inf")


@dataclass
class _State:
    """What is known of one version on this server."""

    verification: Verification = Verification.STATED
    verified_at: float = _NEVER
    answered_at: float = _NEVER
    refused_at: float = _NEVER
    load_failed_at: float = _NEVER
    load_error: ModelUnavailable | None = None
    takes_cancel_requests: bool = False


class TritonInference:
    """Runs models on one Triton server (`services.chassis.models.inference.Inference`)."""

    def __init__(self, url: str, *, default_timeout_s: float = 30.0, key: TritonKey | None = None) -> None:
        self._url = url
        self._default_timeout_s = default_timeout_s
        self._client = InferenceServerClient(url, channel_args=CHANNEL_OPTIONS)
        if key is not None:
            self._client.register_plugin(key)
        self._channel = grpc.aio.insecure_channel(url, options=CHANNEL_OPTIONS)  # gRPC shares the connection
        stub = KeyedStub(GRPCInferenceServiceStub(self._channel), key)
        self._calls = triton_calls.Calls(stub)
        self._streams = Streams(stub)
        self._states: defaultdict[ModelVersion, _State] = defaultdict(_State)
        self._probes: dict[ModelVersion, asyncio.Task[bool]] = {}
        self._verifications: dict[ModelVersion, asyncio.Task[Verification]] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self._server = ("", "", _NEVER)

    async def close(self) -> None:
        """Closes the channel."""
        under_way = [*self._probes.values(), *self._verifications.values()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._calls.close()
        await self._streams.close()
        await self._client.close()
        await self._channel.close()

    async def infer(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0
    ) -> Answer:
        """See `Inference.infer`."""
        check_inputs(model, inputs)
        until = self._until(model, timeout_s)
        priority = priority or request.priority()
        verification = await self._verified(model, _left_s(until))
        with self._call(INFER, model, {Name.BATCH_SIZE: row_count(inputs)}):
            try:
                part = await self._ask(model, inputs, until, priority)
            except triton_errors.NotLoaded:  # Triton was started again, or another caller unloaded it
                verification = await self._verified(model, _left_s(until))
                part = await self._ask(model, inputs, until, priority)
        check_outputs(model, inputs, part.outputs)
        self._states[model].answered_at = time.monotonic()
        return Answer(part.outputs, part.version, verification, await self.runtime())

    async def stream(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Answer]:
        """See `Inference.stream`."""
        check_inputs(model, inputs)
        until = self._until(model, timeout_s)
        verification = await self._verified(model, _left_s(until))
        runtime = await self.runtime()
        pieces = self._pieces(model, inputs, until)
        async with contextlib.AsyncExitStack() as open_streams:
            await open_streams.enter_async_context(contextlib.aclosing(pieces))
            # The span ends with the first piece: what is yielded from here runs in the caller's context.
            with self._call(STREAM, model, {}):
                try:
                    piece = await anext(pieces, None)
                except triton_errors.NotLoaded:  # as in `infer`
                    verification = await self._verified(model, _left_s(until))
                    pieces = self._pieces(model, inputs, until)
                    await open_streams.enter_async_context(contextlib.aclosing(pieces))
                    piece = await anext(pieces, None)
            while piece is not None:
                check_outputs(model, inputs, piece.outputs)
                self._states[model].answered_at = time.monotonic()
                yield Answer(piece.outputs, piece.version, verification, runtime)
                piece = await anext(pieces, None)

    async def is_ready(self, model: ModelVersion) -> bool:
        """Whether `model` answers now: Triton's own word is not enough, so a tiny inference is made.

        Triton can report ready while its Python backend is dead (server issues 8841, 8604). The result holds
        for a second; callers at the same time share one probe.
        """
        now, state = time.monotonic(), self._states[model]
        if now - state.answered_at < _READY_FOR_S:
            return True
        if now - state.refused_at < (_READY_FOR_S if state.answered_at > _NEVER else _STARTING_FOR_S):
            return False
        if model.loads_on_first_use and await self._awaits_its_first_use(model):
            return True
        probe = self._probes.get(model)
        if probe is None:
            probe = asyncio.create_task(self._probe(model))
            self._probes[model] = probe
            probe.add_done_callback(lambda _: self._probes.pop(model, None))
        return await asyncio.shield(probe)

    async def _awaits_its_first_use(self, model: ModelVersion) -> bool:
        """Whether it is not loaded, and would be: a question after its readiness is no use of it."""
        with contextlib.suppress(MedmeshError):
            if self._states[model].load_error is None and await self._is_embedded():
                return await self._configured_digest(model) is None
        return False

    async def load(self, versions: Sequence[ModelVersion]) -> None:
        """See `Inference.load`."""
        await self._load(versions, wanted=None)
        for version in versions:
            self._states.pop(version, None)
            await self._verify(version)

    async def unload(self, model: ModelVersion, kept: Sequence[ModelVersion]) -> None:
        """See `Inference.unload`."""
        name, number = model.name, model.number
        try:
            ready = await self._ready_numbers(name)
            rest = ready - {number}
            if rest and kept and await self._is_embedded():
                await self._load(kept, wanted=rest)
            elif ready and not rest:
                await self._client.unload_model(name)
        except (MedmeshError, InferenceServerException):
            logger.warning("a version is not unloaded", extra={"facts": {"model": name, "version": number}})

    async def drop(self, model: ModelVersion) -> None:
        """See `Inference.drop`."""
        name = model.name
        try:
            if await self._ready_numbers(name):
                await self._client.unload_model(name, client_timeout=_LOAD_TIMEOUT_S)
        except (MedmeshError, InferenceServerException):
            logger.warning("Triton does not give a model up", extra={"facts": {"model": name}})
        for known in [known for known in self._states if known.name == name]:
            del self._states[known]  # nothing that was seen of it counts any more

    async def runtime(self) -> str:
        """`triton <version>`; `unknown` while the server does not answer. Asked again twice a minute."""
        _, version = await self._introduced()
        return f"triton {version}" if version else "unknown"

    def _call(self, method: str, model: ModelVersion, further: Attributes) -> ClientCall:
        return ClientCall(method, self._url, {**triton_calls.labels(model), **further})

    def _until(self, model: ModelVersion, timeout_s: float | None) -> float:
        """When the answer is due, on `time.monotonic`'s clock."""
        left_s = request.remaining_s(timeout_s)
        left_s = self._default_timeout_s if left_s is None else left_s
        if left_s <= 0:
            raise DeadlineExceeded(metadata={"model": model.name})
        return time.monotonic() + left_s

    async def _introduced(self) -> tuple[str, str]:
        """The server's name and version; empty while it does not answer."""
        name, version, asked_at = self._server
        if version and time.monotonic() - asked_at < _RUNTIME_FOR_S:
            return name, version
        try:
            metadata = await self._client.get_server_metadata(client_timeout=_PROBE_TIMEOUT_S)
        except InferenceServerException:
            return "", ""
        self._server = (metadata.name, metadata.version, time.monotonic())
        return metadata.name, metadata.version

    async def _is_embedded(self) -> bool:
        return (await self._introduced())[0] == EMBEDDED_ID

    async def _verified(self, model: ModelVersion, left_s: float) -> Verification:
        """How the weights are known, from a look at Triton's configuration at most half a minute old."""
        state = self._states[model]
        if time.monotonic() - state.verified_at < _VERIFIED_FOR_S:
            return state.verification
        task = self._verifications.get(model)
        if task is None:
            task = asyncio.create_task(self._verify(model))
            self._verifications[model] = task
            task.add_done_callback(lambda done: self._verified_or_not(model, done))
        try:
            async with asyncio.timeout(left_s):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{model.name}: not verified within the time given") from error

    def _verified_or_not(self, model: ModelVersion, done: asyncio.Task[Verification]) -> None:
        self._verifications.pop(model, None)
        if not done.cancelled():
            done.exception()  # told to whoever still waits; when nobody does, the state keeps it

    async def _verify(self, model: ModelVersion) -> Verification:
        """Holds Triton's configuration against the card; loads the version first where it is not there."""
        state = self._states[model]
        if state.load_error is not None and time.monotonic() - state.load_failed_at < _LOAD_AGAIN_S:
            raise state.load_error
        embedded = await self._is_embedded()
        digest = await self._configured_digest(model)
        if digest is None or (embedded and digest != model.weights_sha256):
            try:
                await self._load([model], wanted=None)
            except ModelUnavailable as error:
                state.load_error, state.load_failed_at = error, time.monotonic()
                raise
            digest = await self._configured_digest(model)
        if digest is None:
            raise ModelUnavailable(
                f"{model.name}: Triton has not loaded version {model.number} and does not allow model "
                "control; restart it with this repository",
                metadata={"model": model.name},
            )
        if digest and digest != model.weights_sha256:
            raise ModelUnavailable(
                f"{model.name}: Triton serves other weights of version {model.number} than the card's; "
                "give Triton and the services the same repository",
                metadata={"model": model.name},
            )
        state.verification = (
            Verification.STATED
            if not digest
            else Verification.DIGESTED
            if embedded
            else Verification.CONFIGURED
        )
        state.verified_at = time.monotonic()
        return state.verification

    async def _configured_digest(self, model: ModelVersion) -> str | None:
        """The digest of the version's weights by Triton's configuration; empty: none; None: it is not
        loaded.
        """
        try:
            answer = await self._client.get_model_config(
                model.name, str(model.number), client_timeout=_PROBE_TIMEOUT_S
            )
        except InferenceServerException as error:
            if triton_errors.is_not_loaded(error):
                return None
            raise triton_errors.mapped(model.name, error) from error
        found = configuration(answer.config)
        self._states[model].takes_cancel_requests = found.takes_cancel_requests
        self._calls.allow(model, found.ahead, found.ahead_sparing)
        return found.digests.get(model.number, "")

    async def _load(self, versions: Sequence[ModelVersion], wanted: set[int] | None) -> None:
        """Tells Triton to serve `versions` of one model; `wanted`: with just these others, else with all it
        has.

        Only the embedded Triton is given a configuration: its backend holds the weights to the digests in
        it. Of another one its own configuration is the only word of what it runs.
        """
        name = versions[0].name
        async with self._loading.setdefault(name, asyncio.Lock()):
            config = None
            if versions[0].config and await self._is_embedded():
                numbers = {version.number for version in versions}
                numbers |= await self._ready_numbers(name) if wanted is None else wanted
                digests = {version.number: version.weights_sha256 for version in versions}
                config = override(versions[0].config, numbers, digests)
            await self._request_load(name, config)

    async def _request_load(self, name: str, config: str | None) -> None:
        waits_until = time.monotonic() + _APPEARS_WITHIN_S
        while True:
            try:
                await self._client.load_model(name, config=config, client_timeout=_LOAD_TIMEOUT_S)
            except InferenceServerException as error:
                if triton_errors.is_uncontrolled(error):
                    logger.info(
                        "Triton does not allow model control: the versions that it has loaded are used",
                        extra={"facts": {"model": name}},
                    )
                    return
                if triton_errors.is_not_there(error) and config and time.monotonic() < waits_until:
                    await asyncio.sleep(0.2)  # the launcher has not seen the new folder yet
                    continue
                logger.warning("Triton does not load a model", extra={"facts": {"model": name}})
                raise triton_errors.load_error(name, error) from error
            return

    async def _ready_numbers(self, name: str) -> set[int]:
        try:
            index = await self._client.get_model_repository_index(client_timeout=_PROBE_TIMEOUT_S)
        except InferenceServerException as error:
            raise triton_errors.mapped(name, error) from error
        return {int(entry.version) for entry in index.models if entry.name == name and entry.state == "READY"}

    async def _ask(self, model: ModelVersion, inputs: Arrays, until: float, priority: int) -> Part:
        try:
            return await self._calls.ask(model, inputs, until, priority)
        except InferenceServerException as error:
            raise self._failed(model, error) from error

    async def _pieces(self, model: ModelVersion, inputs: Arrays, until: float) -> AsyncGenerator[Part]:
        by_request = self._states[model].takes_cancel_requests
        stream = self._streams.cancelled_by_request if by_request else self._streams.cancelled_by_grpc
        answer = stream(model, inputs, until)
        async with contextlib.aclosing(answer) as pieces:
            try:
                async for piece in pieces:
                    yield piece
            except InferenceServerException as error:
                if time.monotonic() >= until:  # whichever end noticed first, and whatever it calls that
                    told = f"{model.name}: no whole answer within the time given"
                    raise DeadlineExceeded(told, metadata={"model": model.name}) from error
                raise self._failed(model, error) from error

    def _failed(self, model: ModelVersion, error: InferenceServerException) -> MedmeshError:
        found = triton_errors.mapped(model.name, error)
        if isinstance(found, ModelUnavailable):
            self._states[model].verified_at = _NEVER  # whatever comes back may be another server
        return found

    async def _probe(self, model: ModelVersion) -> bool:
        # The task inherits the context of whoever asked first; its deadline is not the probe's.
        request.current.set(None)
        state = self._states[model]
        try:
            await ask_once(self, model, _PROBE_TIMEOUT_S)
        except Overloaded:
            return True  # A full queue is what a living model under load has.
        except MedmeshError as error:
            # So is a long one: a model that answers others is busy, not gone; a server that says nothing is.
            busy = isinstance(error, DeadlineExceeded) and time.monotonic() - state.answered_at < _BUSY_FOR_S
            with contextlib.suppress(InferenceServerException):
                if busy and await self._client.is_server_live(client_timeout=_LIVE_TIMEOUT_S):
                    return True
            state.refused_at = time.monotonic()
            return False
        return True


def _left_s(until: float) -> float:
    return max(until - time.monotonic(), 0.001)
