"""The figures as they are kept beside the page, and what counts as worse than them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.bench.rows import Row
from tools.bench.running import Outcome
from tools.bootstrap import ROOT

KEPT = ROOT / "docs" / "performance.json"
TOLERANCE = 0.1
"""Share by which a figure may be worse than the kept one."""


def kept() -> dict[str, dict[str, Any]]:
    """The kept rows by name."""
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))["rows"]) if KEPT.is_file() else {}


def keep(outcomes: Sequence[Outcome], machine: Mapping[str, str], path: Path = KEPT) -> None:
    """Takes the measured rows up among the kept ones, each with its day and machine."""
    rows = kept()
    day = dt.datetime.now(dt.UTC).date().isoformat()
    for outcome in outcomes:
        rows[outcome.row.name] = {
            "figure": outcome.figure,
            "low": outcome.low,
            "high": outcome.high,
            "measured": day,
            "sides": {name: asdict(figures) for name, figures in outcome.sides.items()},
            "machine": dict(machine),
        }
    content = {"rows": {name: rounded(rows[name]) for name in sorted(rows)}}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def worse(outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence on each row that has become worse than the kept one by more than the tolerance."""
    before = kept()
    return [
        f"{one.row.name}: {one.figure:.3g} {one.row.unit}, and {before[one.row.name]['figure']:.3g} was kept"
        for one in outcomes
        if one.row.name in before and _is_worse(one.row, one.figure, before[one.row.name]["figure"])
    ]


def _is_worse(row: Row, figure: float, old: float) -> bool:
    if row.target is None:
        return False
    slack = TOLERANCE * abs(old)
    if row.target.at_least:
        return figure < old - slack
    # Also what is near nothing, such as an added latency, may move a little on a machine that breathes.
    return figure > old + max(slack, TOLERANCE * row.target.value)


def rounded(value: Any) -> Any:
    """With four digits, in dictionaries and lists too."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return value
