"""`clients/gateway/openapi.json`: what the HTTP door offers, from the contracts' comments, limits and marks.

OpenAPI 3.1, whose schemas are JSON Schema 2020-12. The forms and other pages that are no rpc stand in
`pages.json` beside it, written by hand.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2 as d

from medmesh.common.v1 import options_pb2
from tools.reference.api import ROOT, Comments, comments_of, option, parsed_files

PATH = ROOT / "clients" / "gateway" / "openapi.json"
PAGES = PATH.with_name("pages.json")
_SERVERS = ("imaging", "language", "recommendation", "orchestrator")
_SHARED = "medmesh.common.v1"
_INTRODUCTION = """\
Every call of the mesh as JSON over HTTP. The same paths speak the Connect protocol and gRPC-Web to clients \
that are generated from the contracts. A call that answers with a stream gives a JSON array, or events to \
`Accept: text/event-stream`; a call that takes a stream takes a JSON array. Fields that may carry patient \
data have `x-medmesh-phi`. Not a medical device."""
_WELL_KNOWN: Mapping[str, dict[str, Any]] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    ".google.protobuf.Struct": {"type": "object"},
    ".google.protobuf.Value": {},
}
_PAGE_TAGS = {
    "Forms": "Files as they lie on a disk.",
    "FHIR R4": "The same in FHIR's resources.",
    "CDS Hooks": "For an EHR, while a record is open or an order is drafted.",
    "Door": "The door itself.",
}
_F = d.FieldDescriptorProto
_SCALARS: Mapping[int, dict[str, Any]] = {
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_INT32: {"type": "integer", "format": "int32"},
    _F.TYPE_UINT32: {"type": "integer", "minimum": 0},
    # ProtoJSON writes 64 bits as text, since JavaScript's numbers cannot hold them, and reads both.
    _F.TYPE_INT64: {"type": ["string", "integer"], "format": "int64"},
    _F.TYPE_UINT64: {"type": ["string", "integer"], "format": "uint64"},
}
_PARAMETERS = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Id of the request in log lines and spans: 8 to 64 hexadecimal digits and hyphens.",
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f-]{8,64}$"},
    },
    "Deadline": {
        "name": "Connect-Timeout-Ms",
        "in": "header",
        "description": "Time for the answer in milliseconds; `Prefer: wait=SECONDS` says the same.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457). docs/errors.md has the reasons.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`urn:medmesh:error:REASON`, or `about:blank`."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "reason": {"type": "string", "description": "What went wrong, e.g. `INPUT_MISSING`."},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in ("field", "description", "reason")},
            },
        },
    },
}


def text() -> str:
    """The document."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Writes it."""
    PATH.write_text(text(), encoding="utf-8")


def document() -> dict[str, Any]:
    """The document as a dict."""
    paths: dict[str, Any] = json.loads(PAGES.read_text(encoding="utf-8"))
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    tags = []
    for file in parsed_files().file:
        if not file.package.startswith("medmesh."):
            continue
        comments = comments_of(file)
        for number, service in enumerate(file.service):
            tags.append({"name": service.name, "description": _prose(comments.get((6, number), ""))})
            paths |= _operations(file.package, service, comments, (6, number))
        for number, message in enumerate(file.message_type):
            schemas |= _messages(message, comments, (4, number), file.package)
        for number, enum in enumerate(file.enum_type):
            schemas[f"{file.package}.{enum.name}"] = _enum(enum, comments, (5, number))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "medmesh",
            "version": "1",
            "summary": "Medical AI models behind one door. Research software: no answer is a diagnosis.",
            "description": _INTRODUCTION,
        },
        "security": [{"bearer": []}, {}],
        "tags": [{"name": name, "description": words} for name, words in _PAGE_TAGS.items()] + tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Passed on to the mesh, whose policy decides.",
                }
            },
            "parameters": _PARAMETERS,
            "responses": {
                "Problem": {
                    "description": "The call failed.",
                    "headers": {
                        "Retry-After": {
                            "description": "Seconds after which the same request may succeed.",
                            "schema": {"type": "integer"},
                        }
                    },
                    "content": {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    },
                }
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operations(
    package: str, service: d.ServiceDescriptorProto, comments: Comments, path: tuple[int, ...]
) -> Iterator[tuple[str, Any]]:
    for number, method in enumerate(service.method):
        operation = _operation(service.name, method, comments.get((*path, 2, number), ""))
        yield f"/{package}.{service.name}/{method.name}", {"post": operation}
        if package == _SHARED:
            server = {
                "name": "server",
                "in": "path",
                "required": True,
                "description": "The service that is asked; without it the orchestrator is.",
                "schema": {"type": "string", "enum": list(_SERVERS)},
            }
            own = {**operation, "operationId": f"{operation['operationId']}At"}
            own["parameters"] = [server, *operation["parameters"]]
            yield f"/{{server}}/{package}.{service.name}/{method.name}", {"post": own}


def _operation(service: str, method: d.MethodDescriptorProto, comment: str) -> dict[str, Any]:
    takes, gives = _reference(method.input_type), _reference(method.output_type)
    if method.client_streaming:
        takes = {"type": "array", "items": takes}
    content: dict[str, Any] = {"application/json": {"schema": gives}}
    if method.server_streaming:
        content = {
            "application/json": {"schema": {"type": "array", "items": gives}},
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "description": "An event for each answer, whose data is its JSON; then `end`, or `error` "
                    "with a problem.",
                }
            },
        }
    prose = _prose(comment)
    return {
        "operationId": f"{service}_{method.name}",
        "tags": [service],
        "summary": prose.partition(". ")[0].rstrip("."),
        "description": prose,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": {
            "200": {"description": "The answer.", "content": content},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


def _messages(
    message: d.DescriptorProto, comments: Comments, path: tuple[int, ...], within: str
) -> Iterator[tuple[str, Any]]:
    if message.options.map_entry:
        return
    name = f"{within}.{message.name}"
    properties, required = {}, []
    for number, item in enumerate(message.field):
        limits = option(item.options, options_pb2.limits)
        schema = _field(item, message, limits)
        prose = _prose(comments.get((*path, 2, number), ""))
        if item.HasField("oneof_index") and not item.proto3_optional:
            prose = f"One of `{message.oneof_decl[item.oneof_index].name}`. {prose}"
        properties[item.json_name] = {**schema, "description": prose}
        if option(item.options, options_pb2.phi):
            properties[item.json_name]["x-medmesh-phi"] = True
        if limits.required:
            required.append(item.json_name)
    made: dict[str, Any] = {"type": "object", "description": _prose(comments.get(path, ""))}
    made["properties"] = properties
    if required:
        made["required"] = required
    yield name, made
    for number, nested in enumerate(message.nested_type):
        yield from _messages(nested, comments, (*path, 3, number), name)
    for number, enum in enumerate(message.enum_type):
        yield f"{name}.{enum.name}", _enum(enum, comments, (*path, 4, number))


def _field(item: _F, message: d.DescriptorProto, limits: options_pb2.Limits) -> dict[str, Any]:
    entry = next((n for n in message.nested_type if item.type_name.endswith(f".{n.name}")), None)
    if entry is not None and entry.options.map_entry:
        made = {"type": "object", "additionalProperties": _value(entry.field[1], limits)}
        return made | ({"maxProperties": limits.max_count} if limits.HasField("max_count") else {})
    value = _value(item, limits)
    if item.label != _F.LABEL_REPEATED:
        return value
    many: dict[str, Any] = {"type": "array", "items": value}
    return many | ({"maxItems": limits.max_count} if limits.HasField("max_count") else {})


def _value(item: _F, limits: options_pb2.Limits) -> dict[str, Any]:
    if item.type_name:
        return _reference(item.type_name)
    made = dict(_SCALARS[item.type])
    if limits.HasField("max_length"):
        made["maxLength"] = limits.max_length
    if limits.HasField("max_bytes"):
        made["maxLength"] = 4 * math.ceil(limits.max_bytes / 3)  # in base64
    if limits.HasField("min"):
        made["minimum"] = limits.min
    if limits.HasField("max"):
        made["maximum"] = limits.max
    if limits.HasField("pattern"):
        made["pattern"] = f"^(?:{limits.pattern})$"
    return made


def _reference(type_name: str) -> dict[str, Any]:
    if type_name in _WELL_KNOWN:
        return dict(_WELL_KNOWN[type_name])
    return {"$ref": f"#/components/schemas/{type_name.removeprefix('.')}"}


def _enum(enum: d.EnumDescriptorProto, comments: Comments, path: tuple[int, ...]) -> dict[str, Any]:
    meanings = [
        f"- `{value.name}`: {_prose(comments.get((*path, 2, number), ''))}"
        for number, value in enumerate(enum.value)
    ]
    return {
        "type": "string",
        "description": "\n".join([_prose(comments.get(path, "")), "", *meanings]),
        "enum": [value.name for value in enum.value],
    }


def _prose(comment: str) -> str:
    return re.sub(r"\s+", " ", comment).strip()
