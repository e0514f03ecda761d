"""The service's side: which requests are computed apart, and the process that computes them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from services.chassis.apart.calls import Call, Reply
from services.chassis.apart.line import Frame, Kind, Line
from services.chassis.errors import MedmeshError
from services.chassis.observability import telemetry
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc.request import Priority, Request

logger = logging.getLogger("medmesh.apart")

T = TypeVar("T")

LARGE_PLACES = 4
"""A request that takes as many places by its size is large."""
_MOST_BYTES = 256 * 1024 * 1024
"""What is larger is computed by the service itself: handing it over would hold it three times."""
_LATELY_S = 10.0
_IDLE_S = 60.0
_START_S = 60.0
_STOP_S = 2.0
"""How long the process may go on with a call that nobody waits for."""
_PAUSE_S = 30.0
"""After a start that failed."""


class Apart:
    """The second process: started when it is first needed, ended when it was idle for a minute."""

    def __init__(
        self,
        command: Sequence[str],
        edition: Callable[[], object],
        own_telemetry: Telemetry,
        *,
        methods: str,
        large_bytes: int,
    ) -> None:
        """`command` starts it, with the descriptor of its socket as a last argument; `edition` is what the
        service answers from: a process that answers from something else is not asked. `methods`: what the
        names of the service's own begin with; those of catalogs and traces are not work.
        """
        self._command = command
        self._edition = edition
        self._telemetry = own_telemetry
        self._methods = methods
        self._large_bytes = large_bytes
        self._small: list[tuple[str, float]] = []
        """Callers of small requests and when they last sent one: the last two, so that one is another's."""
        self._process: _Process | None = None
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._unlike: object = None
        """The edition that a process just started did not have."""

    @property
    def active_count(self) -> int:
        """Calls that are computed apart."""
        return 0 if self._process is None else self._process.active_count

    def takes(self, current: Request, size_bytes: int) -> bool:
        """Whether a request of so many bytes is computed apart: a large one, while others send small ones. It
        gets what processor time these leave, so an urgent one is not.
        """
        if not current.method.startswith(self._methods):
            return False
        now = time.monotonic()
        if size_bytes < self._large_bytes:
            others = [one for one in self._small if one[0] != current.sharer]
            self._small = [*others[-1:], (current.sharer, now)]
            return False
        if current.priority is Priority.URGENT or size_bytes > _MOST_BYTES:
            return False
        return any(caller != current.sharer and now - at < _LATELY_S for caller, at in self._small)

    async def answer(
        self, current: Request, message: bytes, files: Sequence[bytes] = (), *, method: str = ""
    ) -> bytes | None:
        """The answer's message; None: there is no such process, and the service has to answer itself.

        `files` belong to the request beside its message, and its handler there finds them in `handed_over`.
        `method` answers there, where the request's own takes a stream.

        Raises what the handler raised there; MedmeshError where the process ended twice meanwhile.
        """
        call = Call(replace(current, method=method or current.method), telemetry.metadata_of_sampled())
        for is_last in (False, True):
            process = await self._running()
            if process is None:
                return None
            try:
                end = await process.ask(call, message, files)
            except ProcessEndedError:
                if is_last:
                    raise MedmeshError("the process for large requests ended twice") from None
                continue
            reply: Reply = end.head
            self._telemetry.take(reply.observed)
            if reply.request is not None:
                current.facts |= reply.request.facts
                current.models |= reply.request.models
            current.facts["apart"] = True
            if reply.error is not None:
                raise reply.error
            return end.body
        raise AssertionError("unreachable: the second time raises")

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.close()

    async def _running(self) -> _Process | None:
        # Shielded: whoever asks first may leave before it has started, and others wait for it too.
        return await asyncio.shield(asyncio.ensure_future(self._ensured()))

    async def _ensured(self) -> _Process | None:
        async with self._lock:
            edition = self._edition()
            process = self._process
            if process is not None and process.runs and process.edition == edition:
                return process
            if process is not None:
                self._process = None
                process.end_when_idle(0.0)
            if edition == self._unlike or time.monotonic() < self._not_before:
                return None
            try:
                started = await _Process.start(self._command)
            except (OSError, TimeoutError, ProcessEndedError) as error:
                self._not_before = time.monotonic() + _PAUSE_S
                logger.warning("the process for large requests does not start", exc_info=error)
                return None
            if started.edition != edition:
                # The repository has changed and nobody has asked for a reload yet.
                self._unlike = edition
                logger.warning("large requests are not computed apart before the models are reloaded")
                await started.close()
                return None
            self._process = started
            return started


class ProcessEndedError(Exception):
    """The second process ended before it answered."""


@dataclass(frozen=True)
class _Exchange:
    """A call and its end."""

    end: asyncio.Future[Frame]
    sent: asyncio.Event


class _Process:
    """One second process."""

    def __init__(self, process: subprocess.Popen[bytes], line: Line) -> None:
        self._process = process
        self._line = line
        self._numbers = itertools.count(1)
        self._exchanges: dict[int, _Exchange] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle_s = _IDLE_S
        self._idle: asyncio.TimerHandle | None = None
        self.runs = True
        self.edition: object = None

    @classmethod
    async def start(cls, command: Sequence[str]) -> Self:
        """Raises ProcessEndedError, TimeoutError, OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # In the service's process group: what ends that ends this.
            process = subprocess.Popen(  # noqa: ASYNC220 - a moment
                [*command, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        started = cls(process, Line(ours))
        try:
            async with asyncio.timeout(_START_S):
                started.edition = await started._ready()
        except BaseException:
            started._line.close()
            await started._end()
            raise
        started._spawn(started._listen())
        started.end_when_idle(_IDLE_S)
        logger.info("large requests are computed apart", extra={"facts": {"pid": process.pid}})
        return started

    @property
    def active_count(self) -> int:
        """Calls that are under way."""
        return len(self._exchanges)

    async def ask(self, call: Call, message: bytes, files: Sequence[bytes]) -> Frame:
        """The frame that ends the call. Where nobody waits for it any more, it is stopped.

        Raises ProcessEndedError.
        """
        if not self.runs:
            raise ProcessEndedError
        number = next(self._numbers)
        exchange = _Exchange(asyncio.get_running_loop().create_future(), asyncio.Event())
        self._exchanges[number] = exchange
        task = self._spawn(self._exchanged(exchange, Frame(Kind.CALL, number, call, message, files)))
        try:
            end: Frame = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._spawn(self._stop(number, exchange.sent, task))
            raise
        return end

    async def close(self) -> None:
        """Ends it, with what it has under way."""
        await self._end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end_when_idle(self, after_s: float) -> None:
        """Ends it once it has had nothing to do for so long."""
        self._idle_s = after_s
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(after_s, self._end_idle)

    def _end_idle(self) -> None:
        if not self._exchanges:
            self._spawn(self._end())

    async def _exchanged(self, exchange: _Exchange, frame: Frame) -> Frame:
        try:
            await self._line.send(frame)
            exchange.sent.set()
            return await exchange.end
        except OSError as error:
            await self._end()
            raise ProcessEndedError from error
        finally:
            del self._exchanges[frame.call]
            if self.runs:
                self.end_when_idle(self._idle_s)

    async def _stop(self, number: int, sent: asyncio.Event, exchanged: asyncio.Task[Frame]) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                await sent.wait()
                await self._line.send(Frame(Kind.CANCEL, number))
                await exchanged
        except ProcessEndedError:
            pass
        except (TimeoutError, OSError):
            logger.warning("a call that nobody waits for did not stop, so its process is ended")
            await self._end()

    async def _ready(self) -> object:
        frame = await self._line.receive()
        if frame is None:
            raise ProcessEndedError
        return frame.head

    async def _listen(self) -> None:
        while (frame := await self._line.receive()) is not None:
            exchange = self._exchanges.get(frame.call)
            if exchange is not None and not exchange.end.done():
                exchange.end.set_result(frame)
        self._line.close()
        await self._end()

    async def _end(self) -> None:
        if not self.runs:
            return
        self.runs = False
        if self._idle is not None:
            self._idle.cancel()
        self._process.kill()
        code = await asyncio.to_thread(self._process.wait)
        for exchange in self._exchanges.values():
            if not exchange.end.done():
                exchange.end.set_exception(ProcessEndedError())
        logger.info("the process for large requests has ended", extra={"facts": {"exit_code": code}})

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
