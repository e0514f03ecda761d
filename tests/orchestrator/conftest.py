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
    catalog_pb2,
    catalog_pb2_grpc,
    model_card_pb2,
)
from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from medmesh.language.v1 import language_pb2, language_pb2_grpc, report_pb2
from medmesh.language.v1.deidentification_pb2 import DeidentifyResponse
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2_grpc
from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.errors import MedmeshError, ModelUnknown
from services.chassis.observability import log
from services.chassis.rpc.server import Running, running_server
from services.chassis.rpc.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.uploads.servicer import serve_uploads
from services.chassis.uploads.settings import UploadSettings
from services.chassis.uploads.store import Uploads
from services.orchestrator.__main__ import SERVICE
from services.orchestrator.settings import OrchestratorSettings
from tests.orchestrator.answers import (
    CARDS,
    analysis,
    answered,
    drafted,
    entity,
    note,
    provenance,
    read,
    reading,
    record,
)
from tests.orchestrator.cases import ASTHMA, PNEUMONIA

DEAD = "127.0.0.1:1"
"""Nobody listens there."""


@dataclass
class FakeServices:
    """What the fakes answer by method: a resource, an error to raise, or a function of the request that
    gives one of both.
    """

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "AnalyzeImage": analysis(),
            "AnalyzeNote": note(entity(PNEUMONIA)),
            "ReadRecord": record(ASTHMA),
            "RankTreatments": recommendation_pb2.TreatmentRanking(provenance=provenance("treatment_ranker")),
            "GenerateReport": drafted("Bacterial pneumonia is present."),
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
    uploads: Uploads | None = None
    """What the imaging service was handed on."""

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
        if answer is NOTHING:
            return _EMPTY[method]
        return _RESPONSES[method](request, answer)


NOTHING = object()
"""As an answer: the response without anything in it."""
_EMPTY = {
    "AnalyzeImage": imaging_pb2.AnalyzeImageResponse(),
    "AnalyzeNote": language_pb2.AnalyzeNoteResponse(),
    "ReadRecord": recommendation_pb2.ReadRecordResponse(),
    "RankTreatments": recommendation_pb2.RankTreatmentsResponse(),
    "GenerateReport": [],
    "Deidentify": DeidentifyResponse(),
}
_RESPONSES = {
    "AnalyzeImage": lambda request, found: answered(found)(request),
    "AnalyzeNote": lambda request, found: read(found),
    "ReadRecord": lambda request, found: reading(found),
    "Deidentify": lambda request, found: DeidentifyResponse(deidentification=found),
    "RankTreatments": lambda request, found: recommendation_pb2.RankTreatmentsResponse(ranking=found),
    "GenerateReport": lambda request, found: [
        *(report_pb2.GenerateReportResponse(sentence=one) for one in found.sentences),
        report_pb2.GenerateReportResponse(draft=found),
    ],
}


def _servicer(base: type, fakes: FakeServices) -> Any:
    def method(name: str) -> Any:
        async def call(self: Any, request: Any, context: Any) -> Any:
            return await fakes.answer(name, request)

        async def stream(self: Any, request: Any, context: Any) -> Any:
            for event in await fakes.answer(name, request):
                yield event

        return stream if name == "GenerateReport" else call

    names = [name for name in vars(base) if name[0].isupper()]
    return type(f"Fake{base.__name__}", (base,), {name: method(name) for name in names})()


class FakeCatalog(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """The models of a service: one named after it, and of imaging those of `CARDS`."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.cards = {f"{service}_model": model_card_pb2.ModelCard(name=f"{service}_model")}
        if service == "imaging":
            self.cards |= CARDS
        self.error: MedmeshError | None = None
        self.asked: list[str] = []
        self.reload_count = 0
        self.unreadable: dict[str, str] = {}
        """Models whose cards cannot be read, with the version that is served of each all the same."""

    async def ListModels(self, request: Any, context: Any) -> Any:  # noqa: N802 - proto
        self._fail()
        return catalog_pb2.ListModelsResponse(
            models=[
                *(catalog_pb2.ModelSummary(name=n, service=self.service, ready=True) for n in self.cards),
                *(
                    catalog_pb2.ModelSummary(name=name, service=self.service, model_version=version)
                    for name, version in self.unreadable.items()
                ),
            ]
        )

    async def GetModelCard(self, request: Any, context: Any) -> Any:  # noqa: N802 - proto
        self.asked.append(request.name)
        self._fail()
        if request.name not in self.cards:
            raise ModelUnknown
        return catalog_pb2.GetModelCardResponse(card=self.cards[request.name])

    async def ReloadModels(self, request: Any, context: Any) -> Any:  # noqa: N802 - proto
        self._fail()
        self.reload_count += 1
        return catalog_pb2.ReloadModelsResponse(
            models=[
                *(catalog_pb2.ModelReload(name=name, service=self.service) for name in self.cards),
                *(
                    catalog_pb2.ModelReload(name=name, service=self.service, model_version=version)
                    for name, version in self.unreadable.items()
                ),
            ]
        )

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


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


def _service(name: str, fakes: FakeServices, catalog: FakeCatalog) -> Service[ServiceSettings]:
    descriptor, base, add = _FAKES[name]

    async def register(parts: Any, server: grpc.aio.Server) -> None:
        add(_servicer(base, fakes), server)
        if name == "imaging":
            fakes.uploads = await serve_uploads(UploadSettings(), server, parts.resources)
        catalog_pb2_grpc.add_ModelCatalogServiceServicer_to_server(catalog, server)

    return Service(name=name, settings=ServiceSettings, descriptors=(descriptor,), register=register)


@dataclass
class Mesh:
    """What a test talks to."""

    fakes: FakeServices
    catalogs: dict[str, FakeCatalog]
    servers: dict[str, Running[ServiceSettings]]
    """The fake services."""
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

    async def diagnose(self, case: pb.DiagnosticCase, timeout_s: float = 10, **fields: Any) -> pb.Diagnosis:
        answer = await self.stub.Diagnose(pb.DiagnoseRequest(case=case, **fields), timeout=timeout_s)
        return answer.diagnosis

    async def refused(self, case: pb.DiagnosticCase, timeout_s: float = 10, **fields: Any) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.diagnose(case, timeout_s, **fields)
        return Refusal.of(caught.value)


@dataclass(frozen=True)
class Refusal:
    """How a call failed."""

    code: str
    text: str
    reason: str
    metadata: dict[str, str]
    fields: list[str]

    @property
    def field(self) -> str:
        return self.fields[0] if self.fields else ""

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
        return cls(error.code().name, error.details(), info.reason, dict(info.metadata), fields)


@asynccontextmanager
async def running_mesh(folder: Path, *, dead: tuple[str, ...] = (), **settings: Any) -> AsyncIterator[Mesh]:
    """The orchestrator with its three services; those in `dead` are not there."""
    fakes = FakeServices()
    catalogs = {name: FakeCatalog(name) for name in _FAKES}
    stream = StringIO()
    handler = log.configure("test", "debug", stream)
    async with AsyncExitStack() as stack:
        stack.callback(log.logging.getLogger(log.ROOT).removeHandler, handler)
        urls, servers = dict.fromkeys((f"{name}_url" for name in _FAKES), DEAD), {}
        for name in _FAKES:
            if name not in dead:
                service = _service(name, fakes, catalogs[name])
                servers[name] = await stack.enter_async_context(running_server(service))
                urls[f"{name}_url"] = servers[name].address
        made = OrchestratorSettings(
            **{
                "listen": "127.0.0.1:0",
                "receipt_folder": folder / "receipts",
                **urls,
                **settings,
            }
        )
        running = await stack.enter_async_context(running_server(SERVICE, made))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address))
        yield Mesh(fakes, catalogs, servers, running, channel, stream)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path) as made:
        yield made


METHODS = {
    "image": "AnalyzeImage",
    "note": "AnalyzeNote",
    "record": "ReadRecord",
    "treatments": "RankTreatments",
}
"""The method behind each kind of branch."""


def branch_name(one: pb.Branch) -> str:
    kind = pb.Branch.Kind.Name(one.kind).removeprefix("KIND_").lower()
    return f"{kind} {one.index}" if one.HasField("index") and one.index else kind


def states(diagnosis: pb.Diagnosis) -> dict[str, str]:
    return {
        branch_name(b): pb.Branch.State.Name(b.state).removeprefix("STATE_").lower()
        for b in diagnosis.branches
    }


def branch(diagnosis: pb.Diagnosis, name: str) -> pb.Branch:
    return next(b for b in diagnosis.branches if branch_name(b) == name)


def probability(diagnosis: pb.Diagnosis, code: str) -> pb.ConditionAssessment:
    return next(a for a in diagnosis.assessments if a.condition.code == code)


def sources(diagnosis: pb.Diagnosis) -> set[int]:
    """The sources that contribute to any condition."""
    return {c.source for a in diagnosis.assessments for c in a.contributions}
