"""`medmesh.recommendation.v1.RecommendationService`: convert, call, convert."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, TypeVar

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.patient_pb2 import PatientInput
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.clinical.fhir import ReadBundle
from services.clinical.record import PatientRecord
from services.recommendation import convert, convert_outcome, convert_record
from services.recommendation.models import ICU_OUTCOME, PATIENT_ENCODER, TREATMENT_RANKER
from services.recommendation.outcome import Outcome
from services.recommendation.ranking import TreatmentRanker
from services.recommendation.series import IcuStay
from services.recommendation.similarity import SimilarPatient

T = TypeVar("T")
FindSimilar = Callable[[PatientRecord, int], Awaitable[Sequence[SimilarPatient]]]


class RecommendationServicer(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Answers the four rpcs; bundles are read in `readers`, so that a long one does not hold up the loop."""

    def __init__(
        self,
        ranker: TreatmentRanker,
        find_similar: FindSimilar,
        predict: Callable[[IcuStay], Awaitable[Outcome]],
        provenance: Callable[[str], Awaitable[Provenance]],
        readers: Executor,
    ) -> None:
        self._ranker = ranker
        self._find_similar = find_similar
        self._predict = predict
        self._provenance = provenance
        self._readers = readers

    async def ReadRecord(self, request: pb.ReadRecordRequest, context: Any) -> pb.ReadRecordResponse:
        return await self._in_pool(lambda: convert_record.record_message(_read(request.patient)))

    async def RankTreatments(
        self, request: pb.RankTreatmentsRequest, context: Any
    ) -> pb.RankTreatmentsResponse:
        further = convert.further_from(request.further_conditions)
        allergies = convert.further_allergies_from(request.further_allergies)
        count = convert.count_from(request.max_result_count)
        read = await self._read(request.patient)
        ranking = await self._ranker.rank(read.record, further, count, allergies)
        return convert.ranking_message(ranking, read, await self._provenance(TREATMENT_RANKER.name))

    async def FindSimilarPatients(
        self, request: pb.FindSimilarPatientsRequest, context: Any
    ) -> pb.FindSimilarPatientsResponse:
        count = convert.count_from(request.max_result_count)
        read = await self._read(request.patient)
        patients = await self._find_similar(read.record, count)
        return convert.similar_message(patients, read, await self._provenance(PATIENT_ENCODER.name))

    async def PredictOutcome(
        self, request: pb.PredictOutcomeRequest, context: Any
    ) -> pb.PredictOutcomeResponse:
        stay = convert_outcome.stay_from(request.stay)
        outcome = await self._predict(stay)
        return convert_outcome.outcome_message(outcome, stay, await self._provenance(ICU_OUTCOME.name))

    async def _read(self, message: PatientInput) -> ReadBundle:
        return await self._in_pool(lambda: _read(message))

    async def _in_pool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _read(message: PatientInput) -> ReadBundle:
    return convert_record.record_from(message, datetime.now(UTC).date())
