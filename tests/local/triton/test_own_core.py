import os
import subprocess
import sys
from contextlib import ExitStack
from typing import Self

import pytest

from services.local.triton.backends.own_core import FILE, OwnCore
from tools.bootstrap import ROOT

ASK = """
import os, sys
from services.local.triton.backends.own_core import OwnCore
own = OwnCore()
for line in sys.stdin:
    with own.held():
        print(*sorted(os.sched_getaffinity(0)), flush=True)
        sys.stdin.readline()
    print("given back", flush=True)
"""
CORES = os.sched_getaffinity(0)


class Other:
    """Another process, which runs when it is told and until it is told."""

    def __init__(self, locks) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK],
            cwd=ROOT,
            env={**os.environ, FILE: str(locks)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()

    def told(self) -> str:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def runs(self) -> set[int]:
        """The cores that it may run on, now that it runs."""
        return {int(core) for core in self.told().split()}


@pytest.fixture
def locks(tmp_path):
    return tmp_path / "cores"


def test_as_many_runs_as_there_are_cores_have_one_each_and_the_next_has_all(locks):
    with ExitStack() as stack:
        others = [stack.enter_context(Other(locks)) for _ in CORES]
        bound = [other.runs() for other in others]
        assert all(len(cores) == 1 for cores in bound)
        assert set.union(*bound) == CORES
        late = stack.enter_context(Other(locks))
        assert late.runs() == CORES
        late.told()
        others[0].told()
        assert late.runs() == bound[0]


def test_a_process_that_runs_again_keeps_its_core_and_one_that_is_killed_leaves_it(locks):
    with Other(locks) as one, Other(locks) as two:
        core = one.runs()
        one.told()
        assert one.runs() == core
        one.process.kill()
        one.process.wait()
        if len(CORES) > 1:
            assert two.runs() != CORES
            two.told()
        with ExitStack() as stack:
            others = [stack.enter_context(Other(locks)) for _ in CORES]
            assert set.union(*(other.runs() for other in others)) == CORES


def test_without_a_file_nothing_is_bound(monkeypatch):
    monkeypatch.delenv(FILE, raising=False)
    with OwnCore().held():
        assert os.sched_getaffinity(0) == CORES
