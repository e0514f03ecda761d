"""The ends of a node that runs as a process of its own: killed, and told to end. `make drill-dicom` kills it
at length.
"""

from __future__ import annotations

import ctypes
import signal
from pathlib import Path

import pytest

from tests.clients.fake_mesh import start
from tests.dicom_node import drill
from tests.dicom_node.stand_ins import Archive, NodeProcess, RememberingMesh, until

# As in test_node.py: of a connection that ended by force.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]
OBJECTS = 12


class MemoryArchive(Archive):
    def reports(self, patient):
        return [str(one.SOPInstanceUID) for one in self.objects if one.PatientID == patient]


def test_a_killed_node_loses_nothing_and_analyses_nothing_twice(tmp_path):
    mesh = RememberingMesh(overlays=False, findings=1)
    server = start(mesh.mesh)
    archive = MemoryArchive()
    try:
        figures = drill.run(tmp_path, archive, mesh.mesh.target, OBJECTS, seed=1, kills=3)
    finally:
        archive.close()
        server.stop(None)
    assert figures["kills"] >= 3
    # The archive may be sent a result twice, under one identifier: an archive keeps it once.
    assert {figures[name] for name in ("acknowledged", "analysed", "distinct reports")} == {OBJECTS}
    assert list(mesh.computed.values()) == [1] * OBJECTS


TGKILL = 234
"""Number of the system call on x86-64: a signal to one thread of a process."""


def test_a_signal_that_wakes_another_thread_ends_the_node(tmp_path):
    """As one does that comes between the main thread's last look and its sleep: nothing wakes that thread."""
    configuration = tmp_path / "node.toml"
    (port,) = drill.free_ports(1)
    configuration.write_text(drill.CONFIGURATION.format(port=port, archive=port))
    node = NodeProcess(configuration, "127.0.0.1:1")
    node.start()
    try:
        until(lambda: drill.listens(port), timeout_s=drill.START_S)
        pid = node.process.pid
        until(lambda: '"listening"' in node.log and threads(pid))
        assert ctypes.CDLL(None).syscall(TGKILL, pid, threads(pid)[-1], signal.SIGTERM) == 0
        assert node.process.wait(60) == 0
    finally:
        node.kill()


def threads(pid: int) -> list[int]:
    """Those of a process that are not its main one."""
    return sorted({int(task.name) for task in Path("/proc", str(pid), "task").iterdir()} - {pid})
