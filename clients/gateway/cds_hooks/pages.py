"""The paths of CDS Hooks: the discovery, each service, and each service's feedback."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clients.gateway.calls import JSON, while_connected
from clients.gateway.cds_hooks import cards, feedback, reading
from clients.gateway.cds_hooks.ehr import Ehrs
from clients.gateway.cds_hooks.services import SERVICES, Service
from clients.gateway.forms import media_type
from clients.gateway.mesh import Caller, Mesh
from clients.gateway.pages import Endpoint, Page, constant
from clients.gateway.settings import GatewaySettings
from medmesh import requests, rpcs
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseRequest
from medmesh.recommendation.v1.medication_check_pb2 import MedicationCheck
from services.chassis import exclusive
from services.chassis.errors import InvalidInput, Reason, Unauthenticated, UpstreamUnavailable

DISCOVERY = "/cds-services"
_WAIT_S = 1.0
"""So long another process that holds the file of the feedback is waited for."""


def pages(mesh: Mesh, settings: GatewaySettings) -> dict[str, Page]:
    """The pages by their paths."""
    hooks = Hooks(mesh, settings)
    discovery = json.dumps({"services": [service.as_json() for service in SERVICES]})
    found = {DISCOVERY: Page("GET", constant(discovery, JSON))}
    for service in SERVICES:
        path = f"{DISCOVERY}/{service.identifier}"
        found[path] = Page("POST", hooks.answering(service))
        found[f"{path}/feedback"] = Page("POST", hooks.noting(service))
    return found


class Hooks:
    """Answers hooks."""

    def __init__(self, mesh: Mesh, settings: GatewaySettings) -> None:
        self._mesh = mesh
        self._settings = settings
        self._ehrs = Ehrs.read(settings.cds_clients) if settings.cds_clients is not None else None

    def answering(self, service: Service) -> Endpoint:
        """What answers a hook with cards."""

        async def endpoint(request: Request, caller: Caller) -> Response:
            known = self._admitted(request, caller, service)
            self._mesh.admit(_asked(service), known)
            asked = await asyncio.to_thread(reading.read, await _body(request), service)
            base = str(request.base_url)
            made = await while_connected(request, caller, self._cards(service, asked, known, base))
            return JSONResponse({"cards": made})

        return endpoint

    def noting(self, service: Service) -> Endpoint:
        """What keeps a feedback."""

        async def endpoint(request: Request, caller: Caller) -> Response:
            self._admitted(request, caller, service)
            kept = feedback.lines(await _body(request), service.identifier)
            path = self._settings.cds_feedback_file
            try:
                await exclusive.patiently(lambda: asyncio.to_thread(feedback.keep, path, kept), _WAIT_S)
            except exclusive.HeldError as error:
                raise UpstreamUnavailable("another process holds the file of the feedback") from error
            return JSONResponse({})

        return endpoint

    async def _cards(
        self, service: Service, asked: reading.Asked, caller: Caller, base: str
    ) -> list[cards.Card]:
        rpc = _asked(service)
        if rpc is rpcs.DIAGNOSE:
            request = DiagnoseRequest()
            request.case.patient.CopyFrom(requests.patient_input(asked.record))
            found = await self._mesh.answer(rpc, request, caller)
            return cards.assessment_cards(found.diagnosis, asked, base)
        if not asked.orders:
            return cards.medication_cards(MedicationCheck(), asked, base) if asked.unchecked_count else []
        checked = await self._mesh.answer(rpc, asked.request(), caller)
        return cards.medication_cards(checked.check, asked, base)

    def _admitted(self, request: Request, caller: Caller, service: Service) -> Caller:
        """The caller as the mesh knows him. Raises Failure."""
        if self._ehrs is None and not self._settings.is_open_to_others:
            return caller
        refusal = Unauthenticated("MEDMESH_CDS_CLIENTS names no EHR")
        if self._ehrs is not None:
            try:
                token = self._ehrs.mesh_token(request.headers.get("authorization", ""), service.identifier)
                return caller.with_token(token)
            except Unauthenticated as error:
                refusal = error
        path = request.scope["path"]  # a route: nothing else leads here
        raise self._mesh.gate.refused(path, refusal, caller.request_id)


def _asked(service: Service) -> rpcs.Rpc:
    return rpcs.DIAGNOSE if service.hook == "patient-view" else rpcs.CHECK_MEDICATIONS


async def _body(request: Request) -> bytes:
    if media_type(request) != JSON:
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, "content-type", "must be application/json")
    return await request.body()
