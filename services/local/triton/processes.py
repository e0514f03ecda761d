"""The processes in which the embedded Triton runs its models: one for each instance, a child of the server.

They come and go with the models that are loaded and unloaded: Triton reaps a process that it has ended
itself, and does not reap one that has died.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from services.local.triton.runs import Runs

_STUB = "triton_python_backend_stub"
_LOOK_AGAIN_S = 2.0
_UNLOADING_S = 2.0
"""How long a process may have ended without being reaped before it counts as dead: unloading takes that
long."""


class ModelProcesses:
    """What is known of the processes of one server."""

    def __init__(self, server: int, runs: Runs) -> None:
        self._server = server
        self._runs = runs
        self._models: dict[int, str] = {}
        self._ended_at: dict[int, float] = {}
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Finds the processes that are there now. One that has died no longer says whose it was."""
        self._models = {**model_instances(self._server), **self._models}
        self._looked_at = time.monotonic()

    def broken(self) -> str:
        """Which model has lost its process, in one sentence; empty: none."""
        now = time.monotonic()
        if now - self._looked_at > _LOOK_AGAIN_S:
            self.look()
        for pid, model in list(self._models.items()):
            state = process_state(pid)
            if state is None:  # unloaded
                del self._models[pid]
                self._ended_at.pop(pid, None)
            elif state.letter in {"Z", "X"}:
                if now - self._ended_at.setdefault(pid, now) >= _UNLOADING_S:
                    return f"the process that served the model {model} has ended"
            elif state.is_stopped:
                # Triton goes on giving it every other request, and each of them waits for its deadline.
                return f"the process that served the model {model} is stopped"
            elif (hung_s := self._runs.hung_s(pid)) is not None:
                return f"the process that served the model {model} has hung in one request for {hung_s:.0f} s"
        return ""


@dataclass(frozen=True)
class ProcessState:
    """A process as the kernel has it."""

    program: str
    """The first 15 letters of its name."""
    letter: str
    parent: int

    @property
    def is_stopped(self) -> bool:
        """By a signal or a debugger; it may go on."""
        return self.letter in {"T", "t"}


def process_state(pid: int) -> ProcessState | None:
    """The state of a process; None: there is none."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    letter, parent, *_ = rest.split()
    return ProcessState(name, letter, int(parent))


def is_stopped(pid: int) -> bool:
    """Whether there is such a process, and it is stopped."""
    state = process_state(pid)
    return state is not None and state.is_stopped


def model_instances(server: int) -> dict[int, str]:
    """Process id and model of each instance: the backend's stubs are the server's children."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        state = process_state(int(entry.name))
        if state and state.parent == server and _STUB.startswith(state.program):
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            # <stub> <repository>/<model>/<version>/model.onnx …; nothing of one that has ended
            found[int(entry.name)] = Path(words[1]).parent.parent.name if len(words) > 1 else "(unknown)"
    return found
