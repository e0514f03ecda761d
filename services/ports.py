"""Ports to listen on: the ones asked for, if nobody listens there, and free ones."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from services.bootstrap import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping


def claim(host: str, wanted: Mapping[str, int], variable: str) -> dict[str, int]:
    """A port for each purpose; 0 asks for a free one.

    `variable` is the environment variable that sets a port, with {} for the purpose in capitals. The ports
    are free when this returns; the kernel hands them out in turn, so that they still are when the server
    binds a moment later.

    Raises:
        Missing: a port that was asked for is taken.
    """
    with contextlib.ExitStack() as held:  # all at once, so that no free port is found twice
        claimed = {}
        for purpose, port in wanted.items():
            listener = held.enter_context(socket.socket())
            # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                setting = variable.format(purpose.upper())
                raise Missing(
                    f"port {port} on {host}, meant for {purpose}, is taken ({error.strerror}): end what "
                    f"listens there, or set {setting} to another one (0: a free one)."
                ) from error
            claimed[purpose] = listener.getsockname()[1]
    return claimed
