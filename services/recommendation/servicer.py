"""`medmesh.recommendation.v1.RecommendationService`: convert, call, convert."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, TypeVar

from medmesh.common.v1.patient_pb2 import PatientInput
from medmesh.recommendation.v1 import medication_check_pb2, recommendation_pb2_grpc
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.off_loop import off_loop
from services.chassis.rpc import request as requests
from services.clinical.fhir import ReadBundle
from services.recommendation import convert, convert_orders, convert_record, convert_stay
from services.recommendation.medication_checker import MedicationChecker
from services.recommendation.tasks.record_embedding import RecordEmbedder
from services.recommendation.tasks.record_ranking import RecordRanker
from services.recommendation.tasks.time_series_risk import TimeSeriesRisk

T = TypeVar("T")

SHORT_BYTES = 16 * 1024
"""A record in a smaller request is read at once: a bundle of so many bytes takes some 1.5 ms."""

Lookup = Callable[[str], T]
"""The served model of one task by its name; of an empty name the default one. Raises ModelUnknown,
ModelUnavailable.
"""


class RecommendationServicer(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Answers the rpcs; bundles are read in `readers`, so that a long one does not hold up the loop."""

    def __init__(
        self,
        ranker: Lookup[RecordRanker],
        embedder: Lookup[RecordEmbedder],
        risk: Lookup[TimeSeriesRisk],
        checker: MedicationChecker,
        readers: Executor,
    ) -> None:
        self._ranker = ranker
        self._embedder = embedder
        self._risk = risk
        self._checker = checker
        self._readers = readers

    async def ReadRecord(self, request: pb.ReadRecordRequest, context: Any) -> pb.ReadRecordResponse:
        reading = await self._off_loop(lambda: convert_record.reading_message(_read(request.patient)))
        return pb.ReadRecordResponse(reading=reading)

    async def RankTreatments(
        self, request: pb.RankTreatmentsRequest, context: Any
    ) -> pb.RankTreatmentsResponse:
        ranker = self._ranker(request.model)
        further = convert.further_conditions_from(request.further_conditions)
        allergies = convert.further_allergies_from(request.further_allergies)
        medications = convert.further_medications_from(request.further_medications)
        count = request.max_treatment_count or convert.DEFAULT_RESULTS
        read = await self._read(request.patient)
        ranking, provenance = await ranker.rank(read.record, further, count, allergies, medications)
        return pb.RankTreatmentsResponse(ranking=convert.ranking_message(ranking, read, provenance))

    async def CheckMedications(
        self, request: medication_check_pb2.CheckMedicationsRequest, context: Any
    ) -> medication_check_pb2.CheckMedicationsResponse:
        further = convert.further_conditions_from(request.further_conditions)
        allergies = convert.further_allergies_from(request.further_allergies)
        medications = convert.further_medications_from(request.further_medications)
        orders, notices = convert_orders.orders_from(request.orders)
        read = await self._read(request.patient)
        check = await self._off_loop(
            lambda: self._checker.check(read.record, orders, further, allergies, medications)
        )
        message = convert_orders.check_message(check, (*read.notices, *notices), self._checker.digest)
        return medication_check_pb2.CheckMedicationsResponse(check=message)

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
        return await self._off_loop(lambda: _read(message))

    async def _off_loop(self, work: Callable[[], T]) -> T:
        current = requests.current.get()
        is_short = current is not None and int(current.facts["request_bytes"]) < SHORT_BYTES
        return await off_loop(is_short, self._readers, work)


def _read(message: PatientInput) -> ReadBundle:
    return convert_record.record_from(message, datetime.now(UTC).date())
