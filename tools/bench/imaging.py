"""The rows of imaging: the same images, models and preparation, medmesh beside ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from medmesh.imaging.v1 import imaging_pb2
from tools.bench import pictures
from tools.bench.meshes import PLAIN, SEEN, TLS, UNSEEN
from tools.bench.rows import MESH, REFERENCE, Row, Samples, added_p50_ms, at_least, at_most, throughput
from tools.bench.sides import Rpc, Side, Worker
from tools.bootstrap import ROOT

_FOLDER = ROOT / ".medmesh" / "bench"
_METHOD = "/medmesh.imaging.v1.ImagingService/AnalyzeImage"
_DICOM = {"plain": "plain", "rle": "RLE", "jpeg-ls": "JPEG-LS", "jpeg2000": "JPEG 2000"}


def paths(kind: str) -> Sequence[str]:
    """The files of a kind of image, made where they are not there yet."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    return [str(path) for path in pictures.write(kind, _FOLDER)]


def _requests(kind: str) -> Sequence[bytes]:
    requests = []
    for path in paths(kind):
        request = imaging_pb2.AnalyzeImageRequest()
        with open(path, "rb") as file:  # noqa: PTH123 - a path of this module's own
            request.sources.add().content = file.read()
        requests.append(request.SerializeToString())
    return requests


def mesh(kind: str, *, on: str = PLAIN) -> Rpc:
    """Images of a kind, sent to imaging as they are."""
    return Rpc("imaging", _METHOD, partial(_requests, kind), mesh=on)


def alone(kind: str) -> Side:
    """The same on ONNX Runtime alone: decoding, gate and model in threads, nothing sent anywhere."""
    return Worker("clients.loadtest.peers.onnxruntime_alone", partial(paths, kind))


def _row(name: str, title: str, kind: str, callers: int, target: float, before: str) -> Row:
    sides = {MESH: mesh(kind), REFERENCE: alone(kind)}
    return Row(f"imaging.{name}", title, sides, throughput, at_least(target), callers, before=before)


def _resident(samples: Samples) -> float:
    return samples[MESH].rss_mb["imaging"]


_LIMIT = "÷ ONNX Runtime alone doing the same (decode, gate, model)"

ROWS: Sequence[Row] = (
    _row("small-jpeg", f"imaging, small JPEG, 16 callers, {_LIMIT}", "small", 16, 0.92, "0.71"),
    Row(
        "imaging.added-latency",
        "the same at 1 caller, added to decoding and inference, p50",
        {MESH: mesh("small"), REFERENCE: alone("small")},
        added_p50_ms,
        at_most(3.0),
        unit="ms",
        before="~10 ms",
    ),
    _row("large-jpeg", "large JPEG (1,536²), 8 callers, ÷ the same limit", "large", 8, 0.92, "0.70"),
    *(
        _row(
            f"dicom-{kind}",
            f"2,048² 16-bit DICOM, {told}, 8 callers, ÷ the same limit",
            kind,
            8,
            0.9,
            "not measured",
        )
        for kind, told in _DICOM.items()
    ),
    Row(
        "imaging.telemetry",
        "imaging, small JPEG, 16 callers, telemetry on (1 % sampled) ÷ off",
        {MESH: mesh("small", on=SEEN), REFERENCE: mesh("small", on=UNSEEN)},
        throughput,
        at_least(0.98),
        16,
        before="not measured",
    ),
    Row(
        "imaging.tls",
        "imaging, small JPEG, 16 callers, TLS on ÷ off",
        {MESH: mesh("small", on=TLS), REFERENCE: mesh("small")},
        throughput,
        at_least(0.95),
        16,
        before="not measured",
    ),
    Row(
        "imaging.memory",
        "resident memory of the imaging service at 16 callers with large JPEGs",
        {MESH: mesh("large")},
        _resident,
        at_most(120.0),
        16,
        unit="MB",
        before="66-127 MB",
        alone=True,
    ),
)
