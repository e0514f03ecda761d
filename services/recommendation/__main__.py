"""Serves the recommendation service: `python -m services.recommendation`."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import grpc

from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.errors import ModelUnavailable
from services.chassis.rpc.server import Parts, Service, run
from services.clinical.record import PatientRecord
from services.recommendation.equivalents import Equivalents
from services.recommendation.features import FeatureEncoder, Vocabulary
from services.recommendation.models import PATIENT_ENCODER, SPECS, TREATMENT_RANKER
from services.recommendation.outcome import Outcome, predict_outcome
from services.recommendation.ranking import TreatmentRanker
from services.recommendation.safety_rules import SafetyRules
from services.recommendation.series import IcuStay
from services.recommendation.servicer import FindSimilar, RecommendationServicer
from services.recommendation.settings import RecommendationSettings
from services.recommendation.similarity import ReferencePopulation, SimilarPatient, SimilarPatients


async def register(parts: Parts[RecommendationSettings], server: grpc.aio.Server) -> None:
    """Builds the servicer; each record model's vocabulary lies in its folder."""
    equivalents = Equivalents.load()
    readers = parts.resources.enter_context(
        ThreadPoolExecutor(parts.settings.reading_thread_count, thread_name_prefix="read")
    )
    servicer = RecommendationServicer(
        _ranker(parts, equivalents),
        _find_similar(parts, equivalents),
        functools.partial(_predict, parts),
        parts.provenance,
        readers,
    )
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(servicer, server)


class UnservedRanker(TreatmentRanker):
    """Stands for the ranking while its model is not served: whoever asks gets ModelUnavailable."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal

    async def rank(self, *_: object, **__: object) -> NoReturn:
        raise ModelUnavailable(self._refusal, metadata={"model": TREATMENT_RANKER.name})


def _ranker(parts: Parts[RecommendationSettings], equivalents: Equivalents) -> TreatmentRanker:
    name = TREATMENT_RANKER.name
    encoder = parts.catalog.load(name, _encoder)
    if encoder is None:
        return UnservedRanker(parts.catalog.refusal(name))
    return TreatmentRanker(parts.inference, encoder, SafetyRules.load(), equivalents)


def _find_similar(parts: Parts[RecommendationSettings], equivalents: Equivalents) -> FindSimilar:
    """The search for similar patients; where its optional model is not served, the refusal of it."""
    name = PATIENT_ENCODER.name
    encoder = parts.catalog.load(name, _encoder)
    population = parts.catalog.load(name, lambda folder: ReferencePopulation.load(folder / "reference.npz"))
    if encoder is None or population is None:
        return functools.partial(_refuse, parts.catalog.refusal(name))
    return SimilarPatients(parts.inference, encoder, population, equivalents).find


def _encoder(folder: Path) -> FeatureEncoder:
    return FeatureEncoder(Vocabulary.load(folder / "vocabulary.json"))


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
