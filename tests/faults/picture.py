"""The picture of a run: offered load, goodput, latency and faults on one axis of time, in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clients import loadtest
from clients.loadtest import charts
from tests.faults.history import COMPLETE, PARTIAL, History

_TEMPLATES = [Path(__file__).parent, Path(loadtest.__file__).parent / "templates"]
_STEPS = 240


def page(history: History, found: Mapping[str, Sequence[str]], seed: int) -> str:
    """One page of HTML; `found` has what breaks each promise."""
    end_s = max((call.ended_s for call in history.calls), default=1.0)
    step_s = max(1.0, end_s / _STEPS)
    count = int(end_s / step_s) + 1
    times = [(number + 0.5) * step_s for number in range(count)]
    offered, whole, partial = Counter[int](), Counter[int](), Counter[int]()
    waits: list[list[float]] = [[] for _ in times]
    for call in history.calls:
        offered[int(call.began_s / step_s)] += 1
        at = int(call.ended_s / step_s)
        whole[at] += call.outcome == COMPLETE
        partial[at] += call.outcome == PARTIAL
        waits[at].append(1e3 * (call.ended_s - call.began_s))
    rates = {
        name: [counted[number] / step_s for number in range(count)]
        for name, counted in {"offered": offered, "complete": whole, "partial": partial}.items()
    }
    ordered = [sorted(one) for one in waits]
    latency = {
        "p50": [one[len(one) // 2] if one else None for one in ordered],
        "longest": [one[-1] if one else None for one in ordered],
    }
    # A fault is a line at the height of 1 while it lasts, and of 2 until answers are complete again.
    faults = [
        max(
            (
                1.0 if strike.began_s <= at <= strike.healed_s else 0.5
                for strike in history.strikes
                if strike.began_s <= at <= (strike.recovered_s or end_s)
            ),
            default=0.0,
        )
        for at in times
    ]
    drawn = [
        charts.over_time("Offered load and goodput", "calls/s", times, rates),
        charts.over_time("Latency", "ms", times, latency, logarithmic=True),
        charts.over_time("Faults: 1 while one lasts, 0.5 until it is over", "", times, {"fault": faults}),
    ]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text: str = environment.get_template("drill.html.j2").render(
        history=history, found=found, seed=seed, charts=[chart for chart in drawn if chart],
        answered=sum(call.outcome == COMPLETE for call in history.calls),
    )  # fmt: skip
    return text
