"""A model that writes, as a draft needs it: sentence by sentence, within bounds, and a prompt that fits."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import DeadlineExceeded
from services.language.chat import Message
from services.language.sentence_stream import whole_sentences
from services.language.tasks.text_generation import Ending, TextGenerator
from services.language.writing.drafting import Written
from services.language.writing.prompts import Task, messages

_MARKER = re.compile(r"\A\s*(?:[-*\u2022]|\(?\d{1,2}[.)](?=\s))\s*")
_HEADING = re.compile(
    r"\s*[A-Za-z][A-Za-z /]{2,30}:\s*$|\s*(?:FINDINGS?|IMPRESSIONS?|SUMMARY|CONCLUSIONS?):\s*", re.IGNORECASE
)
_ENDED = re.compile(r"[.!?]['\")\]]*\Z")


class Writer:
    """Writes the sections of one draft with one model."""

    def __init__(
        self,
        generator: TextGenerator,
        max_token_count: int,
        left_s: float | None = None,
        shown: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """`left_s`: time for all that is written; None: no bound of its own. `shown` makes of the material
        what the model may see; None: all of it.
        """
        self._generator = generator
        self._max_token_count = max_token_count
        self._ends = None if left_s is None else time.monotonic() + left_s
        self._shown = shown
        self.provenance: Provenance | None = None
        self.was_cut = False
        """Whether a bound ended what it wrote."""
        self.was_truncated = False
        """Whether it saw the beginning of the material alone."""

    async def sentences(self, task: Task, material: str) -> AsyncGenerator[Written]:
        """What the model writes of `material`. Raises what `TextGenerator.write` raises; a bound that is
        reached after the first piece ends it, and `was_cut` says so.
        """
        shown = await self._shown(material) if self._shown is not None and material.strip() else material
        chat = await asyncio.to_thread(self._fitting, task, shown)
        left_s = None if self._ends is None else max(self._ends - time.monotonic(), 0.0)
        writing = await self._generator.write(
            chat, field="evidence", max_token_count=self._max_token_count, timeout_s=left_s
        )
        last: str | None = None
        cut = False
        async with writing:
            try:
                async for sentence in whole_sentences(writing):
                    if last is not None:
                        for part in _parts(last):
                            yield Written(part, True)
                    last = sentence
            except DeadlineExceeded:
                if writing.provenance is None and self.provenance is None:
                    raise
                cut, last = True, None  # what came since the last whole sentence is in pieces
        if writing.provenance is not None:
            self.provenance = writing.provenance
        cut |= writing.ending is Ending.CUT_OFF
        self.was_cut |= cut
        parts = list(_parts(last)) if last is not None else []
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            yield Written(part, not (is_last and cut) or _ENDED.search(part) is not None)

    def _fitting(self, task: Task, material: str) -> list[Message]:
        """The chat, with as much of the material, from its beginning, as leaves room for the answer."""
        room = self._generator.room(self._max_token_count)
        chat = messages(task, material)
        while material and (count := self._generator.count(chat)) > room:
            self.was_truncated = True
            kept = min(int(len(material) * room / count), len(material) - 1)
            material = (
                material[:kept].rsplit(None, 1)[0] if " " in material[:kept].strip() else material[:kept]
            )
            chat = messages(task, material)
        return chat


def _parts(sentence: str) -> list[str]:
    """A sentence without marker and heading; each of its lines, where it has several that end."""
    lines = [
        _MARKER.sub("", _HEADING.sub("", _MARKER.sub("", line, count=1), count=1), count=1)
        for line in re.split(r"(?<=[.!?:])\s*\n+|\n\s*\n", sentence)
    ]
    return [" ".join(line.split()) for line in lines if any(map(str.isalnum, line))]
