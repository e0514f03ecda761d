"""What `$diagnose` is given -> the request of Diagnose: Parameters, or a Bundle with what is known.

Of a Bundle, images and notes are the attachments of Binary, Media and DocumentReference; all else is the
record. Content lies in the attachment: nothing is fetched.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from clients.gateway import json_form
from clients.gateway.fhir.imaging_study import is_image_type
from medmesh import requests
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseRequest
from services.chassis.errors import InvalidInput, Reason

PARAMETERS: Final = {
    "record": "a Bundle with the patient's record",
    "image": "an Attachment or a Binary with an image",
    "note": "a string, an Attachment or a Binary with the clinical note",
    "bodyPart": "what the images show, in DICOM's term",
    "model": "the name of a model that is to answer",
    "maxTreatments": "how many treatments to rank",
    "draftReport": "whether to draft a report",
    "required": "a part without which no answer is wanted: image, note, record, treatments or report",
    "requestId": "a UUID that names the request, so that it can be sent again",
}
"""The parameters of the operation and what each is."""
_SINGLE: Final[dict[str, tuple[str, type]]] = {
    "bodyPart": ("body_part", str),
    "maxTreatments": ("max_treatments", int),
    "draftReport": ("draft_report", bool),
    "requestId": ("request_id", str),
}
_CARRIERS: Final = {"Binary", "Media", "DocumentReference"}


@dataclass
class Given:
    """What a caller gave."""

    images: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] | None = None
    body_part: str = ""
    models: list[str] = field(default_factory=list)
    max_treatments: int | None = None
    draft_report: bool = False
    required: list[str] = field(default_factory=list)
    request_id: str | None = None
    positions: list[int] = field(default_factory=list)
    """Of each entry of the record its index in the Bundle that was sent; empty: the same."""

    def request(self) -> DiagnoseRequest:
        """The request of Diagnose. Raises InvalidInput where there are several notes."""
        if len(self.notes) > 1:
            raise InvalidInput(Reason.INPUT_INCONSISTENT, "note", "comes more than once: send one note")
        message = DiagnoseRequest(request_id=self.request_id)
        requests.fill_case(
            message.case,
            [[content] for content in self.images],
            note=self.notes[0] if self.notes else None,
            patient=self.record,
            options=requests.image_options(self.body_part, self.models),
            max_treatments=self.max_treatments,
            draft_report=self.draft_report,
            required=self.required,
        )
        return message

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of the record."""
        found = (self.record or {}).get("entry", [])
        return found if isinstance(found, list) and all(isinstance(entry, dict) for entry in found) else []


def read(body: bytes) -> Given:
    """What a body gives. Raises InvalidInput."""
    document = json_form.document(body)
    kind = document.get("resourceType") if isinstance(document, dict) else None
    if kind == "Parameters":
        return _parameters(document)
    if kind == "Bundle":
        return _bundle(document)
    raise InvalidInput(Reason.INPUT_UNSUPPORTED, "resourceType", "must be Parameters or Bundle")


def _parameters(document: dict[str, Any]) -> Given:
    given = Given()
    for index, parameter in enumerate(_objects(document, "parameter", "Parameters")):
        place = f"Parameters.parameter[{index}]"
        name = parameter.get("name")
        if name == "record":
            if given.record is not None:
                raise InvalidInput(Reason.INPUT_INCONSISTENT, place, "is a second record: send one Bundle")
            given.record = _resource(parameter, "Bundle", place)
        elif name == "image":
            given.images.append(_content(_attachment(parameter, place), place))
        elif name == "note":
            given.notes.append(_note(parameter, place))
        elif name == "model":
            given.models.append(_value(parameter, str, place))
        elif name == "required":
            given.required.append(_part(parameter, place))
        elif name in _SINGLE:
            field_name, kind = _SINGLE[name]
            setattr(given, field_name, _value(parameter, kind, place))
        else:
            known = ", ".join(PARAMETERS)
            raise InvalidInput(Reason.INPUT_UNSUPPORTED, place, f"has an unknown name; known are {known}")
    return given


def _part(parameter: dict[str, Any], place: str) -> str:
    name: str = _value(parameter, str, place)
    if name not in requests.BRANCHES:
        known = ", ".join(requests.BRANCHES)
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, place, f"names no part of an answer; known are {known}")
    return name


def _bundle(document: dict[str, Any]) -> Given:
    given = Given()
    kept: list[dict[str, Any]] = []
    for index, entry in enumerate(_objects(document, "entry", "Bundle")):
        resource = entry.get("resource")
        if not isinstance(resource, dict) or resource.get("resourceType") not in _CARRIERS:
            kept.append(entry)
            given.positions.append(index)
            continue
        for place, attachment in _attachments(resource, f"Bundle.entry[{index}].resource"):
            content_type = _type(attachment)
            if is_image_type(content_type):
                given.images.append(_content(attachment, place))
            elif content_type == "text/plain":
                given.notes.append(_text(_content(attachment, place), place))
            else:
                raise InvalidInput(
                    Reason.INPUT_UNSUPPORTED,
                    place,
                    "has content of a type that is not read (images, application/dicom, application/zip of a "
                    "series and text/plain are): leave it out",
                )
    if kept:
        given.record = {**document, "entry": kept}
    return given


def _attachments(resource: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = resource["resourceType"]
    if kind == "Binary":
        yield place, resource
    elif kind == "Media":
        yield f"{place}.content", _object(resource, "content", place)
    else:
        for index, content in enumerate(_objects(resource, "content", place)):
            at = f"{place}.content[{index}]"
            yield f"{at}.attachment", _object(content, "attachment", at)


def _attachment(parameter: dict[str, Any], place: str) -> dict[str, Any]:
    if "resource" in parameter:
        return _resource(parameter, "Binary", place)
    return _object(parameter, "valueAttachment", place)


def _note(parameter: dict[str, Any], place: str) -> str:
    if "valueString" in parameter:
        return str(_value(parameter, str, place))
    attachment = _attachment(parameter, place)
    if _type(attachment) not in {"", "text/plain"}:
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, place, "must be text/plain")
    return _text(_content(attachment, place), place)


def _content(attachment: dict[str, Any], place: str) -> bytes:
    data = attachment.get("data")
    if not isinstance(data, str) or not data:
        raise InvalidInput(Reason.INPUT_MISSING, f"{place}.data", "is missing: nothing is fetched from a url")
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(Reason.INPUT_MALFORMED, f"{place}.data", "is no base64") from None


def _text(content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(Reason.INPUT_MALFORMED, place, "is not UTF-8 text") from None


def _type(attachment: dict[str, Any]) -> str:
    found = attachment.get("contentType")
    return found.partition(";")[0].strip().lower() if isinstance(found, str) else ""


def _value(parameter: dict[str, Any], kind: type, place: str) -> Any:
    found = [value for key, value in parameter.items() if key.startswith("value")]
    if len(found) != 1 or type(found[0]) is not kind:
        words = {str: "text", int: "a whole number", bool: "a boolean"}[kind]
        raise InvalidInput(Reason.INPUT_MALFORMED, place, f"must have one value, {words}")
    return found[0]


def _resource(parameter: dict[str, Any], kind: str, place: str) -> dict[str, Any]:
    resource = _object(parameter, "resource", place)
    if resource.get("resourceType") != kind:
        raise InvalidInput(Reason.INPUT_MALFORMED, f"{place}.resource", f"must be a {kind}")
    return resource


def _object(parent: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    found = parent.get(name)
    if not isinstance(found, dict):
        raise InvalidInput(Reason.INPUT_MISSING, f"{place}.{name}", "is missing, or is no object")
    return found


def _objects(parent: dict[str, Any], name: str, place: str) -> list[dict[str, Any]]:
    found = parent.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InvalidInput(Reason.INPUT_MALFORMED, f"{place}.{name}", "must be an array of objects")
    return found
