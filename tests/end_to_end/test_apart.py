"""Large requests beside small ones: computed in a second process of the service, and answered alike."""

from __future__ import annotations

import json
import secrets

import grpc
import pytest

from services.chassis.rpc.transport import DIRECT
from tests.end_to_end.conftest import until
from tests.faults import fairness

pytestmark = pytest.mark.live

PAIRS = {
    pair.service: pair
    for pair in fairness.pairs(image_px=2200, observations=3000)
    if pair.service in {"imaging", "recommendation"}
}

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
    text = (settings.run_folder / f"{service}.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    calls = [line for line in lines if line.get("method", "").endswith(METHODS[service])]
    assert ["apart" in line for line in calls[-3:]] == [False, False, True]

    def exported():
        found = [span for _, span in collector.spans() if span.trace_id.hex() == trace_id]
        names = {span.span_id: span.name for span in found}
        below = [names.get(span.parent_span_id) for span in found]
        return "compute apart" in names.values() and "compute apart" in below

    until(exported)


def _connection(address):
    return grpc.insecure_channel(address, [DIRECT, ("grpc.use_local_subchannel_pool", 1)])
