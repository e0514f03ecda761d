"""A trace as a waterfall: the tree of its spans, bars where they lie in time, and what is missing."""

from __future__ import annotations

import io

from clients.cli.show import marks
from clients.cli.show.waterfall import BAR_CELLS, NAME_CELLS, in_order, waterfall
from clients.cli.tracing import is_whole
from medmesh.common.v1 import trace_pb2 as pb

MS = 1_000_000


def span(span_id, parent, name, begin_ms, length_ms, kind=pb.Span.KIND_INTERNAL, **further):
    made = pb.Span(span_id=span_id, parent_span_id=parent, name=name, kind=kind, **further)
    made.start_time.FromNanoseconds(1_000_000_000 + round(begin_ms * MS))
    made.duration.FromNanoseconds(round(length_ms * MS))
    return made


TREE = [
    span("d", "c", "inference.GRPCInferenceService/ModelInfer", 50, 40, pb.Span.KIND_CLIENT,
         service="medmesh-imaging", attributes={"medmesh.model.name": "chest"}),
    span("b", "a", "m.v1.S/Diagnose", 1, 98, pb.Span.KIND_SERVER, service="medmesh-orchestrator"),
    span("e", "b", "fuse", 95, 1, service="medmesh-orchestrator"),
    span("c", "b", "m.v1.S/AnalyzeImage", 2, 90, pb.Span.KIND_SERVER, service="medmesh-imaging",
         error_type="MODEL_FAILED"),
    span("a", "", "m.v1.S/Diagnose", 0, 100, pb.Span.KIND_CLIENT, service="medmesh-client"),
]  # fmt: skip


def drawn(trace) -> list[str]:
    stream = io.StringIO()
    marks.present(waterfall(trace), stream)
    return stream.getvalue().splitlines()


def test_each_span_follows_the_one_that_it_is_part_of():
    assert [(depth, one.span_id) for depth, one in in_order(TREE)] == [
        (0, "a"), (1, "b"), (2, "c"), (3, "d"), (2, "e"),
    ]  # fmt: skip


def test_a_span_whose_parent_is_missing_is_shown_all_the_same():
    assert [one.span_id for _, one in in_order([span("x", "gone", "x", 0, 1)])] == ["x"]


def test_bars_lie_where_the_spans_lie_in_time():
    lines = drawn(pb.GetTraceResponse(spans=TREE))
    bars = {line[:NAME_CELLS].strip(): line[NAME_CELLS + 3 :][:BAR_CELLS] for line in lines if " ms" in line}
    whole = bars["→ Diagnose"]
    assert whole == "█" * BAR_CELLS
    of_model = bars["→ chest (Triton)"]
    assert of_model.index("█") == BAR_CELLS // 2
    assert 0.39 < sum(cell != " " for cell in of_model) / BAR_CELLS < 0.43
    assert bars["fuse"].strip()
    assert any("5 spans, 100.0 ms" in line for line in lines)
    assert "imaging AnalyzeImage: MODEL_FAILED" in bars


def test_what_is_missing_is_told():
    trace = pb.GetTraceResponse(spans=TREE, unreachable_services=["language"], dropped_span_count=3)
    assert "language are missing" in drawn(trace)[-2]
    assert "3 spans were not kept" in drawn(trace)[-1]
    assert "keeps no spans" in drawn(pb.GetTraceResponse())[0]


def test_a_trace_is_whole_when_triton_has_told_of_each_call():
    assert not is_whole(pb.GetTraceResponse(spans=TREE))
    assert is_whole(pb.GetTraceResponse(spans=[*TREE, span("f", "d", "InferRequest", 51, 30)]))
