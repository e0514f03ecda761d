"""HTTP connections whose callers have to get on: with a request's headers, and with reading the answer.

A request's body is held to its pace by `clients.gateway.door`. Of what comes before and after no application
hears: of headers under way, and of an answer that was handed over. uvicorn bounds neither.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol(patience_s: float, bytes_per_s: int) -> type[asyncio.Protocol]:
    """The protocol of a server: a request's headers may take `patience_s` from the connection or their first
    byte on; an answer that waits for its reader is given up when less than `bytes_per_s` go in such a time.
    """

    class Bounded(_Patient):
        patience = patience_s
        least_bytes = max(patience_s * bytes_per_s, 1.0)

    return Bounded


class _Patient(H11Protocol):
    patience: float
    least_bytes: float
    _asking: asyncio.TimerHandle | None = None
    """While no request is under way: when it has to be."""
    _reading: asyncio.TimerHandle | None = None
    """While an answer waits for its reader: when he has to have read some of it."""
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._asking, self._reading):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self.patience, self._look_at_reader)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.patience, self.transport.abort)  # of what is left of the answer

    def _expect(self) -> None:
        """A request has to be under way in time. What comes of a body whose request was answered before is
        none.
        """
        is_under_way = self._is_under_way()
        if is_under_way and self._asking is not None:
            self._asking.cancel()
            self._asking = None
        elif not is_under_way and self._asking is None:
            self._asking = self.loop.call_later(self.patience, self._give_up)

    def _is_under_way(self) -> bool:
        cycle: Any = self.cycle  # None before the first one, whatever its annotation says
        return cycle is not None and not cycle.response_complete

    def _give_up(self) -> None:
        if not self._is_under_way():
            self.timeout_keep_alive_handler()
        self._asking = None

    def _look_at_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        if self._unread - left < self.least_bytes:
            self.transport.abort()
            return
        self._unread = left
        self._reading = self.loop.call_later(self.patience, self._look_at_reader)
