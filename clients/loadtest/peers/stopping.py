"""Servers that are measured end with their standard input, which whoever started them holds."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_input() -> None:
    """Sends this process SIGTERM when its standard input has ended."""

    def wait() -> None:
        # Not by way of `sys.stdin`, whose lock this thread would hold for ever: a process that is forked meanwhile
        # gets the lock as it is, and waits for it when it closes its standard input.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def say_when_open(port: int) -> None:
    """Prints `ready` as soon as something listens at the port."""

    def wait() -> None:
        import socket
        import time

        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    print("ready", flush=True)
                    return
            time.sleep(0.1)

    threading.Thread(target=wait, daemon=True).start()
