"""A child process ends with its parent, keeps its log, and is stopped in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.local.process import Child
from tools.bootstrap import ROOT

PRINT_AND_WAIT = "import time; print('here', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PRINT_AND_WAIT}"


def start(tmp_path: Path, program: str) -> Child:
    child = Child.start(
        "sleeper", [sys.executable, "-c", program], env=os.environ, cwd=tmp_path, log=tmp_path / "log"
    )
    wait_until(lambda: "here" in child.tail() or child.exit_code is not None)
    return child


def wait_until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_is_told_to_end_and_says_how_it_did(tmp_path: Path):
    child = start(tmp_path, PRINT_AND_WAIT)
    child.stop()
    assert child.describe_exit() == "sleeper was ended by SIGTERM"


def test_it_has_a_group_of_its_own_in_the_session_of_its_parent(tmp_path: Path):
    """Between sessions niceness counts for nothing where the kernel groups them (autogroup)."""
    child = start(tmp_path, PRINT_AND_WAIT)
    assert os.getpgid(child.process.pid) == child.process.pid
    assert os.getsid(child.process.pid) == os.getsid(0)
    child.stop()


def test_one_that_does_not_listen_is_killed(tmp_path: Path):
    child = start(tmp_path, DEAF)
    child.stop(grace_s=0.2)
    assert child.describe_exit() == "sleeper was ended by SIGKILL"


def test_what_it_started_ends_with_it(tmp_path: Path):
    inner = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {DEAF!r}]).pid, flush=True); "
    )
    child = start(tmp_path, inner + "import time; time.sleep(600)")
    grandchild = int(next(line for line in child.tail().splitlines() if line.isdecimal()))
    assert runs(grandchild)
    child.stop(grace_s=0.2)
    wait_until(lambda: not runs(grandchild))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_when_its_parent_does(tmp_path: Path, ending: signal.Signals):
    parent_program = (
        "import os, sys, time; from pathlib import Path; from services.local.process import Child; "
        f"child = Child.start('sleeper', [sys.executable, '-c', {PRINT_AND_WAIT!r}], env=os.environ, "
        f"cwd=Path({str(tmp_path)!r}), log=Path({str(tmp_path / 'log')!r})); "
        "print(child.process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: (tmp_path / "log").exists() and "here" in (tmp_path / "log").read_text())
        parent.send_signal(ending)
    wait_until(lambda: not runs(child))


def test_the_end_of_its_log_can_be_shown(tmp_path: Path):
    child = start(tmp_path, "print('one'); print('two'); raise SystemExit(3)")
    child.process.wait(10)
    assert child.tail(1) == "two"
    assert child.describe_exit() == "sleeper ended with status 3"
    child.stop()
