"""Work without a server: threads that do the same thing over and over, told when by standard input.

A line of JSON `{"callers", "warm_up_s", "seconds"}` in, a line `{"seconds", "latencies_ms", "cpu_ms"}` out.
It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

Work = Callable[[int], object]
"""Does one piece of work; the number counts up."""


def serve(make: Callable[[], Work]) -> None:
    """Answers until the input ends. `make` is called once in each thread: what it opens is that thread's."""
    own = threading.local()

    def initialize() -> None:
        own.work = make()

    def repeat(until: float) -> list[float]:
        latencies = []
        while (began := time.perf_counter()) < until:
            own.work(next(numbers))
            latencies.append((time.perf_counter() - began) * 1e3)
        return latencies

    numbers = count()
    with ThreadPoolExecutor(os.cpu_count(), initializer=initialize) as pool:

        def stretch(threads: int, seconds: float) -> list[float]:
            until = time.perf_counter() + seconds
            return [ms for part in pool.map(repeat, [until] * threads) for ms in part]

        print("ready", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            threads = min(order["callers"], os.cpu_count() or 1)
            stretch(threads, order["warm_up_s"])
            began, spent = time.perf_counter(), time.process_time()
            latencies = stretch(threads, order["seconds"])
            answer = {
                "seconds": time.perf_counter() - began,
                "latencies_ms": [round(ms, 3) for ms in latencies],
                "cpu_ms": (time.process_time() - spent) * 1e3,
            }
            print(json.dumps(answer), flush=True)
