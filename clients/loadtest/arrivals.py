"""When requests are due: at random at a rate that may change, or as they were recorded."""

from __future__ import annotations

import csv
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from clients.loadtest.calls import METHODS
from clients.loadtest.profile import Traffic


def poisson(rate: tuple[float, float], duration_s: float, random_: random.Random) -> Iterator[float]:
    """Times from 0 to `duration_s` of a Poisson process whose rate goes evenly from the first to the last.

    Unit-exponential steps through the expected number of arrivals, brought back to time by solving
    first * t + (last - first) * t**2 / (2 * duration) = expected.
    """
    first, last = rate
    slope = (last - first) / duration_s
    whole = (first + last) / 2 * duration_s
    expected = random_.expovariate(1.0)
    while expected < whole:
        # The root without cancellation, also where the slope is 0 or the rate falls.
        yield 2 * expected / (first + math.sqrt(max(0.0, first * first + 2 * slope * expected)))
        expected += random_.expovariate(1.0)


@dataclass(frozen=True)
class Recorded:
    """Arrivals as they were recorded."""

    due: Sequence[tuple[float, int | None]]
    """Seconds since the first, in order, with the index of the traffic; None: any, by weight."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many requests of each name have no traffic in the profile."""

    @property
    def length_s(self) -> float:
        """Seconds from the first to the last."""
        return self.due[-1][0]


def recorded(path: Path, traffic: Sequence[Traffic]) -> Recorded:
    """Reads a CSV file (`time_s` in seconds, optionally `traffic` with a name), or a service's log (a JSON
    object a line, of which the requests count, from when they began).

    ValueError: it is neither, or none of it has traffic in the profile; OSError: it cannot be read.
    """
    return _recorded(path, tuple((one.name, one.call) for one in traffic))


@lru_cache(maxsize=8)  # checked with the profile, then sent; a day of a busy service is a large file
def _recorded(path: Path, traffic: tuple[tuple[str, str], ...]) -> Recorded:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    by_name = {name: index for index, (name, _) in enumerate(traffic)}
    by_call = {call: index for index, (_, call) in reversed(list(enumerate(traffic)))}
    rows = _log(text) if text.lstrip().startswith("{") else _csv(text, path)
    left_out: Counter[str] = Counter()
    due = []
    for time_s, name in rows:
        call = METHODS.get(name, name)
        index = by_name.get(name, by_call.get(call))
        if name and index is None:
            left_out[call] += 1
        else:
            due.append((time_s, index))
    if not due:
        raise ValueError(
            f"{path} has no arrivals of this traffic"
            + (f", only of {', '.join(left_out)}" if left_out else "")
        )
    due.sort(key=lambda one: one[0])
    begin = due[0][0]
    return Recorded([(time_s - begin, index) for time_s, index in due], dict(left_out))


def _csv(text: str, path: Path) -> Iterator[tuple[float, str]]:
    lines = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    if "time_s" not in (lines.fieldnames or ()):
        raise ValueError(
            f"{path} must be CSV with a column time_s (and one named traffic), or a service's log"
        )
    for row in lines:
        try:
            time_s = float(row["time_s"])
        except (TypeError, ValueError):
            time_s = math.nan
        if not math.isfinite(time_s):
            raise ValueError(f"{path} line {lines.line_num}: time_s must be a number of seconds")
        yield time_s, (row.get("traffic") or "").strip()


def _log(text: str) -> Iterator[tuple[float, str]]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            if entry.get("logger") != "medmesh.request":
                continue
            ended = datetime.fromisoformat(entry["time"]).timestamp()
            yield ended - float(entry["elapsed_ms"]) / 1e3, str(entry["method"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # not every line of a log is a request, and its last one may be torn
