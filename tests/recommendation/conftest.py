"""The service on the committed record models, run by ONNX's reference evaluator; only the inference seam is
fake.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import grpc
import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.rpc.server import Running, running_server
from services.clinical.code_systems import SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.record import Condition, Gender, PatientRecord
from services.recommendation.__main__ import SERVICE
from services.recommendation.features import FeatureEncoder, Vocabulary
from services.recommendation.models import ICU_OUTCOME, PATIENT_ENCODER, SPECS, TREATMENT_RANKER
from services.recommendation.safety_rules import SafetyRules
from services.recommendation.settings import RecommendationSettings
from tests.fakes import FakeInference, model_card, write_model_repository
from tests.recommendation.stays import card_parameters

MODELS = Path(__file__).resolve().parents[2] / "triton_repo"
HYPERTENSION = Concept(SNOMED, "38341003", "Hypertension")
DIABETES = Concept(SNOMED, "44054006", "Diabetes")
ICU_PARAMETERS = card_parameters(died=0.8, survived=0.6)


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
    return {spec.name: graph(spec.name) for spec in (TREATMENT_RANKER, PATIENT_ENCODER)}


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """The committed record models beside a card of the prognosis alone."""
    folder = tmp_path_factory.mktemp("repository")
    for spec in (TREATMENT_RANKER, PATIENT_ENCODER):
        shutil.copytree(MODELS / spec.name, folder / spec.name)
    return write_model_repository(folder, [model_card(ICU_OUTCOME, serving_parameters=ICU_PARAMETERS)])


@pytest.fixture
def inference(graphs):
    return FakeInference({**graphs, ICU_OUTCOME.name: icu_risk}, SPECS)


@pytest.fixture
async def served(inference, repository):
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=repository)
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield Served(recommendation_pb2_grpc.RecommendationServiceStub(channel), inference, running, channel)


@pytest.fixture(scope="session")
def encoder():
    return FeatureEncoder(Vocabulary.load(MODELS / TREATMENT_RANKER.name / "vocabulary.json"))


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
                CodedConcept.of(SNOMED, key.split("|")[1], key), active=True, onset=date(2019, int(month), 1)
            )
            for key, month in zip(chosen, rng.integers(1, 12, len(chosen)), strict=True)
        )
        gender = Gender.FEMALE if rng.random() < 0.5 else Gender.MALE
        made.append(PatientRecord(age_years=int(rng.integers(2, 90)), gender=gender, conditions=conditions))
    return made
