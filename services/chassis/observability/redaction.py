"""Shows messages without patient data, driven by the `(medmesh.common.v1.phi)` option of their fields.

A field marked `true` is masked with its size; so is every string and every field of bytes, marked or not: a
field that is declared safe takes whatever a caller writes into it. Numbers, enumerations and booleans without
a mark are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from medmesh.common.v1 import options_pb2

_PHI: Any = options_pb2.phi  # the generated type is the extension's descriptor, not its key
_FREE_FORM = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES})


def may_carry_phi(field: FieldDescriptor) -> bool:
    """Whether the field may carry patient data: marked so, or free-form and not declared safe."""
    marked = mark(field)
    if marked is not None:
        return marked
    if field.message_type is not None and is_map(field):
        return any(may_carry_phi(entry) for entry in field.message_type.fields)
    return field.type in _FREE_FORM


def mark(field: FieldDescriptor) -> bool | None:
    """The field's own `phi` option; None when it has none."""
    options = field.GetOptions()
    return bool(options.Extensions[_PHI]) if options.HasExtension(_PHI) else None


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def redacted(message: Message) -> dict[str, Any]:
    """The set fields of `message` by name: what may carry patient data as `<phi: size>`, other text as
    `<text: size>`.
    """
    return {field.name: _shown(field, value) for field, value in message.ListFields()}


def _shown(field: FieldDescriptor, value: Any) -> Any:
    if may_carry_phi(field):
        return _mask(field, value)
    if is_map(field):
        return f"<text: {len(value)} items>"
    if field.message_type is not None:
        return [redacted(v) for v in value] if field.is_repeated else redacted(value)
    if field.type in _FREE_FORM:
        return _mask(field, value, "text")
    return list(value) if field.is_repeated else value


def _mask(field: FieldDescriptor, value: Any, what: str = "phi") -> str:
    if field.is_repeated:
        items: Iterable[Any] = value
        return f"<{what}: {sum(1 for _ in items)} items>"
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"<{what}: {len(value)} characters>"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return f"<{what}: {len(value)} bytes>"
    return f"<{what}>"
