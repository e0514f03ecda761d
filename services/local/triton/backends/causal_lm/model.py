"""The backend named `causal_lm` of the embedded Triton: text from an ONNX causal model, token by token.

Tensors and sampling parameters are those of Triton's vLLM backend, so a folder whose config.pbtxt says
`backend: "vllm"` takes the place of one that says `backend: "causal_lm"` without a change for the callers.
The folder holds `1/model.onnx` (its form: `generation/onnx_network.py`) and `tokenizer.json`. Parameters of
the configuration, beside ONNX Runtime's:

    max_token_count     most tokens of prompt and answer together; needed
    stop_tokens         tokens that end an answer, by their text, separated by blanks; needed
    max_active_count    texts written at the same time (8)
    max_batch_count     of those, the ones that are computed together (1: a text never depends on the others)
    max_waiting_count   requests that wait beyond those; the next one is refused (32)
    max_seconds         longest time of one request, waiting included (60)
    prefill_chunk       most tokens of a prompt read between two tokens of the others (128)

A request whose parameter `medmesh_cancels` is the id of another one ends that, and has an empty answer. No
error and no log line holds anything of a request.
"""

from __future__ import annotations

import contextlib
import json
import math
import queue
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from generation.onnx_network import OnnxNetwork
from generation.parameters import SamplingParameters
from generation.scheduler import Bounds, Ending, Refusal, Scheduler
from generation.text import TextOfTokens
from onnx_session import give_way, open_session, parameters_of, weights_of
from progress import Progress
from tokenizers import Tokenizer

_CODES = {
    Refusal.CANCELLED: "CANCELLED",
    Refusal.TIMED_OUT: "UNAVAILABLE",
    Refusal.FAILED: "INTERNAL",
    Refusal.ENDED: "UNAVAILABLE",
}
"""Names of Triton's codes: the stub adds them to `pb_utils` only after this module is imported."""
CANCELS = "medmesh_cancels"
"""Parameter of a request that cancels the one with the id that it holds. To cancel gRPC's stream can end this
Triton (docs/triton.md)."""
_MOST_GONE = 256
_LONGEST_FIRST_TOKENS = 8
"""Of the prompt, as context for the text of the answer's first token."""


class TritonPythonModel:
    """One instance of one model: Triton's thread takes requests in, one of its own writes all their texts."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the graph and the tokenizer; what does not hold stops the model from loading."""
        config = json.loads(args["model_config"])
        if not pb_utils.using_decoupled_model_transaction_policy(config):
            raise pb_utils.TritonModelException("say decoupled: true in model_transaction_policy")
        if args["model_instance_kind"] != "CPU":
            raise pb_utils.TritonModelException("this backend writes on CPUs: say KIND_CPU in instance_group")
        give_way()
        parameters = parameters_of(config)
        session = open_session(weights_of(args, config), config, args)
        folder = Path(args["model_repository"])
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._bounds = bounds_of(parameters)
            self._stop_tokens = stop_tokens_of(parameters, self._tokenizer)
            self._scheduler = Scheduler(OnnxNetwork(session), self._bounds, self._stop_tokens)
        except Exception as error:  # tokenizers' own errors share no base class
            raise pb_utils.TritonModelException(str(error)) from error
        self._callers: weakref.WeakValueDictionary[str, StreamCaller] = weakref.WeakValueDictionary()
        self._gone: deque[str] = deque(maxlen=_MOST_GONE)
        self._arriving: queue.SimpleQueue[Arrived | None] = queue.SimpleQueue()
        self._progress = Progress()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def execute(self, requests: list[Any]) -> None:
        """Takes requests in; their answers are sent as they are written."""
        for request in requests:
            self._arriving.put(Arrived.of(request))

    def finalize(self) -> None:
        """Ends what is being written."""
        self._arriving.put(None)
        self._writer.join(timeout=10)

    def _write(self) -> None:
        while (arrived := self._arrived(wait=self._scheduler.count == 0)) is not None:
            for one in arrived:
                self._take_up(one)
            try:
                with self._progress.running():
                    self._scheduler.round()
            except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no base class
                # Everyone has been told. Its text may hold values of a request.
                pb_utils.Logger.log_error(f"a round failed ({type(error).__name__})")
        self._scheduler.refuse_all(Refusal.ENDED)

    def _arrived(self, *, wait: bool) -> list[Arrived] | None:
        """What has come, those that cancel others first; None: the end."""
        found: list[Arrived] = []
        with contextlib.suppress(queue.Empty):
            while True:
                one = self._arriving.get(block=wait and not found)
                if one is None:
                    return None
                found.append(one)
        return sorted(found, key=lambda one: one.cancels is None)

    def _take_up(self, arrived: Arrived) -> None:
        if arrived.cancels is not None:
            self._cancel(arrived.cancels)
            arrived.sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            return
        caller = StreamCaller(arrived.sender)
        if arrived.name in self._gone:
            caller.refuse(Refusal.CANCELLED)
            return
        if self._scheduler.is_full:
            self._scheduler.let_go()
        if self._scheduler.is_full:
            caller.fail("the request exceeds maximum queue size", pb_utils.TritonError.UNAVAILABLE)
            return
        try:
            asked = Asked.of(arrived.request)
            caller.reports_ending = asked.return_finish_reason
            prompt = self._tokenizer.encode(asked.text).ids
            text = TextOfTokens(self._tokenizer, prompt[-_LONGEST_FIRST_TOKENS:], asked.parameters.stop)
            timeout_s = (arrived.request.timeout() or math.inf) / 1e6
            self._scheduler.add(caller, prompt, asked.parameters, text, timeout_s)
            self._callers[arrived.name] = caller
        except ValueError as error:  # ours alone, and they name fields
            caller.fail(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # noqa: BLE001 - tokenizers' errors share no base class, and may quote the text
            told = f"the prompt cannot be read ({type(error).__name__})"
            caller.fail(told, pb_utils.TritonError.INVALID_ARG)

    def _cancel(self, name: str) -> None:
        if name in self._callers:
            self._callers[name].has_left = True
        else:
            self._gone.append(name)  # it may have overtaken the request that it is about


@dataclass(frozen=True)
class Arrived:
    """A request that Triton has handed over."""

    request: Any
    sender: Any
    name: str
    """Its id; empty: none."""
    cancels: str | None
    """Id of the request that it cancels; None: it asks for a text."""

    @classmethod
    def of(cls, request: Any) -> Arrived:
        """Reads what is beside the tensors."""
        cancels = json.loads(request.parameters() or "{}").get(CANCELS)
        return cls(request, request.get_response_sender(), request.request_id(), cancels)


@dataclass(frozen=True)
class Asked:
    """What a request says."""

    text: str
    parameters: SamplingParameters
    return_finish_reason: bool

    @classmethod
    def of(cls, request: Any) -> Asked:
        """Reads the tensors. Raises ValueError, which names the tensor."""
        values = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        if not bool(_one(values, "stream", np.array([False]))):
            raise ValueError("this backend streams: send stream true")
        parameters = SamplingParameters.read(_text(values, "sampling_parameters", b"{}"))
        returns = bool(_one(values, "return_finish_reason", np.array([False])))
        return cls(_text(values, "text_input"), parameters, returns)


class StreamCaller:
    """Whoever sent a request, through Triton's response sender (`generation.scheduler.Caller`)."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.reports_ending = False
        self.has_left = False
        """Whether a request has cancelled this one."""

    def is_cancelled(self) -> bool:
        """See `Caller.is_cancelled`."""
        return self.has_left or bool(self._sender.is_cancelled())

    def send(self, text: str, ending: Ending | None) -> None:
        """See `Caller.send`."""
        tensors = [pb_utils.Tensor("text_output", np.array([text.encode()], dtype=np.object_))]
        if self.reports_ending:
            reason = (ending.value if ending else "None").encode()
            tensors.append(pb_utils.Tensor("finish_reason", np.array([reason], dtype=np.object_)))
        flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if ending else 0
        self._sender.send(pb_utils.InferenceResponse(output_tensors=tensors), flags=flags)

    def refuse(self, why: Refusal) -> None:
        """See `Caller.refuse`."""
        self.fail(why.value, getattr(pb_utils.TritonError, _CODES[why]))

    def fail(self, told: str, code: Any) -> None:
        """Ends the answer with an error."""
        answer = pb_utils.InferenceResponse(error=pb_utils.TritonError(told, code))
        with contextlib.suppress(pb_utils.TritonModelException):  # nobody is there to be told
            self._sender.send(answer, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def bounds_of(parameters: dict[str, str]) -> Bounds:
    """The bounds that the configuration sets. Raises ValueError where it sets them wrongly."""
    given: dict[str, Any] = {}
    for name, default in (("max_token_count", 0), *_defaults().items()):
        text = parameters.get(name, str(default))
        try:
            given[name] = type(default)(text)
        except ValueError:
            raise ValueError(f"parameter {name} must be a number") from None
        if given[name] <= 0:
            raise ValueError(f"parameter {name} must be set, and above 0")
    return Bounds(**given)


def _defaults() -> dict[str, Any]:
    names = ("max_active_count", "max_batch_count", "max_waiting_count", "max_seconds", "prefill_chunk")
    return {name: getattr(Bounds, name) for name in names}


def stop_tokens_of(parameters: dict[str, str], tokenizer: Tokenizer) -> list[int]:
    """The ids of the tokens that end an answer. Raises ValueError where one is not in the vocabulary."""
    texts = parameters.get("stop_tokens", "").split()
    ids = [number for text in texts if (number := tokenizer.token_to_id(text)) is not None]
    if not ids or len(ids) < len(texts):
        raise ValueError("parameter stop_tokens must name tokens of tokenizer.json")
    return ids


def _one(values: dict[str, Any], name: str, default: Any = None) -> Any:
    array = values.get(name, default)
    if array is None or array.size != 1:
        raise ValueError(f"input '{name}' must hold one value")
    return array.reshape(-1)[0]


def _text(values: dict[str, Any], name: str, default: bytes | None = None) -> str:
    value = _one(values, name, None if default is None else np.array([default], dtype=np.object_))
    try:
        return bytes(value).decode()
    except (TypeError, UnicodeDecodeError):
        raise ValueError(f"input '{name}' must be text in UTF-8") from None
