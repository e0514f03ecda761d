"""Serves the recommendation service: `python -m services.recommendation`."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import grpc

from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.errors import ModelUnavailable
from services.chassis.server import Parts, Service, run
from services.recommendation.equivalents import Equivalents
from services.recommendation.features import FeatureEncoder, Vocabulary
from services.recommendation.models import PATIENT_ENCODER, SPECS, TREATMENT_RANKER
from services.recommendation.outcome import Outcome, predict_outcome
from services.recommendation.ranking import TreatmentRanker
from services.recommendation.record import PatientRecord
from services.recommendation.safety_rules import SafetyRules
from services.recommendation.series import IcuStay
from services.recommendation.servicer import FindSimilar, RecommendationServicer
from services.recommendation.settings import RecommendationSettings
from services.recommendation.similarity import ReferencePopulation, SimilarPatient, SimilarPatients


async def register(parts: Parts[RecommendationSettings], server: grpc.aio.Server) -> None:
    """Builds the servicer; each record model's vocabulary lies in its folder."""
    repository = parts.settings.model_repository
    ranked = FeatureEncoder(Vocabulary.load(repository / TREATMENT_RANKER.name / "vocabulary.json"))
    equivalents = Equivalents.load()
    readers = parts.resources.enter_context(
        ThreadPoolExecutor(parts.settings.reading_thread_count, thread_name_prefix="read")
    )
    servicer = RecommendationServicer(
        TreatmentRanker(parts.inference, ranked, SafetyRules.load(), equivalents),
        _find_similar(parts, equivalents),
        functools.partial(_predict, parts),
        parts.provenance,
        readers,
    )
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(servicer, server)


def _find_similar(parts: Parts[RecommendationSettings], equivalents: Equivalents) -> FindSimilar:
    """The search for similar patients; where its optional model is not served, the refusal of it."""
    name = PATIENT_ENCODER.name
    if not parts.catalog.serves(name):
        return functools.partial(_refuse, parts.catalog.refusal(name))
    folder = parts.settings.model_repository / name
    encoder = FeatureEncoder(Vocabulary.load(folder / "vocabulary.json"))
    population = ReferencePopulation.load(folder / "reference.npz")
    return SimilarPatients(parts.inference, encoder, population, equivalents).find


async def _refuse(reason: str, record: PatientRecord, count: int) -> list[SimilarPatient]:  # noqa: ARG001 - as find
    raise ModelUnavailable(reason, metadata={"model": PATIENT_ENCODER.name})


async def _predict(parts: Parts[RecommendationSettings], stay: IcuStay) -> Outcome:
    """The prognosis with the numbers of the card, which are there only while the model is served."""
    return await predict_outcome(parts.inference, stay, parts.catalog.card("icu_outcome").serving_parameters)


SERVICE = Service(
    name="recommendation",
    settings=RecommendationSettings,
    descriptors=(recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],),
    register=register,
    models=SPECS,
)

if __name__ == "__main__":
    run(SERVICE)
