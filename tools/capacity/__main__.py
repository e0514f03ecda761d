"""The command line: `python -m tools.capacity [--measure] [--studies-per-day N]`."""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from tools.bench import machine, record
from tools.bootstrap import ROOT
from tools.capacity import checking, costs, page
from tools.capacity.plans import plan

CHECKED = ROOT / "docs" / "capacity.json"


def main() -> int:
    """Writes the page, or prints the plan of one load."""
    parser = argparse.ArgumentParser(prog="make capacity", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="check the simulation on this machine first")
    parser.add_argument("--studies-per-day", type=float, help="print what so many need, and write nothing")
    arguments = parser.parse_args()
    kept = record.kept()
    if arguments.measure:
        on = {key: value for key, value in machine.description().items() if key != "peers"}
        found = {**checking.measured(print), "machine": "; ".join(f"{k}: {v}" for k, v in on.items())}
        CHECKED.write_text(json.dumps(record.rounded(found), indent=1) + "\n", encoding="utf-8")
    checked = json.loads(CHECKED.read_text(encoding="utf-8"))
    if arguments.studies_per_day is None:
        page.write(kept, checked)
        return 0
    alone_s = np.array(checked["case"]["alone_ms"]) / 1e3
    one = plan(arguments.studies_per_day, costs.of_study(kept), alone_s)
    print("\n".join(page.plans({f"{arguments.studies_per_day:,.0f} studies a day": one})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
