"""The orchestrator among fake services: real servers of the chassis, with answers that each test sets."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from medmesh.common.v1 import (
    answer_pb2,
    catalog_pb2,
    catalog_pb2_grpc,
    concept_pb2,
    model_card_pb2,
    patient_pb2,
)
from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from medmesh.language.v1 import language_pb2, language_pb2_grpc
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.errors import ModelUnknown
from services.chassis.observability import log
from services.chassis.rpc.server import Running, Service, running_server
from services.chassis.settings import ServiceSettings
from services.orchestrator.__main__ import SERVICE
from services.orchestrator.settings import OrchestratorSettings
from tests.orchestrator.cards import write_cards
from tests.orchestrator.cases import ASTHMA, PNEUMONIA

SNOMED = "http://snomed.info/sct"
DEAD = "127.0.0.1:1"
"""Nobody listens there."""


def provenance(model: str) -> answer_pb2.Provenance:
    return answer_pb2.Provenance(
        model_name=model,
        model_version="1",
        weights_sha256=f"{model}-weights",
        preprocessing_version=f"{model}/1",
        runtime="fake 1.0",
        intended_use="For tests only.",
    )


def analysis(bacterial: float = 0.85, viral: float = 0.1, **fields: Any) -> imaging_pb2.AnalyzeImageResponse:
    labels = {"bacterial_pneumonia": bacterial, "viral_pneumonia": viral, "normal": 1 - bacterial - viral}
    findings = [imaging_pb2.Finding(label=label, probability=p) for label, p in labels.items()]
    return imaging_pb2.AnalyzeImageResponse(
        analysis=imaging_pb2.ImageAnalysis(findings=findings, provenance=provenance("chest_xray"), **fields)
    )


def entity(code: str, assertion: int = language_pb2.ASSERTION_PRESENT, text: str = "") -> language_pb2.Entity:
    return language_pb2.Entity(
        text=text,
        type=language_pb2.ENTITY_TYPE_DISEASE,
        confidence=0.95,
        assertion=assertion,
        concept=concept_pb2.Concept(system=SNOMED, code=code),
    )


def note(*entities: language_pb2.Entity) -> language_pb2.AnalyzeNoteResponse:
    return language_pb2.AnalyzeNoteResponse(entities=entities, provenance=provenance("clinical_ner"))


def record(*codes: str, age_years: int = 4) -> recommendation_pb2.ReadRecordResponse:
    conditions = [
        patient_pb2.Condition(concept=concept_pb2.Concept(system=SNOMED, code=code), active=True)
        for code in codes
    ]
    return recommendation_pb2.ReadRecordResponse(
        record=patient_pb2.PatientRecord(age_years=age_years, conditions=conditions),
        notices=[answer_pb2.Notice(reason="RESOURCES_SKIPPED", message="Some resources were skipped.")],
    )


@dataclass
class FakeServices:
    """What the fakes answer by method: a message, an error to raise, or a function of the request."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "AnalyzeImage": analysis(),
            "AnalyzeNote": note(entity(PNEUMONIA)),
            "ReadRecord": record(ASTHMA),
            "RankTreatments": recommendation_pb2.RankTreatmentsResponse(
                provenance=provenance("treatment_ranker")
            ),
        }
    )
    seen: list[tuple[str, Any]] = field(default_factory=list)
    """Every request, by method."""
    cancelled: list[str] = field(default_factory=list)
    """The calls that were cancelled while they were held."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    entered: dict[str, asyncio.Event] = field(default_factory=dict)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a held call was cancelled."""

    def hold(self, *methods: str) -> None:
        """Makes calls of these methods wait until `release`."""
        for method in methods:
            self.gates[method], self.entered[method] = asyncio.Event(), asyncio.Event()

    def release(self, method: str) -> None:
        self.gates[method].set()

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.seen if name == method]

    async def answer(self, method: str, request: Any) -> Any:
        self.seen.append((method, request))
        if method in self.gates:
            self.entered[method].set()
            try:
                await self.gates[method].wait()
            except asyncio.CancelledError:
                self.cancelled.append(method)
                self.left.set()
                raise
        answer = self.answers[method]
        answer = answer(request) if inspect.isfunction(answer) else answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _servicer(base: type, fakes: FakeServices) -> Any:
    def method(name: str) -> Any:
        async def call(self: Any, request: Any, context: Any) -> Any:
            return await fakes.answer(name, request)

        return call

    names = [name for name in vars(base) if name[0].isupper()]
    return type(f"Fake{base.__name__}", (base,), {name: method(name) for name in names})()


class _FakeCatalog(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """One model a service, named after it."""

    def __init__(self, service: str) -> None:
        self.name = f"{service}_model"
        self.service = service

    async def ListModels(self, request: Any, context: Any) -> Any:  # noqa: N802 - proto
        summary = catalog_pb2.ModelSummary(name=self.name, service=self.service, ready=True)
        return catalog_pb2.ListModelsResponse(models=[summary])

    async def GetModelCard(self, request: Any, context: Any) -> Any:  # noqa: N802 - proto
        if request.name != self.name:
            raise ModelUnknown
        return catalog_pb2.GetModelCardResponse(card=model_card_pb2.ModelCard(name=self.name))


_FAKES = {
    "imaging": (
        imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"],
        imaging_pb2_grpc.ImagingServiceServicer,
        imaging_pb2_grpc.add_ImagingServiceServicer_to_server,
    ),
    "language": (
        language_pb2.DESCRIPTOR.services_by_name["LanguageService"],
        language_pb2_grpc.LanguageServiceServicer,
        language_pb2_grpc.add_LanguageServiceServicer_to_server,
    ),
    "recommendation": (
        recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],
        recommendation_pb2_grpc.RecommendationServiceServicer,
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server,
    ),
}


def _service(name: str, fakes: FakeServices) -> Service[ServiceSettings]:
    descriptor, base, add = _FAKES[name]

    async def register(parts: Any, server: grpc.aio.Server) -> None:
        add(_servicer(base, fakes), server)
        catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(_FakeCatalog(name), server)

    return Service(
        name=name, settings=ServiceSettings, descriptors=(descriptor,), register=register, own_catalog=True
    )


@dataclass
class Mesh:
    """What a test talks to."""

    fakes: FakeServices
    running: Running[OrchestratorSettings]
    channel: grpc.aio.Channel
    log: StringIO

    @property
    def stub(self) -> Any:
        return orchestrator_pb2_grpc.DiagnosticServiceStub(self.channel)

    @property
    def catalog(self) -> Any:
        return catalog_pb2_grpc.ModelCatalogServiceStub(self.channel)

    @property
    def receipts(self) -> Path:
        return self.running.parts.settings.receipt_folder / "receipts.jsonl"

    async def diagnose(self, case: pb.DiagnosticCase, timeout_s: float = 10) -> pb.Diagnosis:
        answer = await self.stub.Diagnose(pb.DiagnoseRequest(case=case), timeout=timeout_s)
        return answer.diagnosis

    async def refused(self, case: pb.DiagnosticCase, timeout_s: float = 10) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.diagnose(case, timeout_s)
        return Refusal.of(caught.value)


@dataclass(frozen=True)
class Refusal:
    """How a call failed."""

    code: str
    text: str
    reason: str
    metadata: dict[str, str]
    field: str

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Refusal:
        raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
        info, bad = ErrorInfo(), BadRequest()
        for detail in Status.FromString(raw).details:
            if detail.Is(ErrorInfo.DESCRIPTOR):
                detail.Unpack(info)
            if detail.Is(BadRequest.DESCRIPTOR):
                detail.Unpack(bad)
        fields = [violation.field for violation in bad.field_violations]
        return cls(
            error.code().name, error.details(), info.reason, dict(info.metadata), fields[0] if fields else ""
        )


def full_case(image_count: int = 1) -> pb.DiagnosticCase:
    """Images, a note and a record."""
    return pb.DiagnosticCase(
        images=[pb.ImageInput(image=b"image %d" % index) for index in range(image_count)],
        note="Pneumonia.",
        patient=patient_pb2.PatientInput(fhir_bundle=b"{}"),
    )


@asynccontextmanager
async def running_mesh(folder: Path, *, dead: tuple[str, ...] = (), **settings: Any) -> AsyncIterator[Mesh]:
    """The orchestrator with its three services; those in `dead` are not there."""
    fakes = FakeServices()
    stream = StringIO()
    handler = log.configure("test", "debug", stream)
    async with AsyncExitStack() as stack:
        stack.callback(log.logging.getLogger(log.ROOT).removeHandler, handler)
        urls = {}
        for name in _FAKES:
            urls[f"{name}_url"] = DEAD
            if name not in dead:
                server = await stack.enter_async_context(running_server(_service(name, fakes)))
                urls[f"{name}_url"] = server.address
        made = OrchestratorSettings(
            **{
                "listen": "127.0.0.1:0",
                "receipt_folder": folder / "receipts",
                "model_repository": write_cards(folder / "cards"),
                **urls,
                **settings,
            }
        )
        running = await stack.enter_async_context(running_server(SERVICE, made))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address))
        yield Mesh(fakes, running, channel, stream)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path) as made:
        yield made


METHODS = {
    "imaging": "AnalyzeImage",
    "language": "AnalyzeNote",
    "record": "ReadRecord",
    "recommendation": "RankTreatments",
}


def states(diagnosis: pb.Diagnosis) -> dict[str, str]:
    return {b.name: pb.Branch.State.Name(b.state).removeprefix("STATE_").lower() for b in diagnosis.branches}


def branch(diagnosis: pb.Diagnosis, name: str) -> pb.Branch:
    return next(b for b in diagnosis.branches if b.name == name)


def probability(diagnosis: pb.Diagnosis, code: str) -> pb.ConditionAssessment:
    return next(a for a in diagnosis.assessments if a.condition.code == code)
