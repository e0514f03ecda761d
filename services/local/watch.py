"""Whether what runs also answers: a look at every part each second, beside whoever tends the mesh.

A part that has ended is not its business. It restarts nothing: a process that hangs may come back with what
it has in hand, or be somebody's who debugs it. What it finds is told once, and once more when it is over.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

INTERVAL_S = 1.0
SILENT_LOOKS = 2
"""A part that has answered and does not so often in a row hangs: an answer is waited for for some seconds."""
LASTING_LOOKS = 8
"""So often in a row is seen what may pass by itself, as while Triton starts."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a part."""

    what: str
    """The part, and which of its parts: `imaging`, `imaging: safeguards`."""
    wrong: str
    again: str
    """What is told when it is over."""
    looks: int = LASTING_LOOKS
    """It is told once it was found so often in a row."""


Look = Callable[[], Awaitable[Mapping[str, Sequence[Finding] | None]]]
"""What is wrong with each part now; None: it has ended, or waits for its start."""


class Watch:
    """Looks in a thread of its own, from `start` to `stop`."""

    def __init__(self, look: Look, close: Callable[[], Awaitable[None]]) -> None:
        """`close` is called in that thread at the end."""
        self._look, self._close = look, close
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, tuple[int, Finding]]] = {}
        """Of each part, by what is found: how often in a row."""
        self._told: dict[str, dict[str, Finding]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), name="watch", daemon=True)

    def start(self) -> None:
        """Begins to look, where it has not."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Returns when no look is under way."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def changes(self) -> list[str]:
        """What is wrong or over since the last call, a sentence each."""
        said: list[str] = []
        with self._lock:
            for part, seen in self._seen.items():
                told = self._told.setdefault(part, {})
                said += [told.pop(key).again for key in [*told] if key not in seen]
                for key, (count, finding) in seen.items():
                    if key not in told and count >= finding.looks:
                        told[key] = finding
                        said.append(finding.wrong)
        return said

    def take(self, found: Mapping[str, Sequence[Finding] | None]) -> None:
        """Counts the findings of one look."""
        with self._lock:
            for part, findings in found.items():
                if findings is None:
                    self._seen.pop(part, None)
                    self._told.pop(part, None)
                    continue
                before = self._seen.get(part, {})
                self._seen[part] = {
                    one.what: (before[one.what][0] + 1 if one.what in before else 1, one) for one in findings
                }

    def forget(self) -> None:
        """Counts anew what has not been told: the mesh has changed."""
        with self._lock:
            self._seen = {
                part: {key: seen[key] for key in seen if key in self._told.get(part, {})}
                for part, seen in self._seen.items()
            }

    async def _follow(self) -> None:
        while not self._ended.is_set():
            self.take(await self._look())
            await asyncio.to_thread(self._ended.wait, INTERVAL_S)
        await self._close()
