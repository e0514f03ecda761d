"""Bad input is refused with its field named, leaves every service serving, and appears in no log, error or
span.
"""

from __future__ import annotations

import io
import json
import struct
import zlib

import grpc
import pydicom
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydicom.uid import JPEG2000MC, generate_uid

from medmesh import InvalidInput, MedmeshError
from services.chassis.rpc.transport import DIRECT
from tests.end_to_end.conftest import SAMPLES, until

pytestmark = pytest.mark.live

CANARY = "Zyxwalter Qvortrup"
"""A name that stands in every input of this module, and must stand nowhere else."""
PNG = b"\x89PNG\r\n\x1a\n"


def dicom(**changes) -> bytes:
    dataset = pydicom.dcmread(SAMPLES / "chest_xray.dcm")
    dataset.PatientName = CANARY.replace(" ", "^")
    dataset.PatientComments = CANARY
    for name, value in changes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def dicom_of_unsupported_syntax() -> bytes:
    dataset = pydicom.dcmread(SAMPLES / "chest_xray.dcm")
    dataset.PatientComments = CANARY
    dataset.PixelData = pydicom.encaps.encapsulate([b"\x00" * 64])
    dataset.file_meta.TransferSyntaxUID = JPEG2000MC  # Part 2 multi-component: nothing here decodes it
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["unsupported"])
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb() -> bytes:
    """A PNG of some kilobytes that claims ten billion pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    text = b"Comment\0" + CANARY.encode()
    pixels = zlib.compress(bytes(1_000_000))
    return PNG + chunk(b"IHDR", header) + chunk(b"tEXt", text) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bundle(*resources: dict, **changes) -> bytes:
    patient = {"resourceType": "Patient", "id": "1", "name": [{"text": CANARY}]}
    entries = [{"resource": resource} for resource in (patient, *resources)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries} | changes).encode()


def condition(subject: str) -> dict:
    return {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": CANARY}]},
        "subject": {"reference": subject},
    }


SECOND = {"resourceType": "Patient", "id": "2", "name": [{"text": CANARY}]}
GOOD = (SAMPLES / "chest_xray.dcm").read_bytes()

# name, the request, how the field's path begins
BAD = {
    "no input at all": ({}, "case"),
    "empty image": ({"image": b"", "note": CANARY}, "case.images[0].sources"),
    "not an image": ({"image": f"{CANARY} wrote a letter.".encode() * 50}, "case.images[0].sources"),
    "truncated PNG": (
        {"image": (SAMPLES / "chest_xray.png").read_bytes()[:5000]},
        "case.images[0].sources",
    ),
    "truncated DICOM": ({"image": dicom()[:4000]}, "case.images[0].sources"),
    "DICOM without pixels": ({"image": dicom(PixelData=None)}, "case.images[0].sources"),
    "unsupported transfer syntax": ({"image": dicom_of_unsupported_syntax()}, "case.images[0].sources"),
    "decompression bomb": ({"image": bomb()}, "case.images[0].sources"),
    "body part that no model serves": ({"image": dicom(BodyPartExamined="KNEE")}, "case.images[0]"),
    "image beyond its limit": ({"image": GOOD + CANARY.encode() * 3_800_000}, "case.images[0]"),
    "five images": ({"image": [GOOD] * 5}, "case.images"),
    "note with control characters": ({"note": f"{CANARY}\x00\x01\x02\x03 has a fever."}, "case.note"),
    "note of a megabyte": ({"note": f"{CANARY} has a fever. " * 40_000}, "case.note"),
    "blank note": ({"note": "   \n\t"}, "case.note"),
    "bundle that is no JSON": ({"patient": f"{{{CANARY}".encode()}, "case.patient"),
    "bundle that is none": ({"patient": json.dumps({"resourceType": CANARY}).encode()}, "case.patient"),
    "bundle with two patients": ({"patient": bundle(SECOND)}, "case.patient"),
    "bundle of another patient's": ({"patient": bundle(condition("Patient/2"))}, "case.patient"),
    "bundle without a patient": (
        {"patient": json.dumps({"resourceType": "Bundle"}).encode()},
        "case.patient",
    ),
    "bundle with too many entries": (
        {"patient": bundle(*[condition("Patient/1") for _ in range(20_001)])},
        "case.patient",
    ),
    "bundle beyond its limit": ({"patient": bundle(note=CANARY * 500_000)}, "case.patient"),
    "too many treatments": ({"patient": bundle(), "max_treatments": 101}, "case.max_treatment_count"),
}


def refusal(client, arguments: dict) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        client.diagnose(**arguments)
    return caught.value


def texts_of(error: MedmeshError) -> str:
    cause = error.__cause__
    parts = [
        str(error),
        repr(error.metadata),
        error.reason,
        str(cause.details()),
        repr(cause.trailing_metadata()),
    ]
    return "\n".join(parts + [f"{v.field} {v.description}" for v in error.violations])


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_its_field_and_nothing_else(mesh, client, case, name):
    arguments, field = BAD[name]
    error = refusal(client, arguments)
    assert error.field.startswith(field), error.violations
    assert error.reason.startswith("INPUT_")
    assert error.violations[0].description
    assert len(error.request_id) == 36
    assert CANARY not in texts_of(error)
    assert "Qvortrup" not in texts_of(error)


def test_after_all_of_it_every_service_still_serves_and_nothing_leaked(
    mesh, client, settings, collector, case
):
    """Good and bad requests; then the canary is looked for in all logs and in all spans that were
    exported.
    """
    sent = []
    for index, (arguments, _) in enumerate(BAD.values()):
        sent.append(f"ca9abad0-0000-4000-8000-{index:012d}")
        with pytest.raises(InvalidInput):
            client.diagnose(**arguments, request_id=sent[-1])
    note = f"{CANARY} has pneumonia. No pleural effusion."
    answer = client.diagnose(
        image=dicom(),
        note=note,
        patient=bundle(condition("Patient/1")),
        request_id="ca9a1790-0000-4000-8000-000000000001",
    )
    assert answer.note.mentions
    sent.append("ca9a1790-0000-4000-8000-000000000001")
    for name in ("imaging", "language", "recommendation", "orchestrator"):
        assert serving(mesh.addresses[name])
    mesh.check()
    until(lambda: all(one.encode() in collector.content() for one in sent))
    for log in settings.run_folder.glob("*.log"):
        assert_clean(log.read_bytes(), log.name)
    assert (settings.run_folder / "orchestrator.log").read_text().count("ca9abad0-0000-4000-") >= len(BAD)
    assert_clean(collector.content(), "spans and metrics")
    receipts = settings.run_folder / "receipts"
    for path in receipts.rglob("*"):
        if path.is_file():
            assert_clean(path.read_bytes(), path.name)


def serving(target: str) -> bool:
    with grpc.insecure_channel(target, options=[DIRECT]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def assert_clean(content: bytes, where: str) -> None:
    for word in CANARY.split():
        assert word.encode() not in content, f"the canary stands in {where}"
        assert word.lower().encode() not in content, f"the canary stands in {where}"
