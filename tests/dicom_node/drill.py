"""kill -9 of the node at any moment, again and again, while a device stores: whatever was acknowledged is
analysed once.

`make drill-dicom` does it 20 times with 200 objects against Orthanc and prints a line a run; a test does it
once, briefly.
"""

from __future__ import annotations

import argparse
import random
import socket
import tempfile
import threading
import time
import uuid
from pathlib import Path

from services.local import ports
from tests.clients.fake_mesh import start
from tests.dicom_node.stand_ins import NodeProcess, Orthanc, RememberingMesh, counts, image, store, until

CONFIGURATION = """
[node]
listen = "127.0.0.1:{port}"
spool = "spool"
quiet_s = 0.5
[[destinations]]
name = "pacs"
ae_title = "PACS"
address = "127.0.0.1:{archive}"
results = ["report"]
"""
DEVICE_PATIENCE_S = 2
"""How long the device waits for an answer. Its library waits to the end when the node is killed between two
objects: it has seen the connection close, and forgets it.
"""
START_S = 120.0
PROGRESS_S = 600.0
"""Longest time for which the run waits for what is to be done next; on a machine that others use too."""


def free_ports(count: int) -> list[int]:
    return list(ports.claim("127.0.0.1", {str(n): 0 for n in range(count)}, "{}").values())


def listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def run(
    folder: Path, archive: Orthanc, target: str, objects: int, seed: int, kills: int = 12
) -> dict[str, int]:
    """One run: what was stored, acknowledged, analysed, and lies in the archive; how often the node was
    killed.

    Each kill comes when so much was done, by chance, of all that is to be done, and a moment later: a life
    that is measured in time would end before anything is done, again and again, on a machine that is busy.
    After one kill in four the next comes while the node starts.
    """
    chance = random.Random(seed)
    port = free_ports(1)[0]
    configuration = folder / "node.toml"
    configuration.write_text(CONFIGURATION.format(port=port, archive=archive.port))
    node = NodeProcess(configuration, target)
    patient = uuid.uuid4().hex
    acknowledged: set[str] = set()
    resent = 0

    def send():
        nonlocal resent
        waiting = [image(patient) for _ in range(objects)]
        while waiting:
            batch = waiting[: chance.randint(1, 20)]
            for one, status in zip(batch, store(port, batch, timeout_s=DEVICE_PATIENCE_S), strict=True):
                if status == 0:
                    acknowledged.add(one.SOPInstanceUID)
                elif status is not None:
                    raise AssertionError(f"the node answered {status:04X}")
            waiting = [one for one in waiting if one.SOPInstanceUID not in acknowledged]
            resent += sum(one.SOPInstanceUID not in acknowledged for one in batch)
            time.sleep(0.01)

    def start() -> float:
        """Returns how long it took, in seconds."""
        node.start()
        started = time.monotonic()
        until(lambda: listens(port), timeout_s=START_S)
        return time.monotonic() - started

    def done() -> int:
        found = counts(folder / "spool")
        return (
            len(acknowledged) + found.get("analyses.done", 0) + found.get("deliveries.done", 0)
        )  # whatever was counted once stays: else this never comes to its end, and the run fails

    start_s = start()
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    killed = 0
    for moment in sorted(chance.randrange(3 * objects) for _ in range(kills)):
        until(lambda: done() >= moment, timeout_s=PROGRESS_S)  # noqa: B023 - called at once
        time.sleep(chance.uniform(0.0, 0.2))
        node.kill()
        killed += 1
        if chance.random() < 0.25:
            node.start()
            time.sleep(chance.uniform(0.0, start_s))
            node.kill()
            killed += 1
        start_s = start()
    until(lambda: done() >= 3 * objects, timeout_s=PROGRESS_S)
    sender.join()
    node.stop()
    reports = archive.reports(patient)
    return {
        "stored": objects,
        "acknowledged": len(acknowledged),
        "sent again": resent,
        "kills": killed,
        "analysed": counts(folder / "spool")["analyses.done"],
        "reports": len(reports),
        "distinct reports": len(set(reports)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--kills", type=int, default=12, help="in each run, at least")
    parser.add_argument("--mesh", help="a real mesh (HOST:PORT of its orchestrator) in place of a stand-in")
    parser.add_argument("--receipts", type=Path, help="its folder of receipts, which are counted")
    arguments = parser.parse_args()
    mesh = RememberingMesh(overlays=False, findings=1)
    server = None if arguments.mesh else start(mesh.mesh)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        dicom, http = free_ports(2)
        archive = Orthanc(Path(folder), dicom, http)
        try:
            for number in range(arguments.runs):
                before = computed(mesh, arguments.receipts)
                spot = Path(folder) / f"run{number}"
                spot.mkdir()
                figures = run(
                    spot,
                    archive,
                    arguments.mesh or mesh.mesh.target,
                    arguments.objects,
                    number,
                    arguments.kills,
                )
                figures["computed"] = computed(mesh, arguments.receipts) - before
                wanted = ("acknowledged", "analysed", "reports", "distinct reports", "computed")
                good = all(figures[name] == arguments.objects for name in wanted)
                failed += not good
                print(  # noqa: T201
                    number + 1,
                    *(f"{name} {value}" for name, value in figures.items()),
                    "good" if good else "BAD",
                    sep=", ",
                    flush=True,
                )
        finally:
            archive.close()
            if server is not None:
                server.stop(None)
    print(  # noqa: T201
        f"{arguments.runs - failed} of {arguments.runs} runs: stored = analysed, none twice"
    )
    raise SystemExit(failed > 0)


def computed(mesh: RememberingMesh, receipts: Path | None) -> int:
    """How many answers were computed so far: at the stand-in, or by the receipts of a real mesh."""
    if receipts is None:
        return sum(mesh.computed.values())
    return sum(len(file.read_text().splitlines()) for file in receipts.glob("*.jsonl"))


if __name__ == "__main__":
    main()
