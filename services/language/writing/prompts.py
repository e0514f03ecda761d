"""What a model that writes is asked: a system message in words, and the task with its material."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files


class Task(Enum):
    """What is to be written; the value is its key in `prompts.toml`."""

    INDICATION = "indication"
    """From lines of evidence."""
    FINDINGS = "findings"
    """From lines of evidence."""
    IMPRESSION = "impression"
    """From the sentences of the findings."""
    RECOMMENDATION = "recommendation"
    """From lines of evidence."""
    SUMMARY = "summary"
    """From a note."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


def messages(task: Task, material: str) -> list[Message]:
    """The chat that asks for `task`; marks of chat templates in `material` are taken apart."""
    wording = _wordings()[task.value]
    return [
        Message("system", wording["system"]),
        Message("user", f"{wording['task']}\n{disarmed(material)}"),
    ]


_MARKS = re.compile(
    r"<\|[^<>|\n]{0,64}\|?>"  # <|im_end|>, <|eot_id|>, <|endoftext|>
    r"|</?(?:s|bos|eos|pad|unk|mask|think|tool_call|start_of_turn|end_of_turn)>"
    r"|\[/?(?:INST|SYS|SYSTEM|ASSISTANT|USER)\]"
    r"|<</?SYS>>",
    re.IGNORECASE,
)


def disarmed(text: str) -> str:
    """`text` in which nothing is a mark of a chat template: a blank stands in its place.

    No clinical note needs them, and a tokenizer that knows them would read the end of the note there.
    """
    while (cleaned := _MARKS.sub(" ", text)) != text:  # what is left may have become a mark
        text = cleaned
    return text


@functools.cache
def _wordings() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__package__) / "prompts.toml").read_text(encoding="utf-8"))
