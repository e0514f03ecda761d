"""Tells whoever watches this process when the run that is under way began. Copied beside each backend.

Two numbers in a file that is named by the process's id: when it began (monotonic seconds; 0: none is under
way), and how many seconds the longest run took that came to its end.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "MODEL_RUNS_FOLDER"
"""The variable that names the folder; without it nothing is told."""
PAGE = struct.Struct("=dd")


class Progress:
    """Of one process, which runs one thing at a time."""

    def __init__(self) -> None:
        folder = os.environ.get(FOLDER, "")
        self._page: mmap.mmap | None = None
        self._longest_s = 0.0
        if folder:
            with Path(folder, str(os.getpid())).open("w+b") as file:
                file.write(bytes(PAGE.size))
                file.flush()
                self._page = mmap.mmap(file.fileno(), PAGE.size)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A run is under way within the block."""
        began = time.monotonic()
        self._tell(began)
        try:
            yield
        finally:
            self._longest_s = max(self._longest_s, time.monotonic() - began)
            self._tell(0.0)

    def _tell(self, began: float) -> None:
        if self._page is not None:
            PAGE.pack_into(self._page, 0, began, self._longest_s)
