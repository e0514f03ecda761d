"""`medmesh.recommendation.v1.RecommendationService`: convert, call, convert."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, TypeVar

from medmesh.common.v1.patient_pb2 import PatientInput
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.clinical.fhir import ReadBundle
from services.recommendation import convert, convert_record, convert_stay
from services.recommendation.tasks.record_embedding import RecordEmbedder
from services.recommendation.tasks.record_ranking import RecordRanker
from services.recommendation.tasks.time_series_risk import TimeSeriesRisk

T = TypeVar("T")

Lookup = Callable[[str], T]
"""The served model of one task by its name; of an empty name the default one. Raises ModelUnknown,
ModelUnavailable.
"""


class RecommendationServicer(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Answers the four rpcs; bundles are read in `readers`, so that a long one does not hold up the loop."""

    def __init__(
        self,
        ranker: Lookup[RecordRanker],
        embedder: Lookup[RecordEmbedder],
        risk: Lookup[TimeSeriesRisk],
        readers: Executor,
    ) -> None:
        self._ranker = ranker
        self._embedder = embedder
        self._risk = risk
        self._readers = readers

    async def ReadRecord(self, request: pb.ReadRecordRequest, context: Any) -> pb.ReadRecordResponse:
        reading = await self._in_pool(lambda: convert_record.reading_message(_read(request.patient)))
        return pb.ReadRecordResponse(reading=reading)

    async def RankTreatments(
        self, request: pb.RankTreatmentsRequest, context: Any
    ) -> pb.RankTreatmentsResponse:
        ranker = self._ranker(request.model)
        further = convert.further_conditions_from(request.further_conditions)
        allergies = convert.further_allergies_from(request.further_allergies)
        count = request.max_treatment_count or convert.DEFAULT_RESULTS
        read = await self._read(request.patient)
        ranking, provenance = await ranker.rank(read.record, further, count, allergies)
        return pb.RankTreatmentsResponse(ranking=convert.ranking_message(ranking, read, provenance))

    async def FindSimilarPatients(
        self, request: pb.FindSimilarPatientsRequest, context: Any
    ) -> pb.FindSimilarPatientsResponse:
        embedder = self._embedder(request.model)
        read = await self._read(request.patient)
        count = request.max_patient_count or convert.DEFAULT_RESULTS
        patients, provenance = await embedder.find(read.record, count)
        similar = convert.similar_message(patients, read, provenance)
        return pb.FindSimilarPatientsResponse(similar_patients=similar)

    async def PredictOutcome(
        self, request: pb.PredictOutcomeRequest, context: Any
    ) -> pb.PredictOutcomeResponse:
        risk = self._risk(request.model)
        prediction, provenance = await risk.predict(convert_stay.stay_from(request.stay))
        return pb.PredictOutcomeResponse(prediction=convert_stay.prediction_message(prediction, provenance))

    async def _read(self, message: PatientInput) -> ReadBundle:
        return await self._in_pool(lambda: _read(message))

    async def _in_pool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _read(message: PatientInput) -> ReadBundle:
    return convert_record.record_from(message, datetime.now(UTC).date())
