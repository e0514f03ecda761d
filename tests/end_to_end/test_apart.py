"""Large requests beside small ones: computed in a second process of the service, and answered alike."""

from __future__ import annotations

import json
import secrets

import grpc
import pytest

from medmesh.common.v1 import upload_pb2
from medmesh.common.v1.upload_pb2_grpc import UploadServiceStub
from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from services.chassis.rpc.transport import DIRECT
from tests.end_to_end.conftest import until
from tests.faults import fairness

pytestmark = pytest.mark.live

PAIRS = {
    pair.key: pair
    for pair in fairness.pairs(image_px=2200, observations=3000)
    if pair.key in {"imaging", "recommendation"}
}

IMAGE = PAIRS["imaging"]

METHODS = {"imaging": "/AnalyzeImage", "recommendation": "/RankTreatments"}


@pytest.mark.parametrize("service", PAIRS)
def test_a_large_request_has_the_same_answer_apart(mesh, settings, collector, service):
    pair = PAIRS[service]
    trace_id = secrets.token_hex(16)
    sampled = (("traceparent", f"00-{trace_id}-{secrets.token_hex(8)}-01"),)
    urgent = (("x-medmesh-priority", "urgent"),)  # never computed apart
    with _connection(mesh.addresses[service]) as large, _connection(mesh.addresses[service]) as small:
        here = pair.method(large)(pair.large, timeout=30, metadata=urgent)
        pair.method(small)(pair.small, timeout=30)
        apart = pair.method(large)(pair.large, timeout=30, metadata=sampled)
    assert apart == here
    assert _were_apart(settings, service, METHODS[service])[-3:] == [False, False, True]

    def exported():
        found = [span for _, span in collector.spans() if span.trace_id.hex() == trace_id]
        names = {span.span_id: span.name for span in found}
        below = [names.get(span.parent_span_id) for span in found]
        return "compute apart" in names.values() and "compute apart" in below

    until(exported)


def _streamed(channel, content, metadata):
    requests = (
        imaging_pb2.AnalyzeImageStreamRequest(options=imaging_pb2.ImageOptions()),
        *(imaging_pb2.AnalyzeImageStreamRequest(chunk=chunk) for chunk in _chunks(content)),
    )
    stub = imaging_pb2_grpc.ImagingServiceStub(channel)
    return stub.AnalyzeImageStream(iter(requests), timeout=30, metadata=metadata).analysis


def _uploaded(channel, content, metadata):
    uploads = UploadServiceStub(channel)
    upload_id = uploads.StartUpload(upload_pb2.StartUploadRequest(size_bytes=len(content))).upload.upload_id
    offset, parts = 0, []
    for chunk in _chunks(content):
        parts.append(upload_pb2.WriteUploadRequest(upload_id=upload_id, offset_bytes=offset, chunk=chunk))
        offset += len(chunk)
    uploads.WriteUpload(iter(parts))
    request = imaging_pb2.AnalyzeImageRequest(sources=[imaging_pb2.ImageSource(upload_id=upload_id)])
    return IMAGE.method(channel)(request, timeout=30, metadata=metadata).analysis


@pytest.mark.parametrize(
    ("sent", "method"), [(_streamed, "/AnalyzeImageStream"), (_uploaded, "/AnalyzeImage")]
)
def test_a_large_file_has_the_same_answer_apart_whichever_way_it_came(mesh, settings, sent, method):
    content = IMAGE.large.sources[0].content
    address = mesh.addresses["imaging"]
    with _connection(address) as large, _connection(address) as small:
        here = sent(large, content, (("x-medmesh-priority", "urgent"),))
        IMAGE.method(small)(IMAGE.small, timeout=30)
        apart = sent(large, content, ())
    assert apart == here
    assert _were_apart(settings, "imaging", method)[-1]


def _chunks(content):
    return (content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20))


def _were_apart(settings, service, method):
    """Of each call of the method, in their order, whether it was computed apart."""
    text = (settings.run_folder / f"{service}.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return ["apart" in line for line in lines if line.get("method", "").endswith(method)]


def _connection(address):
    return grpc.insecure_channel(address, [DIRECT, ("grpc.use_local_subchannel_pool", 1)])
