"""The command line: `python -m tools.bench [--only NAME …] [--rounds N] [--check] [--list]`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

from tools.bench import imaging, language, machine, mesh, orchestrator, page, peers, record
from tools.bench.meshes import Meshes
from tools.bench.rows import Row
from tools.bench.running import Outcome, measured

ROWS: Sequence[Row] = (*imaging.ROWS, *language.ROWS, *orchestrator.ROWS, *mesh.ROWS, *peers.ROWS)


def main() -> int:
    """Measures; 1 where `--check` found a row worse than the kept figures."""
    arguments = _arguments()
    rows = [row for row in ROWS if any(row.name.startswith(name) for name in arguments.only or [""])]
    if arguments.list or not rows:
        for row in ROWS:
            print(f"{row.name:24} {row.title}")
        return 0 if arguments.list else 2
    on = machine.description()
    for key, value in on.items():
        _say(f"{key}: {value}")
    with contextlib.ExitStack() as resources:
        meshes, outcomes = Meshes(resources, _say), []
        for row in sorted(rows, key=lambda row: not row.alone):
            with contextlib.ExitStack() as own:
                used = Meshes(own, _say) if row.alone else meshes
                outcomes.append(_measured(row, used, arguments.rounds))
            if not (arguments.check or arguments.dry):  # at once: what breaks a later row takes nothing along
                record.keep(outcomes[-1:], on)
                page.write(ROWS, record.kept())
    worse = record.worse(outcomes) if arguments.check else []
    for sentence in worse:
        _say(f"worse: {sentence}")
    return 1 if worse else 0


def _measured(row: Row, meshes: Meshes, rounds: int) -> Outcome:
    _say(f"{row.name}: {row.title}")
    meshes.start(side.mesh for side in row.sides.values() if side.mesh is not None)
    outcome = asyncio.run(measured(row, meshes, rounds, _say))
    met = "" if row.target is None else f", to reach {row.target}"
    _say(f"  {outcome.figure:.3f} {row.unit} ({outcome.low:.3f} to {outcome.high:.3f}{met})")
    for name, side in outcome.sides.items():
        spent = ", ".join(f"{process} {ms:.2f}" for process, ms in side.cpu_ms_each.items())
        rss = ", ".join(f"{process} {mb:.0f}" for process, mb in side.rss_mb.items())
        _say(f"  {name}: CPU ms an answer: {spent}; MB: {rss}")
    return outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="rows whose names begin so")
    parser.add_argument("--rounds", type=int, default=3, help="of each row (default: 3)")
    parser.add_argument(
        "--check", action="store_true", help="fail where a row is 10 %% worse than kept; keep nothing"
    )
    parser.add_argument("--dry", action="store_true", help="keep nothing, write no page")
    parser.add_argument("--list", action="store_true", help="name the rows")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
