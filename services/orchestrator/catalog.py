"""`medmesh.common.v1.ModelCatalogService` for the whole mesh: asks every service, names the unreachable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from medmesh.common.v1 import catalog_pb2 as pb
from medmesh.common.v1 import catalog_pb2_grpc
from services.chassis.errors import (
    MedmeshError,
    ModelUnavailable,
    ModelUnknown,
    PermissionDenied,
    Unauthenticated,
    UpstreamUnavailable,
)
from services.chassis.models.pages import page

T = TypeVar("T")
M = TypeVar("M", pb.ModelSummary, pb.ModelReload)


@dataclass(frozen=True)
class CatalogCalls:
    """The calls of one service's own catalog. They raise the errors of `services.chassis.errors`."""

    list_models: Callable[[pb.ListModelsRequest], Awaitable[pb.ListModelsResponse]]
    get_card: Callable[[pb.GetModelCardRequest], Awaitable[pb.GetModelCardResponse]]
    reload: Callable[[pb.ReloadModelsRequest], Awaitable[pb.ReloadModelsResponse]]


class MeshCatalogServicer(catalog_pb2_grpc.ModelCatalogServiceServicer):
    """Answers for the services by name."""

    def __init__(
        self, services: Mapping[str, CatalogCalls], on_reload: Callable[[], Awaitable[None]]
    ) -> None:
        self._services = services
        self._on_reload = on_reload

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        answers = await self._ask(lambda calls: calls.list_models(pb.ListModelsRequest()))
        models = [
            model
            for answer in answers.values()
            if not isinstance(answer, MedmeshError)
            for model in answer.models
        ]
        response = page(sorted(_once(models), key=lambda model: (model.service, model.name)), request)
        response.unreachable_services.extend(_silent(answers))
        return response

    async def GetModelCard(self, request: pb.GetModelCardRequest, context: Any) -> pb.GetModelCardResponse:
        answers = await self._ask(lambda calls: calls.get_card(request))
        for answer in answers.values():
            if not isinstance(answer, MedmeshError):
                return answer
        raise _why_no_card(answers)

    async def ReloadModels(self, request: pb.ReloadModelsRequest, context: Any) -> pb.ReloadModelsResponse:
        answers = await self._ask(lambda calls: calls.reload(request))
        for answer in answers.values():
            if isinstance(answer, PermissionDenied | Unauthenticated):
                raise answer
        response = pb.ReloadModelsResponse(unreachable_services=_silent(answers))
        models = [
            model
            for answer in answers.values()
            if not isinstance(answer, MedmeshError)
            for model in answer.models
        ]
        response.models.extend(_once(models))
        response.models.sort(key=lambda model: (model.service, model.name))
        await self._on_reload()
        return response

    async def _ask(self, call: Callable[[CatalogCalls], Awaitable[T]]) -> dict[str, T | MedmeshError]:
        answers = await asyncio.gather(*(_attempt(call(calls)) for calls in self._services.values()))
        return dict(zip(self._services, answers, strict=True))


def _once(models: Iterable[M]) -> list[M]:
    """Each model once: of a card that cannot be read every service tells, since none knows whose it is."""
    found: dict[str, M] = {}
    for model in models:
        before = found.get(model.name)
        if before is None or (model.model_version and not before.model_version):
            found[model.name] = model
    return list(found.values())


def _silent(answers: Mapping[str, object]) -> list[str]:
    return sorted(name for name, answer in answers.items() if isinstance(answer, MedmeshError))


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
