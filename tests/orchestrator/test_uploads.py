"""A case may name uploads: imaging gets them from the orchestrator, for as long as it reads them."""

from __future__ import annotations

import pytest

from medmesh.common.v1 import upload_pb2
from medmesh.common.v1.upload_pb2_grpc import UploadServiceStub
from medmesh.imaging.v1.imaging_pb2 import ImageSource
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from tests.orchestrator.answers import analysis

DATA = bytes(range(256)) * 5000


async def uploaded(mesh, data, size=None):
    stub = UploadServiceStub(mesh.channel)
    start = upload_pb2.StartUploadRequest(size_bytes=size or len(data))
    upload_id = (await stub.StartUpload(start)).upload.upload_id
    await stub.WriteUpload(iter([upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=data)]))
    return upload_id


def case(*sources):
    return pb.DiagnosticCase(images=[pb.CaseImage(sources=sources)])


async def test_an_upload_is_handed_on_to_imaging_and_deleted_there(mesh):
    read = []

    def answer(request):
        (source,) = request.sources
        with mesh.fakes.uploads.content("anonymous", source.upload_id) as data:
            read.append(data)
        return analysis()

    mesh.fakes.answers["AnalyzeImage"] = answer
    upload_id = await uploaded(mesh, DATA)
    for _ in range(2):  # it stays with the orchestrator
        diagnosis = await mesh.diagnose(case(ImageSource(upload_id=upload_id)))
        assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert read == [DATA, DATA]
    assert not mesh.fakes.uploads._held


async def test_what_is_sent_and_what_was_uploaded_keep_their_order(mesh):
    upload_id = await uploaded(mesh, DATA)
    await mesh.diagnose(case(ImageSource(content=b"first"), ImageSource(upload_id=upload_id)))
    (request,) = mesh.fakes.requests("AnalyzeImage")
    assert [source.WhichOneof("source") for source in request.sources] == ["content", "upload_id"]
    assert request.sources[1].upload_id != upload_id


@pytest.mark.parametrize("unfinished", [True, False])
async def test_an_upload_that_is_not_there_is_named(mesh, unfinished):
    upload_id = await uploaded(mesh, DATA, len(DATA) + 1) if unfinished else "unknown"
    refusal = await mesh.refused(case(ImageSource(content=b"first"), ImageSource(upload_id=upload_id)))
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.fields == ["case.images[0].sources[1].upload_id"]


async def test_what_imaging_refuses_is_named_as_ever(mesh):
    mesh.fakes.answers["AnalyzeImage"] = InvalidInput(Reason.INPUT_MALFORMED, "sources", "is damaged")
    refusal = await mesh.refused(case(ImageSource(upload_id=await uploaded(mesh, DATA))))
    assert (refusal.reason, refusal.fields) == ("INPUT_MALFORMED", ["case.images[0].sources"])
    assert not mesh.fakes.uploads._held
