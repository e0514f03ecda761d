"""The paths of FHIR: metadata, the definition of the operation, and the operation."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clients.gateway import json_form
from clients.gateway.calls import while_connected
from clients.gateway.failures import Failure
from clients.gateway.fhir import imaging_study, reading, resources, statements
from clients.gateway.fhir.outcome import FHIR_JSON
from clients.gateway.forms import media_type
from clients.gateway.mesh import Caller, Mesh
from clients.gateway.pages import Page, constant
from medmesh import rpcs
from medmesh.common.v1.catalog_pb2 import GetModelCardRequest
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseResponse
from services.chassis.errors import InvalidInput, Reason

_JSON_TYPES = (FHIR_JSON, "application/json", "application/json+fhir")
_CARD_TIMEOUT_S = 5.0
_ENTRY = re.compile(r"Bundle\.entry\[(\d{1,5})\]\.resource")


def pages(mesh: Mesh) -> dict[str, Page]:
    """The pages by their paths."""

    async def diagnose(request: Request, caller: Caller) -> Response:
        if media_type(request) not in _JSON_TYPES:
            raise InvalidInput(
                Reason.INPUT_UNSUPPORTED, "content-type", f"must be {FHIR_JSON}; XML is not read"
            )
        body = await request.body()
        given = await asyncio.to_thread(reading.read, body)
        message = await asyncio.to_thread(given.request)
        del body
        answer = await while_connected(
            request, caller, _answer(mesh, given, message, caller, f"{request.base_url}fhir/")
        )
        return Response(json.dumps(answer, ensure_ascii=False), media_type=FHIR_JSON)

    return {
        "/fhir/metadata": Page("GET", constant(json.dumps(statements.capability_statement()), FHIR_JSON)),
        "/fhir/OperationDefinition/diagnose": Page(
            "GET", constant(json.dumps(statements.operation_definition()), FHIR_JSON)
        ),
        "/fhir/$diagnose": Page("POST", diagnose, lambda _request: rpcs.DIAGNOSE),
    }


async def _answer(
    mesh: Mesh, given: reading.Given, message: Any, caller: Caller, base: str
) -> dict[str, Any]:
    found: DiagnoseResponse = await mesh.answer(rpcs.DIAGNOSE, message, caller)
    diagnosis = found.diagnosis
    names = resources.models_of(diagnosis)
    cards = await asyncio.gather(*(_card(mesh, name, caller) for name in names))
    subject = _subject(given)
    studies = {
        index: study
        for index, content in enumerate(given.images)
        if (study := imaging_study.imaging_study(content, subject)) is not None
    }
    known = {name: card for name, card in zip(names, cards, strict=True) if card}
    return resources.bundle(diagnosis, base, subject, studies, known, _places(given), _as_sent(given))


async def _card(mesh: Mesh, name: str, caller: Caller) -> str:
    """The card as JSON; empty where it is not to be had: the answer does not hang on it."""
    try:
        found = await mesh.answer(
            rpcs.GET_MODEL_CARD, GetModelCardRequest(name=name), caller.within(_CARD_TIMEOUT_S)
        )
    except Failure:
        return ""
    return json_form.written(found.card)


def _subject(given: reading.Given) -> dict[str, Any]:
    """The patient: as the record names him, else in words, since some resources must have one."""
    for entry in given.entries:
        resource = entry.get("resource")
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient":
            return _reference(entry) or {"display": "the patient of the record"}
    return {"display": "the patient of the request"}


def _places(given: reading.Given) -> Callable[[str], dict[str, Any] | None]:
    """The reference to the entry of the record that a place of the mesh names."""
    entries = given.entries

    def place(text: str) -> dict[str, Any] | None:
        found = _ENTRY.match(text)
        if found is None or int(found[1]) >= len(entries):
            return None
        return _reference(entries[int(found[1])])

    return place


def _as_sent(given: reading.Given) -> Callable[[str], str]:
    def as_sent(text: str) -> str:
        found = _ENTRY.match(text)
        if found is None or int(found[1]) >= len(given.positions):
            return text
        return f"Bundle.entry[{given.positions[int(found[1])]}].resource{text[found.end() :]}"

    return as_sent


def _reference(entry: dict[str, Any]) -> dict[str, Any] | None:
    resource, url = entry.get("resource"), entry.get("fullUrl")
    if isinstance(url, str) and url.startswith("http"):
        return {"reference": url}
    if isinstance(resource, dict) and isinstance(resource.get("id"), str):
        return {"reference": f"{resource.get('resourceType')}/{resource['id']}"}
    return {"reference": url} if isinstance(url, str) else None
