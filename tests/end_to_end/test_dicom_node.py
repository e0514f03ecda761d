"""The DICOM node on a real mesh: what a device stores comes back to the archive, read by real models."""

from __future__ import annotations

import tempfile

import pytest

from clients.dicom_node import overview
from clients.dicom_node.configuration import Configuration, Destination, Node
from clients.dicom_node.node import Node as RunningNode
from tests.dicom_node.stand_ins import Archive, image, store
from tests.end_to_end.conftest import client_of, until

pytestmark = pytest.mark.live


def test_a_stored_radiograph_comes_back_as_a_report_and_an_overlay(mesh, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    archive = Archive()
    to = Destination(name="pacs", ae_title="PACS", address=f"127.0.0.1:{archive.port}")
    settings = Node(listen="127.0.0.1:0", spool=tmp_path / "spool", min_free_mb=1)
    with client_of(mesh) as client:
        node = RunningNode(Configuration(node=settings, destinations=(to,)), client)
        try:
            sent = image()
            assert store(node.port, [sent]) == [0]
            until(lambda: {"SR", "OT"} <= set(archive.kinds()))
            assert overview.parked(node.database) == []
        finally:
            node.stop()
            archive.close()
    report, overlay = (next(o for o in archive.objects if o.Modality == kind) for kind in ("SR", "OT"))
    assert report.StudyInstanceUID == overlay.StudyInstanceUID == sent.StudyInstanceUID
    model = next(one for one in report.ContributingEquipmentSequence if one.Manufacturer == "medmesh")
    assert model.ManufacturerModelName == "chest_xray"
    assert "receipt=" in model.ContributionDescription
    assert overlay.SourceImageSequence[0].ReferencedSOPInstanceUID == sent.SOPInstanceUID
