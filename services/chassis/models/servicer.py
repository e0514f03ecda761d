"""`medmesh.common.v1.ModelCatalogService` for one service."""

from __future__ import annotations

import asyncio
from typing import Any

from medmesh.common.v1 import catalog_pb2 as pb
from medmesh.common.v1 import catalog_pb2_grpc
from services.chassis.errors import ModelUnavailable
from services.chassis.models.card import Problem
from services.chassis.models.catalog import Catalog, Entry
from services.chassis.models.pages import page
from services.chassis.models.reload import Reloaded, Reloader

UNANSWERED = "Triton does not answer for it; see Triton's log."


class CatalogServicer(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """Lists, hands out and reloads what the catalog holds."""

    def __init__(self, catalog: Catalog, reloader: Reloader) -> None:
        self._catalog = catalog
        self._reloader = reloader

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        summaries = await asyncio.gather(*(self._summary(entry) for entry in self._catalog.entries()))
        return page(list(summaries), request)

    async def GetModelCard(self, request: pb.GetModelCardRequest, context: Any) -> pb.GetModelCardResponse:
        entry = self._catalog.entry(request.name)
        if entry.served is None:
            raise ModelUnavailable(entry.refusal, metadata={"model": entry.name})
        return pb.GetModelCardResponse(card=entry.card)

    async def ReloadModels(self, request: pb.ReloadModelsRequest, context: Any) -> pb.ReloadModelsResponse:
        reloaded = await self._reloader.reload()
        return pb.ReloadModelsResponse(models=[self._reload(one) for one in reloaded])

    def _reload(self, one: Reloaded) -> pb.ModelReload:
        served = one.entry.served if one.result.value != "REMOVED" else None
        return pb.ModelReload(
            name=one.entry.name,
            service=self._catalog.service,
            result=f"RESULT_{one.result.value}",
            card_version=served.card.version if served else "",
            model_version=str(served.version.runs.number) if served else "",
            problems=[_problem(problem) for problem in one.entry.problems],
        )

    async def _summary(self, entry: Entry) -> pb.ModelSummary:
        served = entry.served
        ready = served is not None and await served.is_ready()
        summary = pb.ModelSummary(
            name=entry.name,
            service=self._catalog.service,
            task=entry.checked.task,
            card_version=entry.card.version,
            model_version=str(served.version.runs.number) if served else "",
            summary=entry.card.summary,
            ready=ready,
            default_answer=served is not None and served.is_default,
            reason="" if ready else entry.refusal or UNANSWERED,
            problems=[_problem(problem) for problem in entry.problems],
            weights_sha256=entry.card.weights_sha256,
        )
        candidate = entry.checked.candidate
        if candidate is not None:
            summary.candidate.model_version = str(candidate.runs.number)
            summary.candidate.card_version = candidate.card.version
            summary.candidate.weights_sha256 = candidate.card.weights_sha256
        if entry.shadow is not None:
            comparison = entry.shadow.comparison
            summary.candidate.shadow = True
            summary.candidate.compared_count = comparison.compared_count
            summary.candidate.agreed_count = comparison.agreed_count
            summary.candidate.missed_count = comparison.missed_count
            summary.candidate.max_abs_difference = comparison.max_abs_difference
        return summary


def _problem(problem: Problem) -> pb.CardProblem:
    return pb.CardProblem(field=problem.field, problem=problem.what, remedy=problem.remedy)
