"""The methods of the mesh, as the contracts describe them, and which service's address each is asked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

from medmesh.common.v1 import catalog_pb2, trace_pb2, upload_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.jobs.v1 import jobs_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.recommendation.v1 import recommendation_pb2

REPEATABLE_LEVELS = frozenset({MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT})

_UPLOAD_SERVICE = upload_pb2.DESCRIPTOR.services_by_name["UploadService"]


@dataclass(frozen=True)
class Rpc:
    """One method, and the server that it is asked at."""

    server: str
    """Name of the service of the mesh, e.g. `imaging`."""
    method: MethodDescriptor

    @property
    def name(self) -> str:
        """`medmesh.imaging.v1.ImagingService/AnalyzeImage`."""
        return f"{self.method.containing_service.full_name}/{self.method.name}"

    @cached_property
    def repeatable(self) -> bool:
        """Whether the contract says that asking twice is as good as asking once (`idempotency_level`)."""
        return self.method.GetOptions().idempotency_level in REPEATABLE_LEVELS

    @property
    def is_upload(self) -> bool:
        """Whether it is of UploadService."""
        return bool(self.method.containing_service.full_name == _UPLOAD_SERVICE.full_name)

    def multicallable(self, channel: Any) -> Any:
        """The method on a channel, blocking or of asyncio."""
        parts = [
            "stream" if streams else "unary"
            for streams in (self.method.client_streaming, self.method.server_streaming)
        ]
        return getattr(channel, "_".join(parts))(
            f"/{self.name}",
            request_serializer=GetMessageClass(self.method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(self.method.output_type).FromString,
        )


def _rpc(server: str, file: FileDescriptor, service: str, method: str) -> Rpc:
    return Rpc(server, file.services_by_name[service].methods_by_name[method])


DIAGNOSE = _rpc("orchestrator", orchestrator_pb2.DESCRIPTOR, "DiagnosticService", "Diagnose")
DIAGNOSE_STREAM = _rpc("orchestrator", orchestrator_pb2.DESCRIPTOR, "DiagnosticService", "DiagnoseStream")
LIST_MODELS = _rpc("orchestrator", catalog_pb2.DESCRIPTOR, "ModelCatalogService", "ListModels")
GET_MODEL_CARD = _rpc("orchestrator", catalog_pb2.DESCRIPTOR, "ModelCatalogService", "GetModelCard")
GET_TRACE = _rpc("orchestrator", trace_pb2.DESCRIPTOR, "TraceService", "GetTrace")
RELOAD_MODELS = _rpc("orchestrator", catalog_pb2.DESCRIPTOR, "ModelCatalogService", "ReloadModels")

ANALYZE_IMAGE = _rpc("imaging", imaging_pb2.DESCRIPTOR, "ImagingService", "AnalyzeImage")
ANALYZE_IMAGE_STREAM = _rpc("imaging", imaging_pb2.DESCRIPTOR, "ImagingService", "AnalyzeImageStream")

DEIDENTIFY_IMAGE = _rpc("imaging", imaging_pb2.DESCRIPTOR, "ImagingService", "DeidentifyImage")

ANALYZE_NOTE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "AnalyzeNote")
EMBED_TEXTS = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "EmbedTexts")
GENERATE_REPORT = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "GenerateReport")
SUMMARIZE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "Summarize")
RANK_PASSAGES = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "RankPassages")
DEIDENTIFY_BUNDLE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "DeidentifyBundle")
DEIDENTIFY = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "Deidentify")
SEARCH_LITERATURE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "SearchLiterature")
ADD_LITERATURE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "AddLiterature")
LIST_LITERATURE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "ListLiterature")
REMOVE_LITERATURE = _rpc("language", language_pb2.DESCRIPTOR, "LanguageService", "RemoveLiterature")

_RECOMMENDATION = recommendation_pb2.DESCRIPTOR
READ_RECORD = _rpc("recommendation", _RECOMMENDATION, "RecommendationService", "ReadRecord")
RANK_TREATMENTS = _rpc("recommendation", _RECOMMENDATION, "RecommendationService", "RankTreatments")
CHECK_MEDICATIONS = _rpc("recommendation", _RECOMMENDATION, "RecommendationService", "CheckMedications")
FIND_SIMILAR_PATIENTS = _rpc(
    "recommendation", _RECOMMENDATION, "RecommendationService", "FindSimilarPatients"
)
PREDICT_OUTCOME = _rpc("recommendation", _RECOMMENDATION, "RecommendationService", "PredictOutcome")

SUBMIT_JOB = _rpc("jobs", jobs_pb2.DESCRIPTOR, "JobService", "SubmitJob")
GET_JOB = _rpc("jobs", jobs_pb2.DESCRIPTOR, "JobService", "GetJob")
LIST_JOBS = _rpc("jobs", jobs_pb2.DESCRIPTOR, "JobService", "ListJobs")
CANCEL_JOB = _rpc("jobs", jobs_pb2.DESCRIPTOR, "JobService", "CancelJob")
GET_JOB_RESULT = _rpc("jobs", jobs_pb2.DESCRIPTOR, "JobService", "GetJobResult")


def upload_rpc(server: str, method: str) -> Rpc:
    """A method of UploadService, which every service that takes images has: an upload is known to the service
    that holds it.
    """
    return _rpc(server, upload_pb2.DESCRIPTOR, "UploadService", method)
