"""A core to itself for each run of a session of one thread, while one is free. Copied beside each backend.

Left to themselves two such runs can share a core for milliseconds while another idles: kernels that save
power, or pack the processors of a virtual machine, fill one core before they wake the next. Which core is
taken is agreed on by locks in a file that the processes of one Triton share, so that a process that ends
leaves nothing taken.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "MODEL_CORES_FILE"
"""The variable that names the file; without it runs are left where the system puts them."""
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


class OwnCore:
    """The claims of one process; of one thread."""

    def __init__(self) -> None:
        self._allowed = os.sched_getaffinity(0)
        self._cores = sorted(self._allowed, key=lambda core: (_rank(core), core))
        path = os.environ.get(FILE, "")
        self._locks = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) if path else None
        self._bound_to: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Binds this thread to a core that no other process has, preferably the one it had, whose caches know
        it; where none is free, to none.
        """
        core = self._taken()
        if core != self._bound_to:
            with suppress(OSError):  # it may no longer have that core: it stays where it is
                os.sched_setaffinity(0, self._allowed if core is None else {core})
            self._bound_to = core
        try:
            yield
        finally:
            if core is not None and self._locks is not None:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, core)

    def _taken(self) -> int | None:
        if self._locks is None:
            return None
        for core in sorted(self._cores, key=lambda core: core != self._bound_to):
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, core)
            except OSError:
                continue  # another run has it
            return core
        return None


def _rank(core: int) -> int:
    """Which of the hardware threads of its core it is: the first ones are taken first."""
    try:
        siblings = Path(_TOPOLOGY.format(core)).read_text()
    except OSError:
        return 0  # the system does not say
    return [int(one) for part in siblings.split(",") for one in _range(part)].index(core)


def _range(part: str) -> range:
    """`3` or `2-5`, as the kernel writes lists."""
    first, _, last = part.strip().partition("-")
    return range(int(first), int(last or first) + 1)
