"""The service's models on a real Triton: the prognosis ranks and explains faithfully, all three answer."""

from __future__ import annotations

import dataclasses

import grpc
import numpy as np
import pytest

from medmesh.common.v1.answer_pb2 import WEIGHTS_VERIFICATION_DIGESTED
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.models.triton import TritonInference
from services.chassis.rpc.server import running_server
from services.clinical.log_odds import log_odds
from services.local.triton import EmbeddedTriton, TritonSettings
from services.recommendation.__main__ import RISK, SERVICE
from services.recommendation.settings import RecommendationSettings
from tests.recommendation.conftest import ENCODER, MODELS, PROGNOSIS, RANKER, catalog_of
from tests.recommendation.requests import GOLDEN_INPUT, TIMEOUT
from tests.recommendation.stays import PREPARATION, USUAL, stay
from tests.recommendation.test_prediction import predicted
from tests.recommendation.test_prediction import stay as sent

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    """The embedded Triton with the service's three models."""
    log = tmp_path_factory.mktemp("log") / "triton.log"
    settings = TritonSettings(repository=(MODELS,), models=(RANKER, ENCODER, PROGNOSIS), log=log)
    with EmbeddedTriton.start(settings) as server:
        yield server


@pytest.fixture
async def live(triton):
    real = TritonInference(triton.grpc_address)
    yield real
    await real.close()


@pytest.fixture
def risk(live):
    return catalog_of(MODELS, live).only(RISK)


async def probability(risk, of):
    return (await risk.predict(of))[0].probability


async def test_the_service_answers_with_its_three_models(live):
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(MODELS,))
    async with (
        running_server(SERVICE, settings, inference=live) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        assert not running.parts.health.problems
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        request = pb.RankTreatmentsRequest(patient=GOLDEN_INPUT)
        ranked = (await stub.RankTreatments(request, timeout=TIMEOUT)).ranking
        similar = (
            await stub.FindSimilarPatients(
                pb.FindSimilarPatientsRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT
            )
        ).similar_patients
        prediction = await predicted(stub, sent())
    for answer, name in ((ranked, RANKER), (similar, ENCODER), (prediction, PROGNOSIS)):
        assert answer.provenance.model_name == name
        assert answer.provenance.model_version == "1"
        assert answer.provenance.weights_verification == WEIGHTS_VERIFICATION_DIGESTED
    assert len(ranked.treatments) == len(similar.patients) == 10


async def test_failing_vital_functions_raise_the_risk(risk):
    for seed in range(5):
        usual, grave = [await probability(risk, stay(seed, grave=grave)) for grave in (False, True)]
        assert grave > 3 * usual


async def test_age_raises_the_risk(risk):
    for seed in range(5):
        young, old = [await probability(risk, stay(seed, age_years=years)) for years in (30, 88)]
        assert old > young


async def test_removing_what_the_explanation_names_moves_the_risk_more_than_removing_as_much_at_random(risk):
    named_moves, random_moves = [], []
    rng = np.random.default_rng(0)
    for seed in range(6):
        of = stay(seed, grave=seed % 2 == 0)
        prediction, _ = await risk.predict(of)
        named = [item.variable.name for item in prediction.variables[:3]]
        others = sorted(set(USUAL) - set(named))
        for moves, removed in ((named_moves, named), (random_moves, rng.choice(others, 3, replace=False))):
            after = await probability(risk, without(of, removed))
            moves.append(abs(log_odds(prediction.probability) - log_odds(after)))
    assert np.mean(named_moves) > 1.5 * np.mean(random_moves)


def without(of, names):
    """The stay without the measurements of these variables."""
    codes = {code for name in names for code in PREPARATION.variables[PREPARATION.column(name)].codes}
    kept = [item for item in of.measurements if item.concept not in codes]
    return dataclasses.replace(of, measurements=kept)
