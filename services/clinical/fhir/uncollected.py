"""When the garbage collector does not look through what is made of a large text."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Uncollected:
    """How many threads at this moment make much that holds no cycles."""

    lock = threading.Lock()
    count = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the block the garbage collector does not look for cycles: it would go through the millions of
    values of a text over and over while they are made, and no other thread runs meanwhile.
    """
    with _Uncollected.lock:
        _Uncollected.count += 1
        gc.disable()
    try:
        yield
    finally:
        with _Uncollected.lock:
            _Uncollected.count -= 1
            if not _Uncollected.count:
                gc.enable()
