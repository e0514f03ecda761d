"""The report of a run as JSON: what was asked, what was measured, what the servers said, and whether the
thresholds were kept. The HTML page and the comparison are made of it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clients.loadtest.coordinator import Run
from clients.loadtest.profile import Profile
from clients.loadtest.statistics import PERCENTILES, Figures, Latency
from clients.loadtest.thresholds import Threshold

FORMAT = "medmesh-loadtest/2"
_CURVE = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99)
_OVER_TIME = (50.0, 95.0, 99.0)

Report = dict[str, Any]


def of(run: Run, thresholds: Sequence[Threshold]) -> Report:
    """The report of a run that is over."""
    summary = run.statistics.summary()
    warm_up_s = run.profile.warm_up_s
    return {
        "format": FORMAT,
        "started_at": datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="seconds"),
        "interrupted": run.interrupted,
        "profile": _profile(run.profile, run.connection.priority),
        "targets": {name: run.connection.targets[name] for name in sorted(run.profile.servers())},
        "harness": {
            "processes": run.processes,
            "connections": run.connections,
            "seed": run.seed,
            "busiest_process": max(run.busy),
            "send_lag_p99_ms": summary.send_lag_p99_ms,
            "bottleneck": run.bottleneck,
            "as_given": run.as_given,
        },
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "medmesh": version("medmesh"),
            "grpc": version("grpcio"),
        },
        "duration_s": summary.duration_s,
        "warm_up_s": warm_up_s,
        "total": _figures(summary.total),
        "by_traffic": {name: _figures(figures) for name, figures in summary.by_traffic.items()},
        "by_stage": [
            {"stage": run.profile.stages[index].said} | _figures(figures)
            for index, figures in summary.by_stage.items()
        ],
        "thresholds": [
            {"threshold": str(one), "value": one.value(summary), "kept": one.kept(summary)}
            for one in thresholds
        ],
        "over_time": _over_time(run),
        "server": {
            "asked": run.server.metrics,
            "missing": run.server.unanswered(),
            "health": run.server.health,
            "triton": [asdict(figures) for figures in run.server.triton(warm_up_s)],
            "times_s": run.server.times,
            "machine_busy": run.server.busy,
            "queue_ms": run.server.over_time("queue_ms"),
            "compute_ms": run.server.over_time("compute_ms"),
            "pending": run.server.pending(),
            "gauges": run.server.own_gauges(),
            "counters": run.server.own_counters(warm_up_s),
        },
    }


def read(path: Path) -> Report:
    """The report in a file. ValueError: it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is no JSON") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} is no report of this load test ({FORMAT}); `--report` writes one")
    return found


def write(report: Report, path: Path) -> None:
    """Saves it as JSON."""
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _profile(profile: Profile, usual_priority: str | None) -> Report:
    return {
        "name": profile.name,
        "description": profile.description,
        "stages": [
            {
                "said": stage.said,
                "duration_s": stage.duration_s,
                "rate": stage.rate,
                "users": stage.users,
                "warm_up": stage.warm_up,
            }
            for stage in profile.stages
        ],
        "traffic": [
            {
                "name": one.name,
                "call": one.call,
                "weight": one.weight,
                "timeout_s": one.timeout_s,
                "tenant": one.tenant,
                "priority": one.priority or usual_priority or "",
                "vary": one.vary,
            }
            for one in profile.traffic
        ],
    }


def _figures(figures: Figures) -> Report:
    found: Report = {
        "count": figures.count,
        "succeeded": figures.succeeded,
        "per_second": figures.per_second,
        "error_share": figures.error_share,
        "latency": _latency(figures.latency),
        "errors": {
            reason: {
                "count": latency.count,
                "p50_ms": latency.percentile_ms(50),
                "p99_ms": latency.percentile_ms(99),
            }
            for reason, latency in figures.errors.items()
        },
    }
    if figures.first_event is not None:
        found["first_event"] = _latency(figures.first_event)
    return found


def _latency(latency: Latency) -> Report:
    # A percentile beyond what so many requests can tell would only repeat the maximum.
    curve = [percent for percent in _CURVE if percent <= 100 * (1 - 1 / max(1, latency.count))]
    return {
        "mean_ms": latency.mean_ms,
        "max_ms": latency.max_ms,
        "percentile_ms": dict(zip(map(said, PERCENTILES), latency.percentiles_ms(PERCENTILES), strict=True)),
        "curve_ms": list(zip(curve, latency.percentiles_ms(curve), strict=True)),
        "hdr": latency.encoded(),
    }


def _over_time(run: Run) -> Mapping[str, Any]:
    """What each window has, from the first to the last; None where nothing was measured."""
    statistics = run.statistics
    numbers = range(max(statistics.windows, default=-1) + 1)
    windows = [statistics.windows.get(number) for number in numbers]
    width = statistics.width_s
    reasons = sorted({reason for window in windows if window for reason in window.errors})
    names = [one.name for one in run.profile.traffic]
    percentiles = [
        Latency.of(window.latency.values(), 2).percentiles_ms(_OVER_TIME)
        if window and window.latency
        else None
        for window in windows
    ]
    return {
        "width_s": width,
        "times_s": [(number + 0.5) * width for number in numbers],
        "due_per_s": [window.due / width if window else 0.0 for window in windows],
        "ok_per_s": [window.succeeded / width if window else 0.0 for window in windows],
        "errors_per_s": {
            reason: [window.errors[reason] / width if window else 0.0 for window in windows]
            for reason in reasons
        },
        "outstanding": [window.outstanding if window else 0 for window in windows],
        "latency_ms": {
            said(percent): [found[index] if found else None for found in percentiles]
            for index, percent in enumerate(_OVER_TIME)
        },
        "p99_ms_by_traffic": {
            name: [
                window.latency[index].percentile_ms(99) if window and index in window.latency else None
                for window in windows
            ]
            for index, name in enumerate(names)
        },
    }


def said(percent: float) -> str:
    """`p99.9`."""
    return f"p{percent:g}"
