"""A child process that ends with its parent, writes its log to a file, and is stopped in order.

Linux only. The kernel's parent-death signal asks the child to end even where the parent was killed with
SIGKILL; what does not listen (stopped, still loading, a grandchild) is ended by a sentinel, a shell that
waits for the end of a pipe that only the parent holds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Runs in the child before the real program. A preexec_fn would do the same inside the parent's memory, where
# gRPC's threads make a fork unsafe. The parent may die before prctl takes effect, hence the look at getppid
# after it. 1 is PR_SET_PDEATHSIG.
_PRELUDE = """
import ctypes, os, signal, sys
os.umask(0o077)
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""

# Told the child's process group, then that all ended in order; the end of its input in between means that the
# parent has gone. $1 is the grace in tenths of a second, the others are what the child would leave behind.
_SENTINEL = """
trap '' INT TERM HUP
grace=$1; shift
read -r group || exit 0
read -r _ && exit 0
kill -TERM -"$group" 2>/dev/null
while kill -0 -"$group" 2>/dev/null && [ "$grace" -gt 0 ]; do sleep 0.1; grace=$((grace - 1)); done
kill -KILL -"$group" 2>/dev/null
for left in "$@"; do rm -rf -- $left; done
"""

_GROUP_GRACE_S = 2.0


@dataclass(frozen=True)
class Child:
    """One started process. It leads a process group, so that Ctrl-C reaches it only through its parent."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None
    """Where its stdout and stderr go; None: where the parent's go. The log of the run before is kept beside
    it, as `<name>.previous`."""
    sentinel: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path | None,
        leaves: Sequence[str] = (),
        orphan_grace_s: float = 10.0,
    ) -> Child:
        """Starts `command`; nobody but its owner reads what it writes.

        It gets SIGTERM when the *thread* that calls this ends, so call it from one that lives as long as the
        child should. When the parent has gone, it and what it started are killed after `orphan_grace_s`
        seconds, and `leaves` (paths or glob patterns without spaces) are removed.
        """
        sentinel = subprocess.Popen(
            ["/bin/sh", "-c", _SENTINEL, f"{name}-sentinel", str(round(orphan_grace_s * 10)), *leaves],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        with contextlib.ExitStack() as stack:
            output = None
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                if log.exists():
                    log.replace(log.with_name(f"{log.name}.previous"))
                log.touch(mode=0o600)
                output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PRELUDE, str(os.getpid()), *command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                # Not a session: where the kernel shares the processors among sessions (autogroup), niceness
                # would count for nothing between them.
                process_group=0,
            )
        child = cls(name, process, log, sentinel)
        child._tell_sentinel(str(process.pid))
        return child

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.process.poll()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def describe_exit(self) -> str:
        """How it ended, as one clause."""
        code = self.exit_code
        if code is None:
            return f"{self.name} runs"
        if code < 0:
            return f"{self.name} was ended by {signal.Signals(-code).name}"
        return f"{self.name} ended with status {code}"

    def stop(self, grace_s: float = 15.0, is_done: Callable[[], bool] = lambda: False) -> None:
        """SIGTERM, up to `grace_s` seconds to finish, then SIGKILL for it and everything it started.

        `is_done` tells that what is left of it would only take time, and ends the grace early.
        """
        if self.exit_code is None:
            self.process.terminate()
            deadline = time.monotonic() + grace_s
            while time.monotonic() < deadline and not is_done():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05)
                    break
        if self.exit_code is not None:
            self._wait_for_group()  # its own children may outlive it for a moment, or for good
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._wait_for_group()
        if self.sentinel.poll() is None:
            self._tell_sentinel("ended")
            self.sentinel.wait()
        if self.sentinel.stdin is not None:
            self.sentinel.stdin.close()

    def _tell_sentinel(self, line: str) -> None:
        assert self.sentinel.stdin is not None  # noqa: S101 - PIPE was asked for
        self.sentinel.stdin.write(f"{line}\n".encode())
        self.sentinel.stdin.flush()

    def _wait_for_group(self) -> None:
        deadline = time.monotonic() + _GROUP_GRACE_S
        while time.monotonic() < deadline and self._group_runs():
            time.sleep(0.02)

    def _group_runs(self) -> bool:
        """Whether a process of the group runs; those that wait to be reaped by the system do not."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
                if int(group) == self.process.pid and state not in {"Z", "X"}:
                    return True
        return False
