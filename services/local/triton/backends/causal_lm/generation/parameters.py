"""How a request wants its text decoded: vLLM's sampling parameters, as far as they are served here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_MOST_STOP_TEXTS = 16
_MOST_STOP_LENGTH = 256


@dataclass(frozen=True)
class SamplingParameters:
    """Names, meaning and defaults are vLLM's."""

    max_tokens: int = 16
    temperature: float = 1.0
    """0: the most probable token each time."""
    top_p: float = 1.0
    top_k: int = 0
    """0 or -1: all."""
    repetition_penalty: float = 1.0
    """Above 1, tokens of the prompt and of the answer become less probable."""
    seed: int | None = None
    stop: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> SamplingParameters:
        """From a JSON object. Raises ValueError, which names the key and never its value."""
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise ValueError("sampling_parameters must be a JSON object")  # noqa: TRY004 - of the caller's text
        unknown = sorted(set(given) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ValueError(f"sampling_parameters has a key that is not served here; it serves {known}")
        stop = given.pop("stop", None) or []
        stop = [stop] if isinstance(stop, str) else stop
        made = cls(**given, stop=_stop_texts(stop))
        made.check()
        return made

    def check(self) -> None:
        """Raises ValueError where a value is not of its type or out of its range."""
        _number("max_tokens", self.max_tokens, 1, 1 << 20, whole=True)
        _number("temperature", self.temperature, 0, 10)
        _number("top_p", self.top_p, 1e-6, 1)
        _number("top_k", self.top_k, -1, 1 << 20, whole=True)
        _number("repetition_penalty", self.repetition_penalty, 0.1, 10)
        if self.seed is not None:
            _number("seed", self.seed, 0, 1 << 63, whole=True)


def _number(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise ValueError(f"sampling_parameters.{name} must be a number from {low:g} to {high:g}")


def _stop_texts(given: Any) -> tuple[str, ...]:
    is_right = isinstance(given, list) and len(given) <= _MOST_STOP_TEXTS
    if not is_right or not all(isinstance(t, str) and 0 < len(t) <= _MOST_STOP_LENGTH for t in given):
        raise ValueError(f"sampling_parameters.stop must be at most {_MOST_STOP_TEXTS} short texts")
    return tuple(given)
