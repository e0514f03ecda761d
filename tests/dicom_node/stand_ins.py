"""What a node stands between, as far as its tests need it: a mesh that remembers requests, an archive, a
device.
"""

from __future__ import annotations

import io
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from pathlib import Path

import pynetdicom
from PIL import Image
from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from clients.dicom_node import overview
from clients.dicom_node.database import Database
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import ReceiptStatement
from tests.clients.fake_mesh import FakeMesh, receipt_of, stored, stored_diagnosis

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "chest_xray.dcm"

pynetdicom._config.STORE_RECV_CHUNKED_DATASET = True
"""Of the whole process, as the node sets it: an archive here is given files, with a node beside it or not."""


def overlay_png() -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(content, "PNG")
    return content.getvalue()


class RememberingMesh:
    """A mesh that computes a request once for each `request_id`, as the orchestrator does, and counts."""

    def __init__(self, *, overlays: bool = True, findings: int | None = None):
        """`findings`: how many it has at most; fewer are faster made a report of."""
        self.mesh = FakeMesh()
        self.mesh.answers["Diagnose"] = self.answer
        self.computed: Counter[str] = Counter()
        self._answers: dict[str, pb.DiagnoseResponse] = {}
        self._lock = threading.Lock()
        self._overlay = overlay_png() if overlays else b""
        self._findings = findings

    def answer(self, request: pb.DiagnoseRequest) -> pb.DiagnoseResponse:
        with self._lock:
            key = request.request_id or str(uuid.uuid4())
            if key not in self._answers:
                self.computed[key] += 1
                self._answers[key] = pb.DiagnoseResponse(diagnosis=self.diagnosis())
            return self._answers[key]

    def diagnosis(self) -> pb.Diagnosis:
        diagnosis = stored_diagnosis()
        diagnosis.ClearField("note")
        diagnosis.ClearField("treatments")
        for result in diagnosis.images[0].analysis.results:
            result.overlay_png = self._overlay
            if self._findings is not None:
                del result.findings[self._findings :]
        made = stored("statement", ReceiptStatement)
        made.predicate.receipt_id = uuid.uuid4().hex
        diagnosis.receipt.CopyFrom(receipt_of(made))
        return diagnosis


class Archive:
    """Takes whatever is stored, and keeps it in memory."""

    def __init__(self, port: int = 0, status: int = 0x0000, title: str = "PACS"):
        self.objects: list = []
        self.status = status
        ae = AE(ae_title=title)
        ae.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, context.transfer_syntax)
        self._server = ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        self.port = self._server.server_address[1]

    def _take(self, event):
        if self.status == 0:
            self.objects.append(dcmread(io.BytesIO(event.dataset_path.read_bytes())))
        return self.status

    def kinds(self) -> Counter:
        return Counter(str(one.Modality) for one in self.objects)

    def close(self):
        if self._server in self._server.ae._servers:
            self._server.shutdown()


class Orthanc:
    """Debian's Orthanc, with its DICOMweb plugin."""

    def __init__(self, folder: Path, dicom_port: int, http_port: int):
        settings = {
            "DicomAet": "PACS",
            "DicomPort": dicom_port,
            "HttpPort": http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
            "DicomModalities": {"node": ["MEDMESH", "127.0.0.1", 11112]},
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        log = (folder / "orthanc.log").open("w")
        self.port, self._http = dicom_port, http_port
        self._process = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
        until(lambda: self._ready() or self._process.poll() is not None)
        assert self._process.poll() is None, f"Orthanc ended: {folder / 'orthanc.log'}"

    def _ready(self) -> bool:
        try:
            return bool(self.ask("/system"))
        except OSError:
            return False

    def ask(self, path: str, body: object = None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}{path}", data, timeout=30) as answer:
            return json.loads(answer.read())

    def reports(self, patient: str) -> list[str]:
        """SOP Instance UIDs of the structured reports of a patient."""
        query = {"Level": "Instance", "Query": {"PatientID": patient, "Modality": "SR"}, "Expand": True}
        return [one["MainDicomTags"]["SOPInstanceUID"] for one in self.ask("/tools/find", query)]

    def close(self):
        self._process.terminate()
        self._process.wait(10)


def until(condition, timeout_s: float = 30.0):
    """Waits for what other threads and processes do; fails when they do not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class NodeProcess:
    """A node as it runs, so that it can be killed."""

    def __init__(self, configuration: Path, mesh: str):
        self._arguments = [sys.executable, "-m", "clients.dicom_node", str(configuration)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDMESH_")}
        self._environment = kept | {"MEDMESH_URL": mesh}
        self._log = configuration.with_suffix(".log")
        self.process: subprocess.Popen | None = None

    def start(self):
        log = self._log.open("ab")
        self.process = subprocess.Popen(self._arguments, cwd=ROOT, env=self._environment, stderr=log)
        log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)

    @property
    def log(self) -> str:
        return self._log.read_text()


def store(
    port: int,
    datasets,
    *,
    title: str = "MEDMESH",
    calling: str = "DEVICE",
    timeout_s: float = 10,
    ca: Path | None = None,
) -> list[int | None]:
    """Stores objects as a device does, by TLS where `ca` is given; the status of each, None where none
    came.
    """
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = timeout_s
    for uid, syntax in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in datasets}:
        ae.add_requested_context(uid, syntax)
    tls = None if ca is None else (ssl.create_default_context(cafile=ca), "127.0.0.1")
    association = ae.associate("127.0.0.1", port, ae_title=title, tls_args=tls)
    if not association.is_established:
        return [None] * len(datasets)
    statuses: list[int | None] = []
    for one in datasets:
        try:
            answer = association.send_c_store(one)
        except (RuntimeError, ValueError):
            statuses.append(None)
            continue
        statuses.append(int(answer.Status) if "Status" in answer else None)
    association.release()
    return statuses


def image(patient: str = "TEST", **attributes):
    """The sample under identifiers of its own."""
    made = dcmread(SAMPLE)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(made, keyword, f"2.25.{uuid.uuid4().int}")
    made.PatientID = patient
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def counts(spool: Path) -> dict[str, int]:
    database = Database(spool / "ledger.sqlite")
    try:
        return overview.counts(database)
    finally:
        database.close()
