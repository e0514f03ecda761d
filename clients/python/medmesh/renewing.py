"""Channels that follow the files of their TLS: a certificate, key or authority that is renewed counts
without a restart.

gRPC reads them once a channel. So the files are looked at with a call, at most once a second; where they have
changed, a channel is made of what they hold now, and takes the calls over as soon as it is connected, or
at once where the old one is not. Calls under way end on the channel that they began on.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import grpc

LOOK_S = 1.0
"""Time between two looks at the files."""
RETIRED_AFTER_S = 600.0
"""How long calls under way may still take on a channel that was replaced."""

C = TypeVar("C")


class _Renewal(Generic[C]):
    """The channel that counts now, and the one that is to replace it."""

    def __init__(
        self,
        make: Callable[[], C],
        files: Sequence[Path | str],
        told: Callable[[Exception | None], object] = lambda _: None,
    ) -> None:
        """`make` reads the files and raises OSError or ValueError where they cannot be used; then what was
        there stays. `told` is called with that error, or with None where new files were taken.
        """
        self._make = make
        self._files = [Path(file) for file in files]
        self._told = told
        self._seen = self._state()
        self._looked_at = time.monotonic()
        self._now, self._next = make(), None  # type: C, C | None
        self._lock = threading.RLock()

    def current(self) -> C:
        """The channel for the next call."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_S:
                self._look()
            if self._next is not None:
                ready = grpc.ChannelConnectivity.READY
                if self._state_of(self._next) is ready or self._state_of(self._now) not in {ready, None}:
                    old, self._now, self._next = self._now, self._next, None
                    self._told(None)
                    self._retire(old)
            return self._now

    def both(self) -> list[C]:
        """All that is open, but for what ends with its calls."""
        with self._lock:
            return [channel for channel in (self._now, self._next) if channel is not None]

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            made = self._make()
        except (OSError, ValueError) as error:
            self._told(error)
            return
        if self._next is not None:
            self._retire(self._next)
        self._next = made

    def _state(self) -> list[tuple[int, int] | None]:
        found: list[tuple[int, int] | None] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size))
        return found

    def _state_of(self, channel: C) -> grpc.ChannelConnectivity | None:
        """Its state, None where that is not known yet; connects it where it is not connected."""
        raise NotImplementedError

    def _retire(self, channel: C) -> None:
        """Closes it once its calls have ended."""
        raise NotImplementedError


class _AsyncRenewal(_Renewal[grpc.aio.Channel]):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.closing: set[asyncio.Task[None]] = set()

    def _state_of(self, channel: grpc.aio.Channel) -> grpc.ChannelConnectivity | None:
        return channel.get_state(try_to_connect=True)

    def _retire(self, channel: grpc.aio.Channel) -> None:
        task = asyncio.ensure_future(channel.close(RETIRED_AFTER_S))
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


class _BlockingRenewal(_Renewal[grpc.Channel]):
    def __init__(self, *args: Any) -> None:
        self._states: dict[int, grpc.ChannelConnectivity | None] = {}
        super().__init__(*args)

    def _state_of(self, channel: grpc.Channel) -> grpc.ChannelConnectivity | None:
        if id(channel) not in self._states:
            self._states[id(channel)] = None
            # Called in a thread of gRPC's; what it says is read with the next call.
            channel.subscribe(lambda state: self._states.__setitem__(id(channel), state), try_to_connect=True)
        return self._states[id(channel)]

    def _retire(self, channel: grpc.Channel) -> None:
        def close() -> None:
            channel.close()  # which would cancel what is under way
            self._states.pop(id(channel), None)

        timer = threading.Timer(RETIRED_AFTER_S, close)
        timer.daemon = True
        timer.start()


class _Method:
    """A method of whichever channel counts when it is called."""

    def __init__(self, renewal: _Renewal[Any], kind: str, args: Any, options: dict[str, Any]) -> None:
        self._renewal = renewal
        self._kind = kind
        self._args, self._options = args, options
        self._method = args[0] if args else options["method"]  # as gRPC's own, which do not tell it either
        self._made: tuple[Any, Any] = (None, None)

    def _of_now(self) -> Any:
        channel = self._renewal.current()
        made_on, method = self._made
        if made_on is not channel:
            method = getattr(channel, self._kind)(*self._args, **self._options)
            self._made = (channel, method)
        return method

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._of_now()(*args, **options)

    def __getattr__(self, name: str) -> Any:  # `future` and `with_call` of blocking ones
        return getattr(self._of_now(), name)


class _Methods:
    _renewal: _Renewal[Any]

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        return _Method(self._renewal, "unary_unary", args, options)

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        return _Method(self._renewal, "unary_stream", args, options)

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        return _Method(self._renewal, "stream_unary", args, options)

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        return _Method(self._renewal, "stream_stream", args, options)


class AsyncRenewingChannel(_Methods, grpc.aio.Channel):  # type: ignore[misc]  # grpcio has no types
    """The same as the channels that `make` makes, of the files as they are."""

    def __init__(
        self,
        make: Callable[[], grpc.aio.Channel],
        files: Sequence[Path | str],
        told: Callable[[Exception | None], object] = lambda _: None,
    ) -> None:
        self._renewal: _AsyncRenewal = _AsyncRenewal(make, files, told)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        for channel in self._renewal.both():
            await channel.close(grace)
        for task in list(self._renewal.closing):
            task.cancel()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._renewal.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._renewal.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._renewal.current().channel_ready()


class RenewingChannel(_Methods, grpc.Channel):  # type: ignore[misc]  # grpcio has no types
    """The same for blocking channels."""

    def __init__(self, make: Callable[[], grpc.Channel], files: Sequence[Path | str]) -> None:
        self._renewal = _BlockingRenewal(make, files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for channel in self._renewal.both():
            channel.close()

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        self._renewal.current().subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        self._renewal.current().unsubscribe(callback)
