"""Messages to the text that a model reads, by its chat template, with nothing in them that could pass for the
template's own control tokens.

Templates are those of Hugging Face (Jinja; `messages`, `add_generation_prompt`), rendered in Jinja's
immutable sandbox. `bos_token` and `eos_token` are empty: the tokenizer puts them where they belong, and a
template that wrote them too would double them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"

_CONTROL = re.compile(
    r"<[|\uff5c][^<>]{0,60}?[|\uff5c]>|</?s>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk|mask)>|\[(?:BOS|EOS|PAD|UNK|MASK|CLS|SEP)\]",
    re.IGNORECASE,
)
"""Control tokens of the common chat formats (ChatML, Llama 2 and 3, Mistral, Gemma, DeepSeek, BERT), whether
or not the model has them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


class ChatTemplate:
    """One model's template. ValueError where it is not one, or cannot render a conversation."""

    def __init__(self, source: str, control_tokens: Iterable[str] = ()) -> None:
        """`control_tokens`: those of the model's tokenizer, besides the common ones."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
        )
        environment.globals["raise_exception"] = _refuse
        tokens = sorted(filter(str.strip, control_tokens), key=len, reverse=True)
        self._control = re.compile("|".join([_CONTROL.pattern, *map(re.escape, tokens)]), re.IGNORECASE)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ValueError(f"is not a Jinja template: {error}") from error
        self._render([Message(USER, "a")])
        try:
            self._render([Message(SYSTEM, "a"), Message(USER, "a")])
            self._takes_system = True
        except ValueError:
            self._takes_system = False

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt, up to where the model goes on. ValueError where the template refuses the messages.

        Where a message holds a control token, a blank after its first character makes it text again. A model
        without a system role gets such a message before the first one of the user.
        """
        plain = [replace(message, content=self.plain(message.content)) for message in messages]
        return self._render(plain if self._takes_system else _without_system(plain))

    def plain(self, text: str) -> str:
        """`text` without control tokens."""
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(
                messages=turns, add_generation_prompt=True, bos_token="", eos_token="", tools=None
            )
        except Exception as error:  # noqa: BLE001 - a template can fail in any way that Python has
            # `from None`, and the kind alone: the cause's text may quote the messages.
            raise ValueError(f"does not render a conversation ({type(error).__name__})") from None


def _without_system(messages: Sequence[Message]) -> list[Message]:
    told = "\n\n".join(message.content for message in messages if message.role == SYSTEM)
    rest = [message for message in messages if message.role != SYSTEM]
    first = next((at for at, message in enumerate(rest) if message.role == USER), None)
    if told and first is not None:
        rest[first] = Message(USER, f"{told}\n\n{rest[first].content}")
    return rest


def _refuse(_: str) -> NoReturn:
    """What templates call to refuse messages; its sentence may quote them."""
    raise TemplateError
