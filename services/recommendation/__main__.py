"""Serves the recommendation service: `python -m services.recommendation`."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import grpc

from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.models.served import ServedModel, Task
from services.chassis.rpc.server import run
from services.chassis.rpc.service import Parts, Service
from services.clinical import own_terminology
from services.recommendation.equivalents import Equivalents
from services.recommendation.medication_checker import MedicationChecker
from services.recommendation.safety.rules import SafetyRules
from services.recommendation.servicer import RecommendationServicer
from services.recommendation.settings import RecommendationSettings
from services.recommendation.tasks.record_embedding import RecordEmbedder
from services.recommendation.tasks.record_ranking import RecordRanker
from services.recommendation.tasks.time_series_risk import TimeSeriesRisk


async def register(parts: Parts[RecommendationSettings], server: grpc.aio.Server) -> None:
    """Builds the servicer, which asks the catalog at each request: what is served may change."""
    readers = parts.resources.enter_context(
        ThreadPoolExecutor(parts.settings.reading_thread_count, thread_name_prefix="read")
    )
    servicer = RecommendationServicer(
        functools.partial(parts.catalog.only, RANKING),
        functools.partial(parts.catalog.only, EMBEDDING),
        functools.partial(parts.catalog.only, RISK),
        MedicationChecker(_rules(), _equivalents()),
        readers,
    )
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(servicer, server)


def _ranker(model: ServedModel) -> RecordRanker:
    return RecordRanker(model, _rules(), _equivalents())


def _embedder(model: ServedModel) -> RecordEmbedder:
    return RecordEmbedder(model, _equivalents())


# The mesh's own knowledge, read once for all models.
_rules = functools.cache(SafetyRules.load)
_equivalents = functools.cache(Equivalents.load)

RANKING = Task("record_ranking", _ranker)
EMBEDDING = Task("record_embedding", _embedder)
RISK = Task("time_series_risk", TimeSeriesRisk)

SERVICE = Service(
    name="recommendation",
    settings=RecommendationSettings,
    descriptors=(recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],),
    register=register,
    apart="services.recommendation",
    take_terminology=lambda settings: own_terminology.take(settings.terminology),
    tasks=(RANKING, EMBEDDING, RISK),
)

if __name__ == "__main__":
    run(SERVICE)
