"""kill -9 of a node that runs as a process of its own: what was acknowledged is analysed, once. `make
drill-dicom` does it at length.
"""

from __future__ import annotations

import pytest

from tests.clients.fake_mesh import start
from tests.dicom_node import drill
from tests.dicom_node.stand_ins import Archive, RememberingMesh


class MemoryArchive(Archive):
    def reports(self, patient):
        return [str(one.SOPInstanceUID) for one in self.objects if one.PatientID == patient]


@pytest.mark.slow
def test_a_killed_node_loses_nothing_and_analyses_nothing_twice(tmp_path):
    mesh = RememberingMesh(overlays=False, findings=1)
    server = start(mesh.mesh)
    archive = MemoryArchive()
    try:
        figures = drill.run(tmp_path, archive, mesh.mesh.target, 12, seed=1, kills=3, longest_life_s=1.0)
    finally:
        archive.close()
        server.stop(None)
    assert figures["kills"] >= 3
    # The archive may be sent a result twice, under one identifier: an archive keeps it once.
    assert {figures[name] for name in ("acknowledged", "analysed", "distinct reports")} == {12}
    assert list(mesh.computed.values()) == [1] * 12
