"""`medmesh.common.v1.ModelCatalogService` for the whole mesh: asks every service, names the unreachable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from medmesh.common.v1 import catalog_pb2 as pb
from medmesh.common.v1 import catalog_pb2_grpc
from services.chassis.errors import MedmeshError, ModelUnavailable, ModelUnknown, UpstreamUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Shelf:
    """The two calls of one service's inventory. They raise the errors of `services.chassis.errors`."""

    list_models: Callable[[], Awaitable[pb.ListModelsResponse]]
    get_card: Callable[[pb.GetModelCardRequest], Awaitable[pb.GetModelCardResponse]]


class InventoryServicer(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """Answers for the services by name."""

    def __init__(self, shelves: Mapping[str, Shelf]) -> None:
        self._shelves = shelves

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        answers = await asyncio.gather(*(_attempt(shelf.list_models()) for shelf in self._shelves.values()))
        response = pb.ListModelsResponse()
        for name, answer in zip(self._shelves, answers, strict=True):
            if isinstance(answer, MedmeshError):
                response.unreachable_services.append(name)
            else:
                response.models.extend(answer.models)
        response.models.sort(key=lambda model: (model.service, model.name))
        response.unreachable_services.sort()
        return response

    async def GetModelCard(self, request: pb.GetModelCardRequest, context: Any) -> pb.GetModelCardResponse:
        answers = await asyncio.gather(
            *(_attempt(shelf.get_card(request)) for shelf in self._shelves.values())
        )
        for answer in answers:
            if not isinstance(answer, MedmeshError):
                return answer
        raise _why_no_card(dict(zip(self._shelves, answers, strict=True)))


def _why_no_card(answers: Mapping[str, object]) -> MedmeshError:
    """That a model is unknown can only be said when every service was asked."""
    for answer in answers.values():
        if isinstance(answer, ModelUnavailable):
            return answer
    silent = sorted(name for name, answer in answers.items() if not isinstance(answer, ModelUnknown))
    if silent:
        return UpstreamUnavailable(metadata={"upstream": ",".join(silent)})
    return ModelUnknown()


async def _attempt(call: Awaitable[T]) -> T | MedmeshError:
    try:
        return await call
    except MedmeshError as error:
        return error
