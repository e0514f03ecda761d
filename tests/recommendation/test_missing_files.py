"""What lies beside a model's weights is missing or broken: that model is not served, the others are."""

from __future__ import annotations

import shutil

import grpc
import pytest

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc, patient_pb2, quantity_pb2
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.rpc.server import running_server
from services.recommendation.__main__ import SERVICE
from services.recommendation.settings import RecommendationSettings
from tests.recommendation.conftest import ENCODER, PROGNOSIS, RANKER
from tests.recommendation.test_prediction import measurement

PATIENT = patient_pb2.PatientInput(
    record=patient_pb2.PatientRecord(age=quantity_pb2.PatientAge(years=60)),
)


def remove(path):
    path.unlink()


def spoil(path):
    path.write_bytes(b"neither JSON nor numpy")


async def answers(stub):
    """Which of the service's models answer."""
    calls = {
        RANKER: stub.RankTreatments(pb.RankTreatmentsRequest(patient=PATIENT)),
        ENCODER: stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=PATIENT)),
        PROGNOSIS: stub.PredictOutcome(
            pb.PredictOutcomeRequest(stay=pb.HospitalStay(measurements=[measurement()]))
        ),
    }
    found = {}
    for name, call in calls.items():
        try:
            await call
            found[name] = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            found[name] = error.code()
    return found


@pytest.mark.parametrize("harm", [remove, spoil])
@pytest.mark.parametrize(
    ("model", "file"),
    [
        (ENCODER, "vocabulary.json"),
        (ENCODER, "reference.npz"),
        (RANKER, "vocabulary.json"),
    ],
)
async def test_only_the_model_that_needs_the_file_is_not_served(
    inference, repository, tmp_path, model, file, harm
):
    copy = shutil.copytree(repository, tmp_path / "repository")
    harm(copy / model / file)
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(copy,), drain_s=0)
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        found = await answers(recommendation_pb2_grpc.RecommendationServiceStub(channel))
        assert found.pop(model) == grpc.StatusCode.UNAVAILABLE
        assert set(found.values()) == {grpc.StatusCode.OK}
        listed = await catalog_pb2_grpc.ModelCatalogServiceStub(channel).ListModels(
            catalog_pb2.ListModelsRequest()
        )
        reasons = {item.name: item.reason for item in listed.models if not item.ready}
        assert list(reasons) == [model]
        assert file in reasons[model]
        assert bool(running.parts.health.problems) == (model == RANKER)
