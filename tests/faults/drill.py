"""Breaks one thing after the other in a mesh under load, and holds what was recorded to the promises.

`make drill` does it for half an hour in random order, draws what happened and says whether the promises held.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from medmesh import receipt
from services.chassis.observability import audit
from tests import clock
from tests.faults import picture
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.deployment import MODELS, Deployment, until
from tests.faults.disks import TORN
from tests.faults.history import COMPLETE, History, Strike, merged
from tests.faults.invariants import broken
from tests.faults.recording import CANARIES, Recorder
from tools.bootstrap import ROOT

DEADLINE_S = 5.0
BASE_S = 3.0
LEAST_BASE_SHARE = 0.2
"""Of the offered calls so many are answered in full before anything is broken, or the run is void."""
BUSY_S = 20.0
"""A base that is not reached while a heartbeat got no turn within this time says nothing."""
MOST_EXCUSED_SHARE = 0.05
"""A run of which a larger part is excused by what the machine took is void."""
IN_A_ROW = 4
"""So many complete answers that began after a fault's end show that it is over."""
_RESTARTS, _WINDOW_S = 4, 620.0
"""`medmesh up` gives up what ends more often than this within the time; the drill stays below it."""


class VoidRunError(Exception):
    """The mesh did not do its work before anything was broken: what follows would show nothing."""


class Drill:
    """A mesh, its callers, and what was recorded; use it as a context manager."""

    def __init__(self, folder: Path, rate_per_s: float) -> None:
        self.mesh = Deployment(folder)
        self._rate_per_s = rate_per_s
        self._strikes: list[Strike] = []
        self._ends: deque[tuple[float, str]] = deque()

    def __enter__(self) -> Self:
        self.mesh.__enter__()
        target = self.mesh.edges["client", "orchestrator"].address
        self.callers = Recorder(target, self.mesh.addresses, self._rate_per_s, DEADLINE_S)
        self.callers.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.callers.stop()
        self.mesh.__exit__(*error)

    def strike(self, fault: Fault) -> Strike:
        """Breaks it, heals it, and waits until answers are complete again. Raises VoidRunError."""
        self._base()
        self._ends += [(time.monotonic(), part) for part in fault.ends]
        began_s = self.callers.now_s()
        with fault.inflict(self.mesh):
            time.sleep(fault.lasts_s)
        healed_s = self.callers.now_s()
        recovered = until(lambda: self._in_a_row(healed_s) >= IN_A_ROW, fault.returns_s)
        struck = Strike(
            fault.name,
            began_s,
            healed_s,
            self.callers.now_s() if recovered else None,
            fault.may_lack,
            fault.tells,
            fault.up_says,
            fault.silence,
            fault.loses_calls,
        )
        self._strikes.append(struck)
        return struck

    @property
    def struck(self) -> set[str]:
        """The faults that were done."""
        return {strike.fault for strike in self._strikes}

    def fits(self, fault: Fault) -> bool:
        """Whether this machine can do it, and `medmesh up` would not give up a part because of it."""
        while self._ends and self._ends[0][0] < time.monotonic() - _WINDOW_S:
            self._ends.popleft()
        ended = [part for _, part in self._ends]
        enough = all(ended.count(part) + fault.ends.count(part) <= _RESTARTS for part in fault.ends)
        there = (self.mesh.has_disk or not fault.needs_disk) and (clock.IS_THERE or not fault.needs_clock)
        return enough and there

    def history(self) -> History:
        """What was recorded so far. Calls under way are not in it."""
        calls = list(self.callers.calls)  # before the logs: each call here has its lines there
        began = self.callers.began
        receipts, receipt_faults = _receipts(self.mesh.lines("receipts.jsonl"))
        audited, audit_faults = _audited(self.mesh.lines("calls-*.jsonl"))
        return History(
            calls,
            list(self.callers.health),
            list(self._strikes),
            [(at - began, line) for at, line in list(self.mesh.said)],
            _cards(),
            receipts,
            # Those that are under way now, or were when somebody was killed, have no line yet or for ever.
            math.ceil(self._rate_per_s * DEADLINE_S)
            * (1 + sum(strike.loses_calls or strike.silence for strike in self._strikes)),
            audited,
            [*receipt_faults, *audit_faults],
            self.mesh.written(),
            CANARIES,
            merged(self.callers.stalls),
        )

    def _base(self) -> None:
        """Waits for as many complete answers as `BASE_S` seconds offer, in a row."""
        self.mesh.check()
        since_s = self.callers.now_s()
        wanted = BASE_S * self._rate_per_s
        reached = until(lambda: self._in_a_row(since_s) >= wanted, BASE_S / LEAST_BASE_SHARE)
        if not reached:
            calls = self.callers.since(since_s)
            complete = sum(call.outcome == COMPLETE for call in calls)
            raise VoidRunError(
                f"{complete} of {len(calls)} calls were answered in full, {wanted:.0f} are wanted"
            )

    def _in_a_row(self, since_s: float) -> int:
        count = 0
        for call in sorted(self.callers.since(since_s), key=lambda one: one.began_s):
            count = count + 1 if call.outcome == COMPLETE else 0
        return count


def whole(history: History) -> dict[str, list[str]]:
    """The promises that a history breaks; an answer's audit line may follow the answer by a moment, so the
    last calls are left out.
    """
    last_s = max((call.ended_s for call in history.calls), default=0.0)
    return broken(replace(history, calls=[call for call in history.calls if call.ended_s < last_s - 1.0]))


def _cards() -> dict[str, tuple[str, str]]:
    cards = {name: json.loads((ROOT / "triton_repo" / name / "metadata.json").read_text()) for name in MODELS}
    return {name: (card["weights_sha256"], card["version"]) for name, card in cards.items()}


def _receipts(files: dict[str, list[bytes]]) -> tuple[list[str], list[str]]:
    """Ids in the log, and what is wrong with it but for what a fault has torn."""
    lines = [line.decode() for one in files.values() for line in one if line != TORN]
    faults = [f"receipts, line {fault.line}: {fault.problem}" for fault in receipt.verify_chain(lines)]
    stated = [receipt.statement(receipt.from_line(line)) for line in lines]
    return [one.predicate.receipt_id for one in stated], faults


def _audited(files: dict[str, list[bytes]]) -> tuple[dict[str, list[str]], list[str]]:
    """By request the receipts that the orchestrator's log names, and what is wrong with any of the logs."""
    found: dict[str, list[str]] = {}
    for line in files.get("calls-orchestrator.jsonl", ()):
        record = json.loads(line)
        # Refusals that were counted together have no id.
        found.setdefault(record.get("request_id", ""), []).append(record.get("receipt_id", ""))
    faults = [
        f"{name}, line {fault.line}: {fault.problem}"
        for name, lines in files.items()
        for fault in audit.faults(lines)
    ]
    return found, faults


def _order(chance: random.Random, drill: Drill, ends: float) -> Iterator[Fault]:
    """Every fault once in random order; while others wait for their turn, and then, what ends no part."""
    while time.monotonic() < ends:
        fitting = [fault for fault in FAULTS.values() if drill.fits(fault)]
        new = [fault for fault in fitting if fault.name not in drill.struck]
        again = [fault for fault in fitting if not fault.ends]
        # What ends parts of the mesh waits for its turn, so it goes first where it may.
        yield chance.choice([fault for fault in new if fault.ends] or new or again)


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=3.0, help="calls a second that are offered")
    parser.add_argument("--seed", type=int, help="of the order; a new one where it is not given")
    parser.add_argument("--only", help="the faults whose names contain this")
    parser.add_argument("--picture", type=Path, default=Path("drill.html"))
    given = parser.parse_args(arguments if arguments is None else list(arguments))
    seed = (
        given.seed
        if given.seed is not None
        else int.from_bytes(hashlib.sha256(str(time.time_ns()).encode()).digest()[:4])
    )
    print(f"seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="medmesh-drill-") as folder,
        Drill(Path(folder), given.rate) as drill,
    ):
        chosen = [fault for fault in FAULTS.values() if given.only and given.only in fault.name]
        order = chosen or _order(random.Random(seed), drill, time.monotonic() + 60 * given.minutes)
        void = ""
        for fault in order:
            try:
                struck = drill.strike(fault)
            except VoidRunError as error:
                if drill.callers.stalled_s(BUSY_S):
                    print(f"{fault.name} comes later: this machine is busy with others", flush=True)
                    continue
                void = f"void before {fault.name}: {error}"
                print(void)
                break
            after = (
                "NOT whole again"
                if struck.recovered_s is None
                else f"whole again after {struck.recovered_s - struck.healed_s:.1f} s"
            )
            print(f"{struck.began_s:7.1f} s  {fault.name}: {after}", flush=True)
        history = drill.history()
        drill.callers.stop()
        stopped_s = drill.mesh.stop()
        found = whole(history)
        if drill.mesh.left_behind:
            found["nothing_is_left_behind"] = drill.mesh.left_behind
    given.picture.write_text(picture.page(history, found, seed), encoding="utf-8")
    for name, problems in found.items():
        print(f"BROKEN {name}: {len(problems)} times, e.g. {'; '.join(problems[:3])}")
    excused = {why: len(calls) for why, calls in history.excused().items()}
    stalled_s = sum(end - begin for begin, end in history.stalls)
    print(f"the machine gave no turn for {stalled_s:.1f} s, which excuses {excused} calls")
    if not void and sum(excused.values()) > MOST_EXCUSED_SHARE * len(history.calls):
        void = "void: too many calls are excused"
        print(void)
    verdict = "BROKEN" if found else "every promise was kept"
    counts = f"{len({one.fault for one in history.strikes})} faults, {len(history.calls)} calls"
    print(f"{counts}, ended within {stopped_s:.1f} s: {verdict}; {given.picture}")
    return 2 if void else 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
