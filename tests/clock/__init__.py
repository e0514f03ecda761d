"""A wall clock of one process that a test moves, by a library that is loaded first; it needs gcc."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

IS_THERE = shutil.which("gcc") is not None


class SteppedClock:
    """The clock of the processes that are started with its variables."""

    def __init__(self, folder: Path) -> None:
        """Builds the library there."""
        library = folder / "step.so"
        source = Path(__file__).with_name("step.c")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        self._file = folder / "clock-offset"
        self.move(0)
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._file)}
        """Of the process's environment."""

    def move(self, seconds: int) -> None:
        """Moves it to so much after the true time."""
        if not self._file.exists():
            self._file.write_bytes(bytes(8))
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", seconds))
