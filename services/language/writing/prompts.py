"""What a model that writes is asked: a system message in words, and the task with its material."""

from __future__ import annotations

import functools
import tomllib
from enum import Enum
from importlib.resources import files

from services.language.chat import SYSTEM, USER, Message


class Task(Enum):
    """What is to be written; the value is its key in `prompts.toml`."""

    FINDINGS = "findings"
    """From lines of evidence."""
    IMPRESSION = "impression"
    """From the sentences of the findings."""
    SUMMARY = "summary"
    """From a note."""


def messages(task: Task, material: str) -> list[Message]:
    """The chat that asks for `task`."""
    wording = _wordings()[task.value]
    return [Message(SYSTEM, wording["system"]), Message(USER, f"{wording['task']}\n{material}")]


@functools.cache
def _wordings() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__package__) / "prompts.toml").read_text(encoding="utf-8"))
