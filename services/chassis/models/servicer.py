"""`medmesh.common.v1.ModelCatalogService`: the models of a service, told to its callers."""

from __future__ import annotations

from typing import Any

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models.card import Model
from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import Inference


class CatalogServicer(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """`medmesh.common.v1.ModelCatalogService` for one service."""

    def __init__(self, catalog: Catalog, inference: Inference) -> None:
        self._catalog = catalog
        self._inference = inference

    async def ListModels(
        self, request: catalog_pb2.ListModelsRequest, context: Any
    ) -> catalog_pb2.ListModelsResponse:
        summaries = [await self._summary(model) for model in self._catalog.models()]
        return catalog_pb2.ListModelsResponse(models=summaries)

    async def GetModelCard(
        self, request: catalog_pb2.GetModelCardRequest, context: Any
    ) -> catalog_pb2.GetModelCardResponse:
        return catalog_pb2.GetModelCardResponse(card=self._catalog.card(request.name))

    async def _summary(self, model: Model) -> catalog_pb2.ModelSummary:
        ready = await self._inference.is_ready(model.spec.name)
        card = model.card or ModelCard()
        return catalog_pb2.ModelSummary(
            name=model.spec.name,
            service=self._catalog.service,
            version=card.version,
            summary=card.summary,
            ready=ready,
            reason="" if ready else model.refusal or "Triton does not answer for it; see Triton's log.",
            weights_sha256=card.weights_sha256,
        )
