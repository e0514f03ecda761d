"""Text generation: messages to a text, piece by piece as it is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from medmesh.common.v1.answer_pb2 import Decoding, Provenance
from medmesh.common.v1.serving_pb2 import TextGeneration
from services.chassis.errors import InvalidInput, ModelFailed, Reason
from services.chassis.models.served import Inferred, ServedModel
from services.chassis.observability.text_call import TextCall
from services.language.chat import ChatTemplate, Message
from services.language.tokenization import read_tokenizer

_CONTENTS_ALONE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
"""The template of a model that has none."""
_BYTES_A_TOKEN = 2
"""As TextGeneration.tokenizer_file says of a model without one."""
_LEAST_ANSWER_TOKENS = 16
"""A prompt that leaves less than this, and less than what is asked for, is too long."""

Array = npt.NDArray[np.generic]


class Ending(Enum):
    """Why a text ends where it ends."""

    UNKNOWN = ""
    """The model does not say."""
    COMPLETE = "stop"
    """The model ended it, or a stop text did."""
    CUT_OFF = "length"
    """It had as many tokens as it could have."""


class Writing:
    """A text as it is being written: iterate over its pieces, and close it (`async with`) to cancel the rest.

    Iterating raises what `Inference.stream` raises, and ModelFailed where a piece is not text.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[Inferred],
        task: TextGeneration,
        decoding: Decoding,
        call: TextCall,
        count: Callable[[str], int] | None,
    ) -> None:
        """`count`: how many tokens a text has; None: the tokenizer is not known."""
        self._call = call
        self._count = count
        self._answers = pieces
        self._task = task
        self._decoding = decoding
        self._pieces = self._read()
        self.provenance: Provenance | None = None
        """Which model wrote it, and how; None until the first piece is there."""
        self.ending = Ending.UNKNOWN
        """Holds when the last piece has been read."""

    def __aiter__(self) -> AsyncGenerator[str]:
        return self._pieces

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[str]:
        text = ""
        async with contextlib.aclosing(self._answers) as answers:
            with self._call as call:
                async for answer in answers:
                    call.piece()
                    if self.provenance is None:
                        self.provenance = answer.provenance
                        self.provenance.decoding.CopyFrom(self._decoding)
                    if self._task.finish_reason_tensor:
                        self.ending = _ending(answer.outputs[self._task.finish_reason_tensor])
                    piece = _text(answer.outputs[self._task.text_tensor])
                    text += piece
                    if piece:
                        yield piece
                call.written(self.ending.value, self._count(text) if self._count else None)


class TextGenerator:
    """One model that writes, built from its card. ValueError or FileNotFoundError where the card, the
    template or the tokenizer does not hold.
    """

    def __init__(self, model: ServedModel) -> None:
        task = model.serving.text_generation
        self.name = model.name
        self.is_external = task.external
        """Whether what is in a prompt leaves the mesh."""
        self._model = model
        self._task = task
        if task.max_token_count < 2:
            raise ValueError("max_token_count must be at least 2")
        if not 0 <= task.max_new_token_count < task.max_token_count:
            raise ValueError("max_new_token_count must be below max_token_count")
        for needed in ("prompt_tensor", "stream_tensor", "sampling_parameters_tensor", "text_tensor"):
            if not getattr(task, needed):
                raise ValueError(f"{needed} is not set")
        if bool(task.finish_reason_tensor) != bool(task.return_finish_reason_tensor):
            raise ValueError("finish_reason_tensor and return_finish_reason_tensor are set together")
        self._tokenizer = read_tokenizer(model.folder / task.tokenizer_file) if task.tokenizer_file else None
        self._template = _template(model.folder, task, self._tokenizer)

    def prompt(self, messages: Sequence[Message]) -> str:
        """What the model reads. ValueError where the template refuses the messages."""
        return self._template.render(messages)

    def count(self, messages: Sequence[Message]) -> int:
        """How many tokens their prompt has. ValueError where the template refuses them."""
        return self._count(self.prompt(messages))

    def room(self, max_token_count: int = 0) -> int:
        """How many tokens a prompt may have that leaves the answer this many; 0: as many as the card says."""
        answer = max_token_count or self._task.max_new_token_count or _LEAST_ANSWER_TOKENS
        return max(self._task.max_token_count - answer, 0)

    async def write(
        self,
        messages: Sequence[Message],
        *,
        field: str,
        max_token_count: int = 0,
        temperature: float | None = None,
        seed: int | None = None,
        stop_texts: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Writing:
        """Begins a text that goes on after `messages`; nothing is asked of the model before it is iterated.

        `max_token_count` 0: what the card says, and never more than the prompt leaves. `temperature` None:
        the card's; 0: the most probable token each time. `stop_texts` end it besides the card's.

        Raises InvalidInput, which names `field`, where the prompt leaves no room for an answer.
        """
        prompt = self.prompt(messages)
        prompt_token_count = await asyncio.to_thread(self._count, prompt)
        left = self._task.max_token_count - prompt_token_count
        wanted = max_token_count or self._task.max_new_token_count or left
        if left < min(wanted, _LEAST_ANSWER_TOKENS):
            raise InvalidInput(
                Reason.INPUT_TOO_LARGE,
                field,
                f"more than {self.name} can read; give it less, or name a model that reads more",
            )
        decoding = Decoding(
            max_token_count=min(wanted, left),
            temperature=self._task.temperature if temperature is None else temperature,
            seed=seed,
            stop_texts=[*self._task.stop_texts, *stop_texts],
        )
        pieces = self._model.stream(self._inputs(prompt, decoding), timeout_s=timeout_s)
        call = TextCall(self.name, decoding.max_token_count, decoding.temperature, prompt_token_count)
        return Writing(pieces, self._task, decoding, call, self._count if self._tokenizer else None)

    def _count(self, prompt: str) -> int:
        if self._tokenizer is None:
            return -(-len(prompt.encode()) // _BYTES_A_TOKEN)
        return len(self._tokenizer.encode(prompt).ids)

    def _inputs(self, prompt: str, decoding: Decoding) -> dict[str, Array]:
        parameters: dict[str, object] = {
            "max_tokens": decoding.max_token_count,
            "temperature": decoding.temperature,
            "stop": list(decoding.stop_texts),
        }
        if decoding.HasField("seed"):
            parameters["seed"] = decoding.seed
        task = self._task
        inputs = {
            task.prompt_tensor: np.array([prompt.encode()], dtype=np.object_),
            task.sampling_parameters_tensor: np.array([json.dumps(parameters).encode()], dtype=np.object_),
            task.stream_tensor: np.array([True]),
        }
        if task.return_finish_reason_tensor:
            inputs[task.return_finish_reason_tensor] = np.array([True])
        return inputs


def _template(folder: Path, task: TextGeneration, tokenizer: Tokenizer | None) -> ChatTemplate:
    file = task.chat_template_file
    source = (folder / file).read_text(encoding="utf-8") if file else _CONTENTS_ALONE
    added = tokenizer.get_added_tokens_decoder().values() if tokenizer else ()
    try:
        return ChatTemplate(source, [token.content for token in added if token.special])
    except ValueError as error:
        raise ValueError(f"chat_template_file {error}") from error


def _text(pieces: Array) -> str:
    try:
        return b"".join(pieces.tolist()).decode()
    except (TypeError, UnicodeDecodeError):
        raise ModelFailed("the model answered with what is not text") from None


def _ending(reasons: Array) -> Ending:
    told = b"".join(reasons.tolist()).decode(errors="replace")
    return next((ending for ending in Ending if ending.value == told), Ending.UNKNOWN)
