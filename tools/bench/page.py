"""docs/performance.md's generated part: the table, what each side spent, and the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench.rows import Row
from tools.bootstrap import ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end -->"


def write(rows: Sequence[Row], kept: Mapping[str, Mapping[str, Any]], path: Path = PAGE) -> None:
    """Puts what is kept of the rows into the page."""
    put(_generated([row for row in rows if row.name in kept], kept), path, BEGIN)


def put(lines: Iterable[str], path: Path, begin: str) -> None:
    """Puts lines between a page's markers; the text around them stays."""
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(END)[2]
    generated = "\n".join(lines).strip()
    path.write_text(f"{before}{begin}\n\n{generated}\n\n{END}{after}", encoding="utf-8")


def _generated(rows: Sequence[Row], kept: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    yield "| figure | first version | to reach | reached (least to most of the rounds) | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        one = kept[row.name]
        target = "" if row.target is None else f"{row.target}{_unit(row)}"
        met = "" if row.target is None else "yes" if row.target.is_met(one["figure"]) else "**no**"
        spread = f"{_number(one['low'])} to {_number(one['high'])}"
        reached = f"**{_number(one['figure'])}**{_unit(row)} ({spread})"
        yield f"| {row.title} | {row.before} | {target} | {reached} | {met} |"
    yield ""
    yield "What each side did, and the processor time of an answer in each process (medians of the rounds):"
    yield ""
    yield "| row | side | answers/s | p50 ms | p99 ms | CPU ms an answer |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        for side, figures in kept[row.name]["sides"].items():
            spent = sorted(figures["cpu_ms_each"].items(), key=lambda item: -item[1])
            told = ", ".join(f"{name} {ms:.2f}" for name, ms in spent)
            numbers = (figures["per_second"], figures["p50_ms"], figures["p99_ms"])
            yield f"| {row.name} | {side} | {' | '.join(map(_number, numbers))} | {told} |"
    yield ""
    yield from _machines(rows, kept)


def _machines(rows: Sequence[Row], kept: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Each machine, with the rows that were measured on it; rows measured under another load are told too."""
    found: dict[str, list[str]] = {}
    for row in rows:
        one = kept[row.name]
        told = "; ".join(f"{key}: {value}" for key, value in one["machine"].items() if key != "load at start")
        load = one["machine"]["load at start"]
        found.setdefault(told, []).append(f"{row.name} ({one['measured']}, load {load})")
    for told, names in found.items():
        yield f"Measured on {told}."
        yield f"Rows (day, load average at the start): {', '.join(names)}."
        yield ""


def _unit(row: Row) -> str:
    return f" {row.unit}" if row.unit else ""


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
