"""Answers a request that comes again under the same `request_id` with the answer that it got.

What is kept lies in memory only, bounded in time, number and size: it is for the repetition after a broken
connection, not a store of answers. Whether a request is the same is told by the digests of its inputs.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import InputDigest
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc import request as requests

MAXIMUM_COUNT = 4096

Key = tuple[str, str, str]
"""The tenant, the caller, and the request id."""
Digests = Callable[[str], Coroutine[Any, Any, Sequence[InputDigest]]]
"""The digests of a request's inputs under a salt."""


@dataclass(frozen=True)
class Request:
    """A request as far as repetition is concerned."""

    key: Key
    salt: str
    """Salt of the receipt, should this request be the first."""
    wants: Hashable
    """What else of the request changes the answer, beside its inputs."""
    digests: Digests


Compute = Callable[[asyncio.Task[Sequence[InputDigest]]], Coroutine[Any, Any, pb.Diagnosis]]
"""Computes the answer; is given the digests of the inputs under the request's salt, and waits for them."""


@dataclass
class _Entry:
    """A request under way."""

    salt: str
    wants: Hashable
    inputs: asyncio.Task[Sequence[InputDigest]]
    work: asyncio.Task[pb.Diagnosis]
    noted: requests.Request | None
    """The first one's request with facts of its own: what is noted of the answer, for one line of the log."""
    is_accounted: bool = False
    """Whether a line has taken them over."""
    waiting: int = 0

    async def digests(self) -> Sequence[InputDigest]:
        """Of its inputs, under its salt."""
        return await asyncio.shield(self.inputs)


@dataclass(frozen=True)
class _Kept:
    """A request that was answered: no more of it than a repetition needs, since thousands are kept."""

    salt: str
    wants: Hashable
    inputs: Sequence[InputDigest]
    answer: bytes
    """The `Diagnosis`."""
    ended_at: float

    async def digests(self) -> Sequence[InputDigest]:
        """See `_Entry`."""
        return self.inputs


class Repeats:
    """The requests under way that have an id, and those that were answered recently."""

    def __init__(self, window_s: float, maximum_bytes: int) -> None:
        self._window_s = window_s
        self._maximum_bytes = maximum_bytes
        self._entries: dict[Key, _Entry] = {}
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        """The oldest answer first."""
        self._kept_bytes = 0

    async def answer(self, request: Request, compute: Compute) -> pb.Diagnosis:
        """The answer to the request: computed, or that of the same request before.

        Those who ask at the same time share one computation; it is given up when nobody waits for it any
        more. A failure is not kept. Raises InvalidInput where another request had the id, and what `compute`
        raises.
        """
        self._forget()
        kept = self._kept.get(request.key)
        if kept is not None:
            await _refuse_another(request, kept)
            return pb.Diagnosis.FromString(kept.answer)
        entry = self._entries.get(request.key)
        if entry is None:
            entry = self._start(request, compute)
        else:
            entry.waiting += 1  # before anything is awaited: the work must not be given up meanwhile
            try:
                await _refuse_another(request, entry)
            except BaseException:
                if self._leave(request.key, entry):
                    await _see_out(entry)
                raise
            entry.waiting -= 1
        entry.waiting += 1
        try:
            return await asyncio.shield(entry.work)
        finally:
            if self._leave(request.key, entry):
                await _see_out(entry)
            _account(entry)

    def _start(self, request: Request, compute: Compute) -> _Entry:
        inputs = asyncio.create_task(request.digests(request.salt))
        current, context = requests.current.get(), copy_context()
        noted = replace(current, facts={}, models=set()) if current is not None else None
        context.run(requests.current.set, noted)
        work = asyncio.create_task(compute(inputs), context=context)
        entry = _Entry(request.salt, request.wants, inputs, work, noted)
        self._entries[request.key] = entry
        entry.work.add_done_callback(lambda work: self._ended(request.key, entry, work))
        return entry

    def _ended(self, key: Key, entry: _Entry, work: asyncio.Task[pb.Diagnosis]) -> None:
        is_wanted = self._drop(key, entry)
        if work.cancelled() or work.exception() is not None:
            entry.inputs.cancel()
            return
        if is_wanted and entry.inputs.done():
            answer = work.result().SerializeToString()
            inputs = entry.inputs.result()
            self._kept[key] = _Kept(entry.salt, entry.wants, inputs, answer, time.monotonic())
            self._kept_bytes += len(answer)
        self._forget()

    def _leave(self, key: Key, entry: _Entry) -> bool:
        """Whether the work is given up, since nobody waits for it any more."""
        entry.waiting -= 1
        if entry.waiting or entry.work.done():
            return False
        entry.work.cancel()
        self._drop(key, entry)
        return True

    def _drop(self, key: Key, entry: _Entry) -> bool:
        """Whether it was there."""
        if self._entries.get(key) is not entry:
            return False
        del self._entries[key]
        return True

    def _forget(self) -> None:
        """Lets go of what is too old, and of the oldest where there is too much."""
        oldest = time.monotonic() - self._window_s
        while self._kept:
            first = next(iter(self._kept.values()))
            if (
                first.ended_at >= oldest
                and self._kept_bytes <= self._maximum_bytes
                and len(self._kept) <= MAXIMUM_COUNT
            ):
                return
            self._kept.popitem(last=False)
            self._kept_bytes -= len(first.answer)


async def _see_out(entry: _Entry) -> None:
    """Waits for the end of work that was given up, since its receipt may just be written, and accounts for
    it, however often its caller is told to leave.
    """
    while not entry.work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([entry.work])
    _account(entry)


def _account(entry: _Entry) -> None:
    """Lets one line of the audit log name the receipt and its models: that of the first who is there when
    the work has ended, whoever has left before.
    """
    current = requests.current.get()
    if current is None or entry.noted is None or entry.is_accounted or not entry.work.done():
        return
    entry.is_accounted = True
    current.facts |= entry.noted.facts
    current.models |= entry.noted.models


async def _refuse_another(request: Request, first: _Entry | _Kept) -> None:
    # Under the first one's salt, so that each request is digested once.
    theirs, ours = await request.digests(first.salt), await first.digests()
    if list(theirs) != list(ours) or request.wants != first.wants:
        raise InvalidInput(
            Reason.INPUT_INCONSISTENT, "request_id", "was already used for another request; use a new one"
        )
