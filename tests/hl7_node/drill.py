"""Kills a node with SIGKILL at random moments, again and again, while messages come, and counts.

`make drill-hl7` does it 20 times with 200 messages and prints a line a run; a test does it once, briefly. A
sender sends again what was not acknowledged, as interface engines do. In the end what was acknowledged, read,
computed by the mesh and taken by the engine must be as many, and nothing computed twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import hl7.mllp

from clients.hl7_node.configuration import Configuration, Destination, Node
from clients.hl7_node.node import queues
from services.queue.items import State
from tests.clients.fake_mesh import start
from tests.hl7_node.stand_ins import ROOT, Engine, RememberingMesh, code, oru, send

PATIENCE_S = 120.0


@dataclass
class Count:
    """What one run came to."""

    acknowledged: int
    sent_again: int
    kills: int
    read: int
    computed: int
    """Messages that the mesh computed."""
    computed_again: int
    """Computations of a message beyond its first."""
    taken: int
    """Distinct results that the engine took."""
    taken_again: int
    """Results that it was sent once more, under the same control id."""

    @property
    def holds(self) -> bool:
        """Whether acknowledged means read, and nothing was read twice."""
        counts = {self.acknowledged, self.read, self.computed, self.taken}
        return len(counts) == 1 and self.computed_again == 0


def run(folder: Path, messages: int, kills: int, seed: int) -> Count:
    """One run; the node is killed `kills` times at least, and until all is acknowledged."""
    chance = random.Random(seed)
    mesh, engine = RememberingMesh(), Engine()
    server = start(mesh.mesh)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(engine.start(), loop).result(20)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    file = folder / "node.toml"
    file.write_text(
        f'[node]\nlisten = "127.0.0.1:{port}"\nfolder = "state"\nmin_free_mb = 1\n'
        f'[[destinations]]\nname = "engine"\naddress = "127.0.0.1:{engine.port}"\n'
    )
    left = [oru(control_id=str(number)) for number in range(messages)]
    acknowledged = again = killed = 0
    process = _node(file, mesh.mesh.target)
    kill_at = time.monotonic() + chance.uniform(0.0, 3.0)
    try:
        while left or killed < kills:
            if time.monotonic() > kill_at:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                process = _node(file, mesh.mesh.target)
                kill_at = time.monotonic() + chance.uniform(0.0, 3.0)
            if left:
                try:
                    assert code(send(port, left[0])) == "AA"
                    left.pop(0)
                    acknowledged += 1
                except (OSError, hl7.ParseException, IndexError):
                    again += 1
                    time.sleep(0.02)
            else:
                time.sleep(0.02)
        _until_done(folder, engine.port, messages)
    finally:
        process.terminate()
        process.wait(30)
        asyncio.run_coroutine_threadsafe(engine.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        server.stop(grace=None).wait(5)
    ids = engine.control_ids()
    done = _counts(folder, engine.port)["messages"][State.DONE]
    return Count(
        acknowledged=acknowledged,
        sent_again=again,
        kills=killed,
        read=done,
        computed=len(mesh.computed),
        computed_again=mesh.computed.total() - len(mesh.computed),
        taken=len(ids),
        taken_again=ids.total() - len(ids),
    )


def _node(file: Path, target: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEDMESH_")}
    return subprocess.Popen(
        [sys.executable, "-m", "clients.hl7_node", str(file)],
        cwd=ROOT,
        env=environment | {"MEDMESH_URL": target},
        stderr=(file.parent / "node.log").open("ab"),
    )


def _counts(folder: Path, engine_port: int) -> dict[str, dict[State, int]]:
    to = Destination(name="engine", address=f"127.0.0.1:{engine_port}")
    found = queues(Configuration(node=Node(folder=folder / "state"), destinations=(to,)), read_only=True)
    counted = {name: queue.counts() for name, queue in found.items()}
    next(iter(found.values())).close()
    return counted


def _until_done(folder: Path, engine_port: int, messages: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(Exception):
            if all(counts[State.DONE] == messages for counts in _counts(folder, engine_port).values()):
                return
        time.sleep(0.2)


def main() -> None:
    """Prints a line a run; ends with 1 where one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--kills", type=int, default=6)
    given = parser.parse_args()
    bad = 0
    for number in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            count = run(Path(folder), given.messages, given.kills, number)
        bad += not count.holds
        print(number + 1, "holds" if count.holds else "DOES NOT HOLD", count, flush=True)  # noqa: T201
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
