"""The mesh in containers with two replicas of imaging and of language, one of each killed under load: what
callers lose, and whether the killed ones come back and work. `make compose-proof` runs it where Docker is.

A replica is killed as the kernel kills one that is out of memory: SIGKILL for all that runs in it. Docker
takes `docker kill` for a stop by hand, and leaves such a container stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

from medmesh import Client, MedmeshError
from medmesh.connection import Tls
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.local import ports
from tests.faults.deployment import until
from tests.faults.history import COMPLETE, PARTIAL, Call, answer_of
from tests.faults.recording import case
from tests.faults.rolling import DEADLINE_S, lost
from tools.bootstrap import ROOT

SCALED = ("imaging", "language")
PROJECT = "medmesh-proof"
_BACK_S = 180.0
_METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
_CUT_OFF = re.compile(
    r"^rpc_client_call_duration_seconds_count\{[^}]*"
    r'rpc_response_status_code="UNAVAILABLE"[^}]*\} (\S+)', re.MULTILINE,
)  # fmt: skip


def run(*command: str, **variables: str) -> str:
    """What a command says on either stream. subprocess.CalledProcessError: it failed."""
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip


@dataclass
class Replica:
    """A container of a scaled service, and what became of it."""

    service: str
    container: str
    calls_before: int = 0
    """Answered with OK until one was killed, or until this one was."""
    killed_at_s: float | None = None
    after_s: dict[str, float] = field(default_factory=dict)
    """Seconds after the kill at which it ran, was healthy and answered a call again."""

    def answered(self) -> int:
        """Calls of its service that it answered with OK: its log says so, and outlasts a restart."""
        count = 0
        for text in run("docker", "logs", self.container).splitlines():
            with suppress(ValueError, KeyError):  # no line, or half of the last one before the kill
                line = json.loads(text)
                ours = line["method"].startswith(f"/medmesh.{self.service}.v1.")
                count += ours and line["status"] == "OK"
        return count

    def state(self) -> Mapping[str, Any]:
        """What Docker knows of it."""
        (told,) = json.loads(run("docker", "inspect", self.container))
        assert isinstance(told, dict)
        return told

    def kill(self) -> None:
        """Ends all that runs in it at once, but for its first process, which then ends as well."""
        self.killed_at_s = time.monotonic()
        subprocess.run(["docker", "exec", self.container, "sh", "-c", "kill -9 -1"], check=False)

    def is_back(self) -> bool:
        """Whether it ran, was healthy and has answered again, each in its turn; notes when."""
        assert self.killed_at_s is not None
        told = self.state()
        running = told["RestartCount"] > 0 and told["State"]["Running"]
        if running and "running" not in self.after_s:
            self.calls_before = self.answered()  # the new process answers none yet
        now = {"running": running, "healthy": running and told["State"]["Health"]["Status"] == "healthy"}
        now["working"] = now["healthy"] and self.answered() > self.calls_before
        for what, holds in now.items():
            if holds:
                self.after_s.setdefault(what, time.monotonic() - self.killed_at_s)
        return bool(now["working"])


class Callers:
    """Ask for one diagnosis after the other through the client, whose defaults they keep; use it as a context
    manager.
    """

    def __init__(self, target: str, count: int) -> None:
        self.calls: list[Call] = []
        self._target, self._case = target, case()
        self._began, self._ended = time.monotonic(), threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        folder = ROOT / ".medmesh" / "identity" / "client"
        tls = Tls(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
        with Client(self._target, tls=tls) as client:
            while not self._ended.is_set():
                began_s, answer = time.monotonic() - self._began, None
                try:
                    said = client.diagnose(self._case, timeout_s=DEADLINE_S)
                    answer = answer_of(said)
                    whole = said.completeness == pb.COMPLETENESS_COMPLETE
                    outcome = COMPLETE if whole else PARTIAL
                except MedmeshError as error:
                    outcome = f"{error.status.name}/{error.reason or '-'}"
                    self._ended.wait(0.1)
                ended_s = time.monotonic() - self._began
                self.calls.append(Call("", began_s, ended_s, DEADLINE_S, outcome, answer=answer))


@contextmanager
def stack(compose: Sequence[str], *, build: bool) -> Iterator[str]:
    """The mesh of compose.yaml under a project name of its own, on the embedded Triton; its orchestrator's
    address. Nothing of it is left but images, and the identity folder that any start makes.
    """
    port = str(ports.claim("127.0.0.1", {"orchestrator": 0}, "{}")["orchestrator"])
    variables = {
        "COMPOSE_PROFILES": "cpu",
        "MEDMESH_ORCHESTRATOR_PORT": port,
        "UID": str(os.getuid()),
    }
    scaled = [word for name in SCALED for word in ("--scale", f"{name}=2")]
    command = [*compose, "--project-name", PROJECT]
    down = ("down", "--volumes", "--remove-orphans", "--timeout", "10")
    run(*command, *down, **variables)
    try:
        run(*command, "up", "--detach", "--build" if build else "--no-build", *scaled, **variables)
        yield f"127.0.0.1:{port}"
    finally:
        run(*command, *down, **variables)


def containers(service: str) -> list[str]:
    """Ids of those of a service."""
    labels = {"project": PROJECT, "service": service}
    given = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    return sorted(run("docker", "ps", "--quiet", *given).split())


def prove(target: str, callers_count: int, quiet_s: float) -> tuple[list[Replica], list[Call], float]:
    """The replicas, all calls, and how many calls of the orchestrator ended with UNAVAILABLE since the kill.
    The load lasts twice `quiet_s` and the time that the killed ones take to work again.
    """
    replicas = [Replica(name, one) for name in SCALED for one in containers(name)]
    assert [replica.service for replica in replicas] == [name for name in SCALED for _ in "ab"]
    with Callers(target, callers_count) as callers:
        answered = until(lambda: any(call.outcome == COMPLETE for call in list(callers.calls)), _BACK_S)
        assert answered, callers.calls[-3:]
        began = len(callers.calls)
        time.sleep(quiet_s)
        for replica in replicas:
            replica.calls_before = replica.answered()
        before, killed = _cut_off(), replicas[::2]
        for replica in killed:
            replica.kill()
        until(lambda: sum(replica.is_back() for replica in killed) == len(killed), _BACK_S)
        time.sleep(quiet_s)
    return replicas, callers.calls[began:], _cut_off() - before


def _cut_off() -> float:
    (orchestrator,) = containers("orchestrator")
    return sum(map(float, _CUT_OFF.findall(run("docker", "exec", orchestrator, "python", "-c", _METRICS))))


def faults(replicas: Sequence[Replica], calls: Sequence[Call]) -> list[str]:
    """What is not as it should be."""
    found = lost("compose", calls)
    for replica in replicas:
        name = f"{replica.service} {replica.container}"
        if not replica.calls_before:
            found.append(f"{name} got no call")
        if replica.killed_at_s is not None and "working" not in replica.after_s:
            found.append(f"{name} does not work again; it came to {replica.after_s}")
    return found


def table(replicas: Sequence[Replica]) -> str:
    """One line for each."""
    lines = [f"{'replica':24}{'calls before':>14}{'calls since':>13}  after the kill"]
    for replica in replicas:
        since = replica.answered() - replica.calls_before
        came = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in replica.after_s.items())
        came = came if replica.killed_at_s is not None else "not killed"
        name = f"{replica.service} {replica.container}"
        lines.append(f"{name:24}{replica.calls_before:14}{since:13}  {came}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=4, help="that ask at the same time")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of load before the kill, and after all is back"
    )
    parser.add_argument("--no-build", action="store_true", help="take the images that are there")
    given = parser.parse_args()
    has_plugin = (
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    )
    compose = ["docker", "compose"] if has_plugin else ["docker-compose"]
    try:
        with stack(compose, build=not given.no_build) as target:
            replicas, calls, cut_off = prove(target, given.callers, given.seconds)
            print(table(replicas))
    except subprocess.CalledProcessError as error:
        print(
            f"medmesh: {' '.join(error.cmd)}: exit code {error.returncode}\n{error.output}", file=sys.stderr
        )
        return 2
    took_ms = sorted(1000 * (call.ended_s - call.began_s) for call in calls)
    outcomes, lasted_s = dict(Counter(call.outcome for call in calls)), calls[-1].ended_s - calls[0].began_s
    late = took_ms[int(0.99 * (len(took_ms) - 1))]
    print(
        f"{len(calls)} calls in {lasted_s:.0f} s: {outcomes}; "
        f"p50 {median(took_ms):.0f} ms, p99 {late:.0f} ms, longest {took_ms[-1]:.0f} ms; "
        f"{cut_off:.0f} calls of the orchestrator were cut off, which it made again"
    )
    found = faults(replicas, calls)
    print("\n".join(found) or "nothing is lost, and what was killed works again")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
