"""What a device, an archive and an operator see of a node."""

from __future__ import annotations

import io
import logging
import os
import socket
import stat
import struct

import pytest
from google.rpc import error_details_pb2
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RTPlanStorage,
)
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from clients.dicom_node import overview
from clients.dicom_node.configuration import Destination, Peer
from clients.dicom_node.rules import Rule
from services.chassis.observability.log import JsonFormatter
from tests.clients.fake_mesh import error_info
from tests.dicom_node.stand_ins import Archive, counts, image, store, until

# The library leaves the socket of a connection that is ended by force to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]
CANARY = "Zanzibar^Quetzalcoatl"


def settled(node) -> bool:
    """Nothing is waiting or under way."""
    found = overview.counts(node.database)
    return not any(found.get(name) for name in ("objects.waiting", "analyses.pending", "deliveries.pending"))


def parked(node) -> list[str]:
    return [one.reason for one in overview.parked(node.database)]


def test_an_image_comes_back_as_a_report_and_overlays(overlays, node, archive, mesh):
    sent = image()
    assert store(node.port, [sent]) == [0]
    until(lambda: settled(node) and archive.objects)
    assert archive.kinds() == {"SR": 1, "OT": 2, "KO": 1}
    for made in archive.objects:
        assert made.StudyInstanceUID == sent.StudyInstanceUID
        assert made.PatientID == "TEST"
        assert "not for diagnosis" in made.SeriesDescription
        models = {one.get("ManufacturerModelName"): one for one in made.ContributingEquipmentSequence}
        assert "weights_sha256=" + "1" * 64 in models["chest_xray"].ContributionDescription
        assert "receipt=" in models["chest_xray"].ContributionDescription
    assert list(mesh.computed.values()) == [1]


def test_the_same_object_again_is_taken_and_not_analysed_again(node, archive, mesh):
    sent = image()
    assert store(node.port, [sent, sent]) == [0, 0]
    until(lambda: settled(node) and archive.objects)
    assert store(node.port, [sent]) == [0]
    until(lambda: settled(node))
    assert sum(mesh.computed.values()) == 1
    assert archive.kinds()["SR"] == 1


def test_another_object_under_the_same_identifier_waits_for_a_person(node, mesh):
    first = image()
    second = image()
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID
    second.PixelData = bytes(len(second.PixelData))
    assert store(node.port, [first, second]) == [0, 0]
    until(lambda: settled(node))
    assert parked(node) == ["UID_REUSED"]
    assert sum(mesh.computed.values()) == 1


def test_slices_of_a_series_are_one_image_once_their_study_is_quiet(node, mesh):
    series = [image(Modality="CT", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4") for _ in range(3)]
    assert store(node.port, series) == [0, 0, 0]
    until(lambda: settled(node))
    (asked,) = [seen for seen in mesh.mesh.seen if seen.method == "Diagnose"]
    assert len(asked.request.case.images[0].sources) == 3
    late = image(Modality="CT", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    assert store(node.port, [late]) == [0]
    until(lambda: settled(node))
    again = mesh.mesh.seen[-1].request.case.images[0].sources
    assert len(again) == 4


@pytest.mark.slow
def test_a_report_after_late_slices_names_the_one_before(start_node, archive):
    node = start_node(node={"quiet_s": 0.05})
    for number in (1, 2):
        assert store(
            node.port, [image(Modality="CT", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")]
        ) == [0]
        until(lambda: settled(node) and archive.kinds()["SR"] == number)  # noqa: B023
    first, second = (one for one in archive.objects if one.Modality == "SR")
    (previous,) = second.PredecessorDocumentsSequence
    (of_series,) = previous.ReferencedSeriesSequence
    assert of_series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_rules_choose_models_and_set_aside(start_node, mesh):
    rules = (
        Rule(modality=("US",), analyze=False),
        Rule(modality=("DX", "CR"), body_part=("CHEST*",), models=("chest_xray",), read_as="CHEST"),
    )
    node = start_node(rules=rules)
    chest = image(Modality="DX", BodyPartExamined="CHEST")
    assert store(node.port, [chest, image(Modality="US"), image(Modality="MG")]) == [0, 0, 0]
    until(lambda: settled(node))
    assert sorted(parked(node)) == ["NOT_WANTED", "NO_RULE"]
    (seen,) = [seen for seen in mesh.mesh.seen if seen.method == "Diagnose"]
    assert list(seen.request.case.images[0].options.models) == ["chest_xray"]
    assert seen.request.case.images[0].options.body_part == "CHEST"


def test_its_own_results_and_what_is_no_image_are_not_analysed(overlays, node, archive, mesh):
    assert store(node.port, [image()]) == [0]
    until(lambda: settled(node) and archive.objects)
    back = [one for one in archive.objects if one.Modality in ("SR", "OT")]
    for one in back:
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert store(node.port, back) == [0] * len(back)
    until(lambda: settled(node))
    assert set(parked(node)) == {"OWN_RESULT"}
    report = image()
    del report.PixelData, report.Rows, report.Columns
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    assert store(node.port, [report]) == [0]
    assert "NOT_AN_IMAGE" in parked(node)
    assert sum(mesh.computed.values()) == 1


def test_what_the_mesh_refuses_is_parked_with_its_reason(node, mesh):
    field = error_details_pb2.BadRequest(
        field_violations=[{"field": "case.images[0].sources[0].content", "description": "truncated"}]
    )
    mesh.mesh.fail("Diagnose", "INVALID_ARGUMENT", "bad", error_info("INPUT_MALFORMED"), field)
    assert store(node.port, [image()]) == [0]
    until(lambda: settled(node))
    assert parked(node) == ["INPUT_MALFORMED: case.images[0].sources[0].content: truncated"]
    mesh.mesh.failures.clear()
    assert overview.retry(node.database, 0.0) == 1
    until(lambda: settled(node))
    assert sum(mesh.computed.values()) == 1


def test_a_mesh_that_is_away_is_asked_again_until_it_is_back(node, archive, mesh):
    mesh.mesh.fail("Diagnose", "UNAVAILABLE", "away", error_info("UPSTREAM_UNAVAILABLE"))
    assert store(node.port, [image()]) == [0]
    until(lambda: len(mesh.mesh.seen) >= 1)
    mesh.mesh.failures.clear()
    until(lambda: settled(node) and archive.objects)
    assert archive.kinds()["SR"] == 1


@pytest.mark.slow
def test_an_archive_that_is_away_gets_the_results_when_it_is_back(start_node, archive):
    port = archive.port
    archive.close()
    node = start_node()
    assert store(node.port, [image()]) == [0]
    until(lambda: overview.counts(node.database).get("deliveries.pending"))
    back = Archive(port)
    until(lambda: settled(node))
    back.close()
    assert back.kinds()["SR"] == 1


@pytest.mark.slow
def test_what_an_archive_does_not_take_is_parked_and_the_rest_arrives(start_node, archive):
    archive.status = 0x0122
    node = start_node(
        destinations=(
            Destination(
                name="pacs", ae_title="PACS", address=f"127.0.0.1:{archive.port}", results=("report",)
            ),
        )
    )
    assert store(node.port, [image()]) == [0]
    until(lambda: any("0122" in reason for reason in _reasons(node)))
    archive.status = 0
    until(lambda: settled(node))
    assert archive.kinds() == {"SR": 1}


def _reasons(node):
    return [str(row[0]) for row in node.database.rows("SELECT reason FROM deliveries")]


def test_a_stopped_node_goes_on_where_it_was(start_node, archive, mesh):
    node = start_node()
    mesh.mesh.hold("Diagnose")
    assert store(node.port, [image(), image()]) == [0, 0]
    until(lambda: len(mesh.mesh.seen) == 2)
    asked = {seen.request.request_id for seen in mesh.mesh.seen}
    mesh.mesh.release("Diagnose")
    node.stop()
    again = start_node()
    until(lambda: settled(again) and archive.kinds()["SR"] == 2)
    assert {seen.request.request_id for seen in mesh.mesh.seen} == asked
    assert set(mesh.computed.values()) == {1}


def test_two_nodes_do_not_share_a_spool(start_node):
    start_node()
    with pytest.raises(ValueError, match="another node has"):
        start_node()


# Bad input


def echo(port, *, title="MEDMESH", calling="DEVICE") -> bool:
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.network_timeout = ae.dimse_timeout = 10
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", port, ae_title=title)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return status.Status == 0


def test_only_those_who_may_call_are_answered(start_node):
    peers = (
        Peer(ae_title="CT01", addresses=("127.0.0.0/8",)),
        Peer(ae_title="MR01", addresses=("10.0.0.0/8",)),
    )
    node = start_node(peers=peers)
    assert echo(node.port, calling="CT01")
    assert not echo(node.port, calling="CT02")
    assert not echo(node.port, calling="MR01")  # from another address than its own
    assert not echo(node.port, calling="CT01", title="OTHER")


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x01\x00" + struct.pack(">L", 0xFFFFFFF0) + bytes(64),
        b"\x01\x00" + struct.pack(">L", 16) + bytes(16),
        b"\x04\x00" + struct.pack(">L", 4) + bytes(4),
        bytes(4096),
    ],
    ids=["http", "tls", "four gigabytes", "empty request", "data first", "zeros"],
)
def test_garbage_ends_its_connection_and_nothing_else(node, garbage):
    with socket.create_connection(("127.0.0.1", node.port), 5) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert echo(node.port)


def without(keyword):
    made = image()
    delattr(made, keyword)
    return made


def test_what_cannot_be_taken_is_refused_and_nothing_of_it_is_kept(node, tmp_path):
    other = image()
    other.SOPInstanceUID = "1.2.3.4"  # announced under another
    other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5"
    bad_uid = image()
    bad_uid.StudyInstanceUID = "1.2.3"
    bad_uid["StudyInstanceUID"]._value = "1..2"
    for one in (without("StudyInstanceUID"), without("SeriesInstanceUID"), bad_uid):
        assert store(node.port, [one]) == [0xA900]
    assert not list((tmp_path / "spool" / "objects").iterdir())
    assert not list((tmp_path / "spool" / "arriving").iterdir())
    assert echo(node.port)


def test_a_class_or_syntax_that_it_does_not_take_is_not_agreed_on(node):
    deflated = image()
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert store(node.port, [deflated]) == [None]
    plan = image()
    plan.SOPClassUID = plan.file_meta.MediaStorageSOPClassUID = RTPlanStorage
    del plan.PixelData, plan.Rows, plan.Columns
    assert store(node.port, [plan]) == [0]  # an object all the same: parked, not lost
    assert parked(node) == ["NOT_AN_IMAGE"]


def test_an_object_larger_than_allowed_ends_its_association(start_node, tmp_path):
    node = start_node(node={"max_object_mb": 1})
    large = image()
    large.Rows = large.Columns = 1024
    large.PixelData = bytes(2 * 1024 * 1024)
    large.BitsAllocated = large.BitsStored = 16
    large.HighBit = 15
    assert store(node.port, [large]) == [None]
    assert counts(tmp_path / "spool") == {}
    until(lambda: not list((tmp_path / "spool" / "arriving").iterdir()))
    assert store(node.port, [image()]) == [0]


def test_more_than_it_can_keep_is_refused_for_now(start_node, mesh):
    mesh.mesh.hold("Diagnose")
    node = start_node(node={"max_waiting": 2, "workers": 1})
    assert store(node.port, [image(), image(), image()]) == [0, 0, 0xA700]
    mesh.mesh.release("Diagnose")
    until(lambda: settled(node))
    assert store(node.port, [image()]) == [0]


def test_a_full_disk_is_no_success(start_node):
    node = start_node(node={"min_free_mb": 10**9})
    assert store(node.port, [image()]) == [0xA700]


def test_more_associations_than_allowed_are_rejected_and_the_others_go_on(start_node):
    node = start_node(node={"max_associations": 1})
    ae = AE(ae_title="DEVICE")
    ae.add_requested_context(Verification)
    first = ae.associate("127.0.0.1", node.port, ae_title="MEDMESH")
    assert first.is_established
    assert not echo(node.port)
    assert first.send_c_echo().Status == 0
    first.release()
    until(lambda: echo(node.port))


# Patient data


def test_nothing_of_a_patient_is_logged_or_in_a_name_and_files_are_private(start_node, mesh, tmp_path):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("dicom_node"))
    loggers = [logging.getLogger(), logging.getLogger("medmesh")]
    for logger in loggers:
        logger.addHandler(handler)
    before = loggers[1].level
    loggers[1].setLevel(logging.DEBUG)
    mask = os.umask(0o077)
    try:
        node = start_node()
        canaries = {"PatientName": CANARY, "StudyDescription": CANARY, "AccessionNumber": "Quetzalcoatl"}
        marked = image("Quetzalcoatl-4711", **canaries)
        broken = image("Quetzalcoatl-4712", **canaries)
        del broken.StudyInstanceUID
        store(node.port, [marked, broken])
        until(lambda: settled(node))
        mesh.mesh.fail("Diagnose", "INTERNAL", "unexpected")
        store(node.port, [image("Quetzalcoatl-4713", **canaries)])
        until(lambda: overview.counts(node.database).get("analyses.pending"))
        node.stop()
    finally:
        os.umask(mask)
        loggers[1].setLevel(before)
        for logger in loggers:
            logger.removeHandler(handler)
    written = stream.getvalue()
    assert '"message": "analysed"' in written
    assert '"message": "an object was not taken"' in written
    assert "Quetzalcoatl" not in written
    for uid in (marked.SOPInstanceUID, marked.StudyInstanceUID):
        assert uid not in written
    files = list((tmp_path / "spool").rglob("*"))
    assert any(file.suffix == ".dcm" for file in files)
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert marked.SOPInstanceUID not in file.name
