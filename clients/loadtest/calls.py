"""The calls that a load test may make: each one's method, and its request from what it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message

from medmesh import requests, rpcs
from medmesh.common.v1 import catalog_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import deidentification_pb2, language_pb2, report_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.recommendation.v1 import recommendation_pb2
from medmesh.rpcs import Rpc

PARTS = ("image", "note", "patient")
"""What a request may carry."""
MAXIMUM_TEXTS = 256


@dataclass(frozen=True)
class Payload:
    """What one request carries. What its call has no use for stays empty."""

    image: bytes = b""
    note: str = ""
    patient: bytes = b""


@dataclass(frozen=True)
class Call:
    """One call: its method, what it carries, and how its request is made of that."""

    rpc: Rpc
    carries: tuple[str, ...]
    request: Callable[[Payload], Message]

    @property
    def server(self) -> str:
        """The service that it goes to."""
        return self.rpc.server

    @cached_property
    def streams(self) -> bool:
        """Whether it answers with a stream of events."""
        return bool(self.rpc.method.server_streaming)


def _case(payload: Payload) -> Any:
    return requests.diagnostic_case(
        image=payload.image or None, note=payload.note or None, patient=payload.patient or None
    )


def _image(payload: Payload) -> Message:
    request = imaging_pb2.AnalyzeImageRequest()
    request.sources.add(content=payload.image)
    return request


def _sentences(payload: Payload) -> list[str]:
    return [line for line in payload.note.splitlines() if line.strip()][:MAXIMUM_TEXTS]


def _patient(payload: Payload) -> Any:
    return requests.patient_input(payload.patient)


CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "diagnose": Call(rpcs.DIAGNOSE, PARTS, lambda p: orchestrator_pb2.DiagnoseRequest(case=_case(p))),
        "diagnose_stream": Call(
            rpcs.DIAGNOSE_STREAM, PARTS, lambda p: orchestrator_pb2.DiagnoseStreamRequest(case=_case(p))
        ),
        "models": Call(rpcs.LIST_MODELS, (), lambda _: catalog_pb2.ListModelsRequest()),
        "analyze_image": Call(rpcs.ANALYZE_IMAGE, ("image",), _image),
        "analyze_note": Call(
            rpcs.ANALYZE_NOTE, ("note",), lambda p: language_pb2.AnalyzeNoteRequest(note=p.note)
        ),
        "embed": Call(
            rpcs.EMBED_TEXTS, ("note",), lambda p: language_pb2.EmbedTextsRequest(texts=_sentences(p))
        ),
        "rank_passages": Call(
            rpcs.RANK_PASSAGES,
            ("note",),
            lambda p: language_pb2.RankPassagesRequest(query="pneumonia", passages=_sentences(p)),
        ),
        "deidentify": Call(
            rpcs.DEIDENTIFY,
            ("note",),
            lambda p: deidentification_pb2.DeidentifyRequest(
                texts=[p.note], style=deidentification_pb2.REPLACEMENT_STYLE_PLACEHOLDER
            ),
        ),
        "summarize": Call(rpcs.SUMMARIZE, ("note",), lambda p: report_pb2.SummarizeRequest(text=p.note)),
        "rank_treatments": Call(
            rpcs.RANK_TREATMENTS,
            ("patient",),
            lambda p: recommendation_pb2.RankTreatmentsRequest(patient=_patient(p)),
        ),
        "read_record": Call(
            rpcs.READ_RECORD,
            ("patient",),
            lambda p: recommendation_pb2.ReadRecordRequest(patient=_patient(p)),
        ),
        "similar_patients": Call(
            rpcs.FIND_SIMILAR_PATIENTS,
            ("patient",),
            lambda p: recommendation_pb2.FindSimilarPatientsRequest(patient=_patient(p)),
        ),
    }
)
"""The calls by the names that profiles use."""
METHODS: Mapping[str, str] = MappingProxyType({f"/{call.rpc.name}": name for name, call in CALLS.items()})
"""The name of a call by its gRPC method, as service logs have it."""
