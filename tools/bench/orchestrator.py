"""The rows of the orchestrator: what a combined request costs beside its slowest branch."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from tools.bench.rows import MESH, Row, Samples, at_least, at_most
from tools.bench.sides import Rpc
from tools.bootstrap import ROOT

_SAMPLES = ROOT / "samples"


def _image() -> bytes:
    return (_SAMPLES / "chest_xray.png").read_bytes()


def _note() -> str:
    return (_SAMPLES / "note.txt").read_text(encoding="utf-8")


def _cases() -> Sequence[bytes]:
    request = orchestrator_pb2.DiagnoseRequest()
    request.case.images.add().sources.add().content = _image()
    request.case.note = _note()
    request.case.patient.fhir_bundle = (_SAMPLES / "patient.json").read_bytes()
    return [request.SerializeToString()]


def _images() -> Sequence[bytes]:
    request = imaging_pb2.AnalyzeImageRequest()
    request.sources.add().content = _image()
    return [request.SerializeToString()]


def _notes() -> Sequence[bytes]:
    return [language_pb2.AnalyzeNoteRequest(note=_note()).SerializeToString()]


DIAGNOSE = Rpc("orchestrator", "/medmesh.orchestrator.v1.DiagnosticService/Diagnose", _cases)
_BRANCHES = {
    "image": Rpc("imaging", "/medmesh.imaging.v1.ImagingService/AnalyzeImage", _images),
    "note": Rpc("language", "/medmesh.language.v1.LanguageService/AnalyzeNote", _notes),
}


def _added_ms(samples: Samples) -> float:
    return samples[MESH].p50_ms - max(samples[branch].p50_ms for branch in _BRANCHES)


def _own_ms(samples: Samples) -> float:
    return samples[MESH].cpu_ms_each["orchestrator"]


def _rate(samples: Samples) -> float:
    return samples[MESH].per_second


ROWS: Sequence[Row] = (
    Row(
        "orchestrator.added",
        "Diagnose (image, note, record), 1 caller, p50 - that of its slowest branch alone",
        {MESH: DIAGNOSE, **_BRANCHES},
        _added_ms,
        at_most(6.0),
        unit="ms",
        before="+28 ms",
    ),
    Row(
        "orchestrator.cpu",
        "the orchestrator's processor time a case, 4 callers",
        {MESH: DIAGNOSE},
        _own_ms,
        at_most(4.0),
        callers=4,
        unit="ms",
        before="11-15 ms",
    ),
    Row(
        "orchestrator.16",
        "Diagnose, 16 callers",
        {MESH: DIAGNOSE},
        _rate,
        at_least(30.0),
        callers=16,
        unit="/s",
        before="17.8/s",
    ),
)
