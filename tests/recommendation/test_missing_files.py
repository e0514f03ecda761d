"""What lies beside a model's weights is missing or broken: that model is not served, the others are."""

from __future__ import annotations

import shutil

import grpc
import pytest

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc, patient_pb2
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.rpc.server import running_server
from services.recommendation.__main__ import SERVICE
from services.recommendation.models import ICU_OUTCOME, PATIENT_ENCODER, TREATMENT_RANKER
from services.recommendation.settings import RecommendationSettings

PATIENT = patient_pb2.PatientInput(
    record=patient_pb2.PatientRecord(age_years=60),
)


def remove(path):
    path.unlink()


def spoil(path):
    path.write_bytes(b"neither JSON nor numpy")


async def answers(stub):
    """Which of the service's models answer."""
    calls = {
        TREATMENT_RANKER.name: stub.RankTreatments(pb.RankTreatmentsRequest(patient=PATIENT)),
        PATIENT_ENCODER.name: stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=PATIENT)),
        ICU_OUTCOME.name: stub.PredictOutcome(
            pb.PredictOutcomeRequest(
                stay=pb.IcuStay(
                    measurements=[pb.IcuMeasurement(variable=pb.ICU_VARIABLE_LACTATE, hour=1, value=2)]
                )
            )
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
        (PATIENT_ENCODER.name, "vocabulary.json"),
        (PATIENT_ENCODER.name, "reference.npz"),
        (TREATMENT_RANKER.name, "vocabulary.json"),
    ],
)
async def test_only_the_model_that_needs_the_file_is_not_served(
    inference, repository, tmp_path, model, file, harm
):
    copy = shutil.copytree(repository, tmp_path / "repository")
    harm(copy / model / file)
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=copy, drain_s=0)
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
        assert (file if harm is remove else "cannot be read") in reasons[model]
        assert bool(running.parts.health.problems) == (model == TREATMENT_RANKER.name)
