"""Ports to listen on: the ones asked for, if nobody listens there, and free ones."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bootstrap import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOWEST_FREE = 20_000
_TRIES = 100


def claim(host: str, wanted: Mapping[str, int], variable: str) -> dict[str, int]:
    """A port for each purpose; 0 asks for a free one.

    `variable` is the environment variable that sets a port, with {} for the purpose in capitals. The ports
    are free when this returns. Free ones lie below the kernel's range for outgoing connections, so that none
    of those takes one before its server binds; claim them only when what else picks ports has started.

    Raises:
        Missing: a port that was asked for is taken.
    """
    with contextlib.ExitStack() as held:  # all at once, so that no free port is found twice
        claimed = {}
        for purpose, port in sorted(wanted.items(), key=lambda asked: not asked[1]):  # free ones last
            listener = held.enter_context(socket.socket())
            # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if port:
                    listener.bind((host, port))
                else:
                    _bind_free(listener, host)
                listener.listen()  # Linux binds two such sockets to one port as long as neither listens
            except OSError as error:
                setting = variable.format(purpose.upper())
                raise Missing(
                    f"port {port} on {host}, meant for {purpose}, is taken ({error.strerror}): end what "
                    f"listens there, or set {setting} to another one (0: a free one)."
                ) from error
            claimed[purpose] = listener.getsockname()[1]
    return claimed


def _bind_free(listener: socket.socket, host: str) -> None:
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    outgoing = int(range_file.read_text().split()[0]) if range_file.exists() else 0
    for port in (
        random.sample(range(_LOWEST_FREE, outgoing), k=_TRIES) if outgoing > _LOWEST_FREE + _TRIES else ()
    ):
        with contextlib.suppress(OSError):
            listener.bind((host, port))
            return
    listener.bind((host, 0))
