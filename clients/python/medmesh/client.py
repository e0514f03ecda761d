"""The blocking client: one method for each call of the mesh."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from medmesh import requests
from medmesh.common.v1.catalog_pb2 import (
    GetModelCardRequest,
    GetModelCardResponse,
    ListModelsRequest,
    ListModelsResponse,
)
from medmesh.common.v1.catalog_pb2_grpc import ModelCatalogServiceStub
from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.connection import Connection, Tls, resolve
from medmesh.errors import from_rpc_error
from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageResponse, AnalyzeImageStreamResponse, ImageAnalysis
from medmesh.imaging.v1.imaging_pb2_grpc import ImagingServiceStub
from medmesh.language.v1.language_pb2 import (
    AnalyzeNoteResponse,
    EmbedTextsResponse,
    NoteAnalysis,
    PassageRanking,
    RankPassagesResponse,
    TextEmbeddings,
)
from medmesh.language.v1.language_pb2_grpc import LanguageServiceStub
from medmesh.orchestrator.v1.orchestrator_pb2 import (
    Branch,
    DiagnoseRequest,
    DiagnoseResponse,
    DiagnoseStreamRequest,
    Diagnosis,
    DiagnosticCase,
)
from medmesh.orchestrator.v1.orchestrator_pb2_grpc import DiagnosticServiceStub
from medmesh.recommendation.v1.recommendation_pb2 import (
    FindSimilarPatientsResponse,
    OutcomePrediction,
    PredictOutcomeResponse,
    RankTreatmentsResponse,
    ReadRecordResponse,
    RecordReading,
    SimilarPatients,
    TreatmentRanking,
)
from medmesh.recommendation.v1.recommendation_pb2_grpc import RecommendationServiceStub
from medmesh.requests import Image, Note, Patient, Stay


class Client:
    """A connection to the mesh.

    `url` is the orchestrator's `host:port`. What is left out comes from the environment (`MEDMESH_URL`,
    `MEDMESH_IMAGING_URL`, `MEDMESH_LANGUAGE_URL`, `MEDMESH_RECOMMENDATION_URL`, `MEDMESH_TOKEN`,
    `MEDMESH_TIMEOUT_S`, `MEDMESH_CLIENT_CA`, `MEDMESH_CLIENT_CERTIFICATE`, `MEDMESH_CLIENT_KEY`), else from
    the defaults: this machine, ports 50060 to 50063. `tls=True` trusts the system's authorities.

    Every call takes `timeout_s`, its deadline in seconds, and `request_id` (8 to 64 letters, digits, `.`, `_`
    or `-`), which is in every log line and span of the request; left out, a new one is made. Every call
    raises the errors of `medmesh.errors`. Channels open with the first call; a client may be shared between
    threads.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        imaging: str | None = None,
        language: str | None = None,
        recommendation: str | None = None,
        token: str | None = None,
        tls: Tls | bool | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.connection: Connection = resolve(
            url,
            imaging=imaging,
            language=language,
            recommendation=recommendation,
            token=token,
            tls=tls,
            timeout_s=timeout_s,
            environment=os.environ,
        )
        self._channels = {service: self.connection.channel(service) for service in self.connection.targets}
        self._catalog = ModelCatalogServiceStub(self._channels["orchestrator"])
        self._diagnostic = DiagnosticServiceStub(self._channels["orchestrator"])
        self._imaging = ImagingServiceStub(self._channels["imaging"])
        self._language = LanguageServiceStub(self._channels["language"])
        self._recommendation = RecommendationServiceStub(self._channels["recommendation"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channels; calls under way end with CANCELLED."""
        for channel in self._channels.values():
            channel.close()

    def diagnose(
        self,
        case: DiagnosticCase | None = None,
        *,
        image: Image | Sequence[Image] | None = None,
        note: Note | None = None,
        patient: Patient | None = None,
        body_part: str | None = None,
        models: Sequence[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        max_treatments: int | None = None,
        idempotency_key: str | None = None,
        receipt_salt: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Diagnosis:
        """One combined request: images, a note, a record, or any of them.

        A branch that fails makes the diagnosis PARTIAL (`completeness`, `branches`) and raises nothing;
        Unavailable means that every branch failed. `heat_map` asks for each finding's map, `overlay` for a
        PNG with the strongest one over the image. `max_treatments` is 1 to 100; left out: 10. A `case` that
        is ready made takes the place of all of them. Under the same `idempotency_key`, a UUID, the same
        request gets the same answer and receipt for a while. `receipt_salt` is that of a receipt to compare
        with.
        """
        case = case or requests.diagnostic_case(
            image=image,
            note=note,
            patient=patient,
            body_part=body_part,
            models=models,
            heat_map=heat_map,
            overlay=overlay,
            max_treatments=max_treatments,
        )
        method = self._diagnostic.Diagnose
        request = DiagnoseRequest(case=case, request_id=idempotency_key, receipt_salt=receipt_salt)
        answer: DiagnoseResponse = self._call("orchestrator", method, request, timeout_s, request_id)
        return answer.diagnosis

    def diagnose_stream(
        self,
        case: DiagnosticCase | None = None,
        *,
        image: Image | Sequence[Image] | None = None,
        note: Note | None = None,
        patient: Patient | None = None,
        body_part: str | None = None,
        models: Sequence[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        max_treatments: int | None = None,
        idempotency_key: str | None = None,
        receipt_salt: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Iterator[Branch | Diagnosis]:
        """As `diagnose`, with each branch as it ends, and the whole diagnosis as the last."""
        case = case or requests.diagnostic_case(
            image=image,
            note=note,
            patient=patient,
            body_part=body_part,
            models=models,
            heat_map=heat_map,
            overlay=overlay,
            max_treatments=max_treatments,
        )
        return self._events(
            DiagnoseStreamRequest(case=case, request_id=idempotency_key, receipt_salt=receipt_salt),
            timeout_s,
            request_id,
        )

    def analyze_image(
        self,
        image: Image,
        *,
        body_part: str | None = None,
        models: Sequence[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> ImageAnalysis:
        """One image. Above 16 MiB it is sent in chunks."""
        content = requests.image_bytes(image)
        options = requests.image_options(
            body_part=body_part, models=models, heat_map=heat_map, overlay=overlay
        )
        if len(content) > requests.UNARY_IMAGE_LIMIT_BYTES:
            chunks = requests.analyze_image_stream(content, options)
            streamed: AnalyzeImageStreamResponse = self._call(
                "imaging", self._imaging.AnalyzeImageStream, chunks, timeout_s, request_id
            )
            return streamed.analysis
        request = requests.analyze_image(content, options)
        answer: AnalyzeImageResponse = self._call(
            "imaging", self._imaging.AnalyzeImage, request, timeout_s, request_id
        )
        return answer.analysis

    def analyze_note(
        self, note: Note, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> NoteAnalysis:
        """The diseases and chemicals of a note, and what it asserts of each."""
        request = requests.analyze_note(note)
        answer: AnalyzeNoteResponse = self._call(
            "language", self._language.AnalyzeNote, request, timeout_s, request_id
        )
        return answer.analysis

    def embed(
        self, texts: str | Sequence[str], *, timeout_s: float | None = None, request_id: str | None = None
    ) -> TextEmbeddings:
        """Texts as points of unit length, at most 256 at once."""
        request = requests.embed(texts)
        answer: EmbedTextsResponse = self._call(
            "language", self._language.EmbedTexts, request, timeout_s, request_id
        )
        return answer.embeddings

    def rank_passages(
        self,
        query: str,
        passages: Sequence[str],
        *,
        max_results: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> PassageRanking:
        """The caller's passages (256 at most) by nearness in meaning to the query."""
        request = requests.rank_passages(query, passages, max_results)
        answer: RankPassagesResponse = self._call(
            "language", self._language.RankPassages, request, timeout_s, request_id
        )
        return answer.ranking

    def rank_treatments(
        self,
        patient: Patient,
        *,
        further_conditions: Iterable[CodedConcept] = (),
        further_allergies: Iterable[CodedConcept] = (),
        max_results: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> TreatmentRanking:
        """Treatments for a record, each with what drives it and what speaks against it; 10 unless
        `max_results` says otherwise. What is further known is not in the record; it may have a text alone.
        """
        request = requests.rank_treatments(patient, further_conditions, further_allergies, max_results)
        answer: RankTreatmentsResponse = self._call(
            "recommendation", self._recommendation.RankTreatments, request, timeout_s, request_id
        )
        return answer.ranking

    def read_record(
        self, patient: Patient, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> RecordReading:
        """A FHIR bundle in the typed form that the mesh reads, and what was left out."""
        request = requests.read_record(patient)
        answer: ReadRecordResponse = self._call(
            "recommendation", self._recommendation.ReadRecord, request, timeout_s, request_id
        )
        return answer.reading

    def similar_patients(
        self,
        patient: Patient,
        *,
        max_results: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> SimilarPatients:
        """The patients of the reference population whose records are most alike; 10 unless `max_results`."""
        request = requests.similar_patients(patient, max_results)
        answer: FindSimilarPatientsResponse = self._call(
            "recommendation", self._recommendation.FindSimilarPatients, request, timeout_s, request_id
        )
        return answer.similar_patients

    def predict_outcome(
        self, stay: Stay, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> OutcomePrediction:
        """In-hospital death from the first 48 hours in intensive care."""
        request = requests.predict_outcome(stay)
        answer: PredictOutcomeResponse = self._call(
            "recommendation", self._recommendation.PredictOutcome, request, timeout_s, request_id
        )
        return answer.prediction

    def models(self, *, timeout_s: float | None = None, request_id: str | None = None) -> ListModelsResponse:
        """All models of the mesh, served or not, and the services that could not be asked."""
        answer: ListModelsResponse = self._call(
            "orchestrator", self._catalog.ListModels, ListModelsRequest(), timeout_s, request_id
        )
        return answer

    def model_card(
        self, name: str, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> ModelCard:
        """One model's card. NotFound: no model has that name."""
        request = GetModelCardRequest(name=name)
        answer: GetModelCardResponse = self._call(
            "orchestrator", self._catalog.GetModelCard, request, timeout_s, request_id
        )
        return answer.card

    def _call(
        self,
        service: str,
        method: Callable[..., Any],
        request: object,
        timeout_s: float | None,
        request_id: str | None,
    ) -> Any:  # the generated stubs leave their calls untyped
        call = self.connection.call(service, timeout_s, request_id)
        try:
            return method(request, timeout=call.timeout_s, metadata=call.metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, call) from error

    def _events(
        self, request: DiagnoseStreamRequest, timeout_s: float | None, request_id: str | None
    ) -> Iterator[Branch | Diagnosis]:
        call = self.connection.call("orchestrator", timeout_s, request_id)
        events = self._diagnostic.DiagnoseStream(request, timeout=call.timeout_s, metadata=call.metadata)
        try:
            for event in events:
                yield event.branch if event.WhichOneof("event") == "branch" else event.diagnosis
        except grpc.RpcError as error:
            raise from_rpc_error(error, call) from error
        finally:
            events.cancel()  # when the caller stops listening early; without effect on a call that has ended
