"""What becomes of a mesh at several times its capacity: the peak is measured, then the load goes beyond it
and back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from clients.loadtest import view
from clients.loadtest.profile import Stage
from clients.loadtest.report import Report

PEAK_USERS = 24
"""Fewer than a service works on at once, so that none is refused while the peak is measured."""
PEAK_S = 12.0
BEFORE_S = 8.0
AFTER_S = 15.0
NORMAL_SHARE = 0.5
"""Of the peak: the load before and after."""
GOODPUT_SHARE, REFUSAL_P99_MS, RECOVERY_S = 0.90, 20.0, 2.0
"""What is promised: of the peak; until a refusal is told; until it is as before."""
NORMAL_FACTOR = 2.0
"""Times the p99 from before, up to which it is as before."""

Measure = Callable[[Sequence[Stage], str], Awaitable[Report]]
"""Runs stages; the text says which they are."""


@dataclass(frozen=True)
class Verdict:
    """One promise, what was found, and whether it was kept."""

    promise: str
    found: str
    kept: bool


async def measure(run: Measure, times: float, duration_s: float) -> tuple[Report, list[Verdict]]:
    """Measures the peak in a closed loop, then `times` as much in an open one, of which the report is."""
    loop = Stage(PEAK_S, users=(PEAK_USERS, PEAK_USERS), name="peak")
    warm_up = Stage(2.0, users=(PEAK_USERS, PEAK_USERS), warm_up=True)
    peak = (await run([warm_up, loop], "peak: "))["total"]["per_second"]
    if not peak:
        raise ValueError("nothing succeeded while the peak was measured")
    normal, beyond = NORMAL_SHARE * peak, times * peak
    stages = [
        Stage(2.0, (normal, normal), warm_up=True),
        Stage(BEFORE_S, (normal, normal), name="before"),
        Stage(duration_s, (beyond, beyond), name=f"{times:g} times the peak"),
        Stage(AFTER_S, (normal, normal), name="after"),
    ]
    report = await run(stages, "")
    found = verdicts(report, peak, duration_s)
    report["overload"] = [asdict(one) for one in found]
    return report, found


def verdicts(report: Report, peak: float, duration_s: float) -> list[Verdict]:
    """The promises held against the report."""
    over = report["over_time"]
    begin = report["warm_up_s"] + BEFORE_S
    during = [
        answered
        for at, answered in zip(over["times_s"], over["ok_per_s"], strict=True)
        if begin + 1 <= at < begin + duration_s
    ]
    goodput = sum(during) / max(1, len(during))
    beyond = report["by_stage"][1]
    refused = {
        reason: beyond["errors"][reason]
        for reason in ("OVERLOADED", "QUOTA_EXCEEDED")
        if reason in beyond["errors"]
    }
    others = {reason: one["count"] for reason, one in beyond["errors"].items() if reason not in refused}
    refusal_ms = max((one["p99_ms"] for one in refused.values()), default=None)
    recovery_s = _recovery_s(report, begin + duration_s)
    return [
        Verdict(
            f"goodput at least {GOODPUT_SHARE:.2f} of the peak",
            f"{goodput:.1f} of {peak:.1f}/s, {goodput / peak:.2f}",
            goodput >= GOODPUT_SHARE * peak,
        ),
        Verdict(
            f"refusals told within {REFUSAL_P99_MS:.0f} ms (p99)",
            "none was refused" if refusal_ms is None else f"{refusal_ms:.1f} ms",
            refusal_ms is None or refusal_ms <= REFUSAL_P99_MS,
        ),
        Verdict(
            "what is accepted is answered in time",
            f"p99 {beyond['latency']['percentile_ms']['p99']:.0f} ms"
            + "".join(f", {count} {reason}" for reason, count in others.items()),
            not others,
        ),
        Verdict(
            f"as before within {RECOVERY_S:.0f} s of its end",
            "not within the run" if recovery_s is None else f"{recovery_s:.0f} s",
            recovery_s is not None and recovery_s <= RECOVERY_S,
        ),
    ]


def _recovery_s(report: Report, end: float) -> float | None:
    """Seconds from the end of the overload until nothing fails any more and p99 is as before; None: never."""
    over = report["over_time"]
    errors = [
        sum(series[index] for series in over["errors_per_s"].values())
        for index in range(len(over["times_s"]))
    ]
    usual_ms = report["by_stage"][0]["latency"]["percentile_ms"]["p99"]
    abnormal = [
        at
        for at, failed, p99 in zip(over["times_s"], errors, over["latency_ms"]["p99"], strict=True)
        if at > end and (failed or (p99 or 0.0) > NORMAL_FACTOR * usual_ms)
    ]
    last = abnormal[-1] + over["width_s"] / 2 if abnormal else end
    return None if last >= over["times_s"][-1] - over["width_s"] else last - end


def table(report: Report, found: Sequence[Verdict]) -> list[RenderableType]:
    """The promises for people."""
    stage = report["by_stage"][1]["stage"]
    parts: list[RenderableType] = [marks.heading("Overload", stage, "dim")]
    for one in found:
        word, style = ("kept", "green") if one.kept else ("NOT KEPT", "bold red")
        parts.append(Text.assemble("  ", (f"{word}: ", style), f"{one.promise}  ({one.found})"))
    return parts + [marks.note(sentence) for sentence in view.notes(report)]
