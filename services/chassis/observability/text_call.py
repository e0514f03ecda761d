"""A text that a model writes, as OpenTelemetry's conventions for generative AI describe it: a span, its
duration, the time to its first piece, its tokens. What is read and written stands nowhere in it.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name, Value

OPERATION = "text_completion"
PROVIDER = "triton"


class TextCall:
    """Measures the block, in which pieces are yielded: its span is nobody's parent."""

    def __init__(self, model: str, max_token_count: int, temperature: float, input_token_count: int) -> None:
        self._labels: dict[Name, Value] = {
            Name.GEN_AI_OPERATION: OPERATION,
            Name.GEN_AI_PROVIDER: PROVIDER,
            Name.GEN_AI_REQUEST_MODEL: model,
        }
        self._asked: dict[Name, Value] = {
            Name.GEN_AI_MAX_TOKENS: max_token_count,
            Name.GEN_AI_TEMPERATURE: temperature,
            Name.GEN_AI_INPUT_TOKENS: input_token_count,
        }
        self._input_token_count = input_token_count
        self._has_begun = False

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._instruments = telemetry.instruments()
        name = f"{OPERATION} {self._labels[Name.GEN_AI_REQUEST_MODEL]}"
        self._span = telemetry.begin_step(name, {**self._labels, **self._asked}, SpanKind.CLIENT)
        return self

    def piece(self) -> None:
        """Tells that a piece is there."""
        if not self._has_begun:
            self._has_begun = True
            after_s = time.perf_counter() - self._started
            self._instruments.first_chunk.record(after_s, self._labels)
            self._span.set_attribute(Name.GEN_AI_FIRST_CHUNK, after_s)

    def written(self, finish_reason: str, token_count: int | None) -> None:
        """Tells how the text ended, where the model says so, and its length, where its tokenizer is known."""
        if finish_reason:
            self._span.set_attribute(Name.GEN_AI_FINISH_REASON, (finish_reason,))
        if token_count is not None:
            self._span.set_attribute(Name.GEN_AI_OUTPUT_TOKENS, token_count)
            self._instruments.tokens.record(token_count, {**self._labels, Name.GEN_AI_TOKEN_TYPE: "output"})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        labels = dict(self._labels)
        if error is not None and not isinstance(error, GeneratorExit):
            labels[Name.ERROR_TYPE] = telemetry.error_type(error)
            self._span.set_attribute(Name.ERROR_TYPE, telemetry.error_type(error))
            self._span.set_status(trace.StatusCode.ERROR)
        self._instruments.text_duration.record(time.perf_counter() - self._started, labels)
        self._instruments.tokens.record(
            self._input_token_count, {**self._labels, Name.GEN_AI_TOKEN_TYPE: "input"}
        )
        self._span.end()
