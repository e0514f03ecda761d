"""The service on the committed record models, run by ONNX's reference evaluator; only the inference seam is
fake.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.models.catalog import Catalog
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import model_folders
from services.chassis.models.served import ServedModel
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc.server import Running, running_server
from services.clinical.code_systems import SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import Age, PartialDate
from services.clinical.record import Condition, PatientRecord
from services.clinical.statuses import ClinicalStatus, Gender
from services.recommendation.__main__ import RANKING, SERVICE
from services.recommendation.features import FeatureEncoder, Vocabulary
from services.recommendation.safety.rules import SafetyRules
from services.recommendation.settings import RecommendationSettings
from tests.fakes import REAL_MODELS as MODELS
from tests.fakes import FakeInference, write_model_repository
from tests.recommendation.stays import risk_card

RANKER, ENCODER, PROGNOSIS = "treatment_ranker", "patient_encoder", "icu_outcome"
HYPERTENSION = Concept(SNOMED, "38341003", "Hypertension")
DIABETES = Concept(SNOMED, "44054006", "Diabetes")


@dataclass
class Served:
    """What a test talks to."""

    stub: recommendation_pb2_grpc.RecommendationServiceStub
    inference: FakeInference
    running: Running
    channel: grpc.aio.Channel


def graph(name: str):
    """A committed model as a function of its inputs."""
    evaluator = ReferenceEvaluator(str(MODELS / name / "1" / "model.onnx"))

    def run(inputs):
        return dict(zip(evaluator.output_names, evaluator.run(None, dict(inputs)), strict=True))

    return run


def icu_risk(inputs):
    """A stand-in for the prognosis: the more is measured, the higher the risk."""
    share = inputs["observed"].mean(axis=(1, 2))
    return {"probability": (0.1 + 0.8 * share).astype(np.float32)[:, None]}


@pytest.fixture(scope="session")
def graphs():
    """The committed record models, read once."""
    return {name: graph(name) for name in (RANKER, ENCODER)}


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """The committed record models beside a card of the prognosis alone."""
    folder = tmp_path_factory.mktemp("repository")
    for name in (RANKER, ENCODER):
        shutil.copytree(MODELS / name, folder / name)
    return write_model_repository(folder, [risk_card(died=0.8, survived=0.6)])


@pytest.fixture
def inference(graphs):
    return FakeInference({**graphs, PROGNOSIS: icu_risk})


def catalog_of(repository, inference):
    """What the service makes of a repository."""
    return Catalog("recommendation", (repository,), SERVICE.tasks, inference, Telemetry("test"))


@pytest.fixture(scope="session")
def checked_ranker(repository):
    """The committed ranker, its files digested once."""
    return inspect(model_folders([repository])[RANKER]).stable


@pytest.fixture
def ranker(checked_ranker, inference):
    return RANKING.build(ServedModel(checked_ranker, inference))


@pytest.fixture
async def served(inference, repository):
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(repository,))
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield Served(recommendation_pb2_grpc.RecommendationServiceStub(channel), inference, running, channel)


@pytest.fixture(scope="session")
def encoder():
    return FeatureEncoder(Vocabulary.load(MODELS / RANKER / "vocabulary.json"))


@pytest.fixture(scope="session")
def rules():
    return SafetyRules.load()


@pytest.fixture
def records(encoder):
    """Forty made-up records of one to six conditions each, from a fixed seed."""
    rng = np.random.default_rng(11)
    keys = encoder.vocabulary.conditions[:60]
    made = []
    for _ in range(40):
        chosen = rng.choice(keys, size=rng.integers(1, 7), replace=False)
        conditions = tuple(
            Condition(
                CodedConcept.of(SNOMED, key.split("|")[1], key),
                ClinicalStatus.ACTIVE,
                onset=PartialDate.parse(f"2019-{month:02}-01"),
            )
            for key, month in zip(chosen, rng.integers(1, 12, len(chosen)), strict=True)
        )
        gender = Gender.FEMALE if rng.random() < 0.5 else Gender.MALE
        made.append(PatientRecord(Age(int(rng.integers(2, 90))), gender, conditions))
    return made
