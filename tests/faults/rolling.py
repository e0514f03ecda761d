"""Each part of a mesh of two replicas is restarted in its turn under load: nothing that was accepted is lost.

`python -m tests.faults.rolling` does it with every service and Triton, and says what became of each call.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from services.chassis.rpc import probe
from services.chassis.settings import ServiceSettings
from services.local import ports
from services.local.mesh import Mesh
from services.local.mesh_settings import SERVICES, MeshSettings
from tests.faults.deployment import MODELS, until
from tests.faults.drill import _audited, _receipts
from tests.faults.history import COMPLETE, PARTIAL, Call
from tests.faults.recording import Recorder
from tools.bootstrap import ROOT

ORDER = ("recommendation", "language", "imaging", "orchestrator", "triton")
DEADLINE_S = 10.0
_BACK_S = 90.0
_CALLS_S = 2.0


class _Half(Mesh):
    """One replica of each service, whose orchestrator calls both of each."""

    upstreams: dict[str, str] = {}  # noqa: RUF012 - of the one run

    def _variables(self, name: str) -> dict[str, str]:
        return super()._variables(name) | (self.upstreams if name == "orchestrator" else {})


class Rolling:
    """Two replicas of each service on one Triton, under load; use it as a context manager."""

    def __init__(self, folder: Path, rate_per_s: float) -> None:
        self._folder, self._rate_per_s = folder, rate_per_s
        self._stack = ExitStack()
        self._halves: list[Mesh] = []
        self.said: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        for model in MODELS:
            shutil.copytree(ROOT / "triton_repo" / model, self._folder / "models" / model)
        named = [f"{name}_{half}" for half in "ab" for name in SERVICES]
        claimed = ports.claim("127.0.0.1", dict.fromkeys(named, 0), "{}")
        address = {name: f"127.0.0.1:{port}" for name, port in claimed.items()}
        both = {name: f"ipv4:{address[f'{name}_a']},{address[f'{name}_b']}" for name in SERVICES}
        _Half.upstreams = {f"MEDMESH_{name.upper()}_URL": target for name, target in both.items()}
        whole = MeshSettings.from_environment()
        for half in "ab":
            made = whole.on_free_ports(self._folder / half)
            for name in SERVICES:
                made = made.with_port(name, claimed[f"{name}_{half}"])
            made = dataclasses.replace(
                made,
                triton=dataclasses.replace(made.triton, repository=(self._folder / "models",)),
                variables={
                    "MEDMESH_RECEIPT_FOLDER": str(self._folder / "receipts"),
                    "MEDMESH_AUDIT_FOLDER": str(self._folder / "audit"),
                    "MEDMESH_HEALTH_INTERVAL_S": "1",
                },
            )
            if self._halves:
                first = self._halves[0]
                made = made.with_triton(first.addresses["triton"], first.triton_key_file)
            self._halves.append(self._stack.enter_context(_Half.start(made, self.said.append)))
        self.callers = Recorder(both["orchestrator"], {}, self._rate_per_s, DEADLINE_S)
        self._stack.enter_context(self.callers)
        assert self._until(lambda: self._answered() >= 4), self.said

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def roll(self, parts: Iterable[str]) -> dict[str, list[Call]]:
        """Asks each process of each part to end, one after the other, and waits until the next may; the calls
        that began meanwhile, by part.
        """
        found = {}
        for part in parts:
            since_s = self.callers.now_s()
            for half in self._halves[: 1 if part == "triton" else None]:
                pid = half.pids()[part]
                os.kill(pid, signal.SIGTERM)
                assert self._until(partial(self._is_back, half, part, pid)), self.said
                time.sleep(_CALLS_S)
            ended_s = self.callers.now_s()
            time.sleep(_CALLS_S)
            found[part] = [call for call in self.callers.since(since_s) if call.began_s < ended_s]
        return found

    def accounts(self) -> tuple[list[str], dict[str, list[str]], list[str]]:
        """The ids in the log of receipts, those of the audit log by request, and faults of their chains. No
        call is made any more.
        """
        self.callers.stop()
        lines = {path.name: path.read_bytes().splitlines() for path in self._folder.rglob("*.jsonl")}
        receipts, wrong = _receipts({"receipts.jsonl": lines["receipts.jsonl"]})
        audited, faults = _audited({name: one for name, one in lines.items() if name.startswith("calls-")})
        return receipts, audited, [*wrong, *faults]

    def _answered(self) -> int:
        return sum(call.outcome == COMPLETE for call in list(self.callers.calls)[-4:])

    def _is_back(self, half: Mesh, part: str, pid: int) -> bool:
        if half.pids().get(part) in {None, pid}:
            return False
        if part == "triton":
            return self._answered() == 4
        code, _ = asyncio.run(probe.probe(half.addresses[part], "", ServiceSettings(listen="127.0.0.1:0")))
        return code == probe.SERVING

    def _until(self, condition: Callable[[], object]) -> bool:
        """Waits for it, and starts again what has ended meanwhile."""

        def tended() -> object:
            for half in self._halves:
                self.said += half.tend()
            return condition()

        return until(tended, _BACK_S)


def lost(part: str, calls: Sequence[Call]) -> list[str]:
    """The calls that a restart has taken something from; without Triton an answer may be PARTIAL."""
    enough = {COMPLETE, PARTIAL} if part == "triton" else {COMPLETE}
    return [
        f"{call.outcome} after {call.ended_s - call.began_s:.2f} s of {part}: "
        f"{ {n: r for n, r in call.answer.branches.items() if r} if call.answer else '' }"
        for call in calls
        if call.outcome not in enough or call.end_count != 1
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=4.0, help="calls a second that are offered")
    parser.add_argument("--only", nargs="*", default=ORDER, choices=ORDER)
    given = parser.parse_args()
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="medmesh-rolling-") as folder,
        Rolling(Path(folder), given.rate) as rolling,
    ):
        for part in given.only:
            (calls,) = rolling.roll([part]).values()
            found = lost(part, calls)
            bad += len(found)
            print(f"{part}: {dict(Counter(c.outcome for c in calls))}, lost {len(found)}", flush=True)
            for one in found[:8]:
                print(f"  {one}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
