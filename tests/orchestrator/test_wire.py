"""An image passes through without being copied at each access, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageRequest, ImageOptions, ImageSource
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.orchestrator.wire import analyze_image_request
from tests.orchestrator.answers import full_case, image

MIB = 1 << 20
SOURCES = st.one_of(
    st.binary(max_size=300).map(lambda content: ImageSource(content=content)),
    st.sampled_from([128, 16384]).map(lambda size: ImageSource(content=bytes(size))),
    st.text(max_size=9).map(lambda uri: ImageSource(uri=uri)),
    st.text(max_size=9).map(lambda upload: ImageSource(upload_id=upload)),
    st.just(ImageSource()),
)
OPTIONS = st.one_of(
    st.none(),
    st.builds(
        ImageOptions,
        body_part=st.text(max_size=3),
        digest_key=st.binary(max_size=3),
        include_overlay=st.booleans(),
    ),
)


@given(st.lists(SOURCES, max_size=4), OPTIONS)
def test_what_is_sent_is_what_protobuf_would_send(sources, options):
    sent = analyze_image_request(pb.CaseImage(sources=sources, options=options))
    assert AnalyzeImageRequest.FromString(sent) == AnalyzeImageRequest(sources=sources, options=options)


def test_encoding_takes_two_copies_at_most():
    """The bytes as they are read, and as they are sent."""
    large = image(bytes(8 * MIB))
    tracemalloc.start()
    analyze_image_request(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.1 * 8 * MIB


async def test_nothing_of_a_request_is_kept(mesh):
    """gRPC's reader keeps the last message of a call that is not read to its end."""
    case = pb.DiagnosticCase(images=[image(bytes(8 * MIB))])
    await mesh.diagnose(full_case())
    mesh.fakes.seen.clear()
    tracemalloc.start()
    for _ in range(3):
        await mesh.diagnose(case)
        mesh.fakes.seen.clear()
    await asyncio.sleep(0)
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < MIB
    # Caller, orchestrator and imaging run in this process: what each of them sends and takes is counted.
    assert peak < 6 * 8 * MIB


@pytest.mark.parametrize("refused", [False, True])
async def test_nor_of_one_that_is_refused(mesh, refused):
    case = pb.DiagnosticCase(images=[image(bytes(8 * MIB))], note="x" * (200_001 if refused else 3))
    await mesh.diagnose(full_case())
    tracemalloc.start()
    for _ in range(2):
        if refused:
            await mesh.refused(case)
        else:
            await mesh.diagnose(case)
        mesh.fakes.seen.clear()
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < MIB
