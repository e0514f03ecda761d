"""The report as one HTML page: everything is in the file, nothing is fetched, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clients.loadtest import charts, view
from clients.loadtest.charts import Chart
from clients.loadtest.comparison import Compared, differences
from clients.loadtest.report import Report
from clients.loadtest.server_side import AT_WORK, BREAKER, WAITING

_PERCENTILES = ("p50", "p90", "p95", "p99", "p99.9")
_MAXIMUM_GAUGES = 6
_TITLES = {
    AT_WORK: ("Services: requests at work", "requests"),
    WAITING: ("Services: requests that wait", "requests"),
    BREAKER: ("Services: breakers", "1 is open"),
    "medmesh_server_held_bytes": ("Services: requests held", "bytes"),
}


def page(report: Report) -> str:
    """The page of one run."""
    return _rendered(
        "report.html.j2",
        report=report,
        percentiles=_PERCENTILES,
        notes=view.notes(report),
        verdict=_verdict(report),
        groups=[
            ("What callers saw", [chart for chart in _clients(report) if chart]),
            ("What the servers did", [chart for chart in _servers(report) if chart]),
        ],
    )


def comparison(before: Report, after: Report, compared: Sequence[Compared]) -> str:
    """The page of two runs."""
    pairs = [
        charts.percentiles(
            f"Latency by percentile: {name}",
            {
                "before": before["by_traffic"][name]["latency"]["curve_ms"],
                "after": after["by_traffic"][name]["latency"]["curve_ms"],
            },
        )
        for name in before["by_traffic"]
        if name in after["by_traffic"]
    ]
    return _rendered(
        "comparison.html.j2",
        before=before,
        after=after,
        compared=compared,
        notes=differences(before, after),
        charts=[chart for chart in pairs if chart],
    )


def _rendered(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here: no other command needs it

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    text: str = environment.get_template(name).render(**values)
    return text


def _number(value: float | None) -> str:
    """As many digits as a reader needs."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(report: Report) -> tuple[str, str]:
    """`good` or `bad`, and the sentence."""
    thresholds = report["thresholds"]
    if "find_max" in report:
        best = report["find_max"]["best_rate"]
        if best is None:
            return "bad", f"No rate that was tried keeps {report['find_max']['bound']}"
        return "good", f"{best:.3g} requests a second keep {report['find_max']['bound']}"
    if "overload" in report:
        kept = sum(one["kept"] for one in report["overload"])
        said = f"{kept} of {len(report['overload'])} promises kept beyond capacity"
        return "good" if kept == len(report["overload"]) else "bad", said
    broken = [one for one in thresholds if not one["kept"]]
    if report["interrupted"]:
        return "bad", "Interrupted: what was measured until then"
    if broken:
        return "bad", f"{len(broken)} of {len(thresholds)} thresholds not kept"
    if thresholds:
        return "good", f"All {len(thresholds)} thresholds kept" if len(thresholds) > 1 else "Threshold kept"
    failed = report["total"]["count"] - report["total"]["succeeded"]
    return ("bad", f"{failed} requests failed") if failed else ("good", "No request failed")


def _clients(report: Report) -> list[Chart | None]:
    over, shared = report["over_time"], {"warm_up_s": report["warm_up_s"]}
    times = over["times_s"]
    rates: Mapping[str, charts.Values] = {"sent": over["due_per_s"], "answered": over["ok_per_s"]}
    curves = {name: figures["latency"]["curve_ms"] for name, figures in report["by_traffic"].items()}
    first = {
        f"{name}, first event": figures["first_event"]["curve_ms"]
        for name, figures in report["by_traffic"].items()
        if "first_event" in figures
    }
    return [
        charts.over_time("Throughput", "requests/s", times, rates, **shared),
        charts.over_time("Latency", "ms", times, over["latency_ms"], logarithmic=True, **shared),
        charts.over_time(
            "p99 by traffic", "ms", times, over["p99_ms_by_traffic"], logarithmic=True, **shared
        ),
        charts.percentiles("Latency by percentile", curves | first),
        charts.over_time("Errors by reason", "requests/s", times, over["errors_per_s"], **shared),
        charts.over_time("Under way", "requests", times, {"under way": over["outstanding"]}, **shared),
    ]


def _servers(report: Report) -> list[Chart | None]:
    server = report["server"]
    times, shared = server["times_s"], {"warm_up_s": report["warm_up_s"]}
    busy = {"all cores": [100 * share for share in server["machine_busy"]]}
    return [
        charts.over_time(
            "Models: waiting, in the services and at Triton",
            "ms/request",
            times,
            server["queue_ms"],
            **shared,
        ),
        charts.over_time("Triton: computing", "ms/request", times, server["compute_ms"], **shared),
        charts.over_time("Triton: requests that wait", "requests", times, server["pending"], **shared),
        charts.over_time("This machine's cores, harness included", "% busy", times, busy, **shared),
        *(
            charts.over_time(title, unit, times, series, **shared)
            for name, series in list(server["gauges"].items())[:_MAXIMUM_GAUGES]
            for title, unit in [_TITLES.get(name, (name, ""))]
        ),
    ]
