"""ProtoJSON in both directions. What is wrong with a caller's JSON is said by place and never quoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.chassis.errors import InvalidInput, Reason

_OWN_FORM = "google.protobuf."
"""Messages whose JSON form is not that of their fields."""


def read(body: bytes | bytearray, kind: type[Message]) -> Message:
    """The message of a body. Raises InvalidInput."""
    return parsed(document(body), kind)


def read_several(body: bytes | bytearray, kind: type[Message]) -> list[Message]:
    """The messages of a body that is a JSON array. Raises InvalidInput."""
    items = document(body)
    if not isinstance(items, list):
        raise InvalidInput(
            Reason.INPUT_MALFORMED, "request", "must be a JSON array: the call takes several messages"
        )
    return [parsed(item, kind, f"request[{index}]") for index, item in enumerate(items)]


def document(body: bytes | bytearray) -> Any:
    """The JSON of a body; an empty one counts as an empty object. Raises InvalidInput."""
    try:
        return json.loads(body) if body else {}
    except (ValueError, RecursionError):  # also what is not UTF-8
        raise InvalidInput(Reason.INPUT_MALFORMED, "request", "is not JSON in UTF-8") from None


def parsed(item: Any, kind: type[Message], where: str = "request") -> Message:
    """The message of a JSON value. Raises InvalidInput, which names the place where it first departs from the
    contract.
    """
    message = kind()
    try:
        if not isinstance(item, dict):
            raise TypeError  # noqa: TRY301 - ParseDict takes an empty list for an empty message
        ParseDict(item, message)
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError):
        # Their texts may quote values.
        descriptor = message.DESCRIPTOR
        place, problem = next(_problems(item, descriptor, where), (where, f"is no {descriptor.full_name}"))
        raise InvalidInput(Reason.INPUT_MALFORMED, place, problem) from None
    return message


def written(message: Message) -> str:
    """The JSON of a message, in one line."""
    return str(MessageToJson(message, indent=None, ensure_ascii=False))


def _problems(value: Any, of: Any, where: str) -> Iterator[tuple[str, str]]:
    """Places where a value is not what the message takes, and what it takes there."""
    if of.full_name.startswith(_OWN_FORM):
        try:
            ParseDict(value, _class_of(of)())
        except (ParseError, ValueError, TypeError, AttributeError):
            yield where, f"is no JSON form of {of.full_name}"
        return
    if not isinstance(value, dict):
        yield where, f"must be an object, a {of.full_name}"
        return
    fields = {name: field for field in of.fields for name in (field.json_name, field.name)}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            known = ", ".join(field.json_name for field in of.fields) or "no fields"
            yield where, f"has a field that {of.full_name} does not have; it has {known}"
        elif item is not None:
            place = f"{where}.{field.name}" if where != "request" else field.name
            yield from _field_problems(item, field, place)


def _field_problems(item: Any, field: FieldDescriptor, where: str) -> Iterator[tuple[str, str]]:
    if field.is_repeated and not (field.message_type and field.message_type.GetOptions().map_entry):
        if not isinstance(item, list):
            yield where, "must be an array"
            return
        for index, one in enumerate(item):
            yield from _value_problems(one, field, f"{where}[{index}]")
    else:
        yield from _value_problems(item, field, where)


def _value_problems(item: Any, field: FieldDescriptor, where: str) -> Iterator[tuple[str, str]]:
    if field.message_type is not None and not field.message_type.GetOptions().map_entry:
        yield from _problems(item, field.message_type, where)
        return
    probe = _class_of(field.containing_type)()
    try:
        ParseDict({field.json_name: [item] if _is_list(field) else item}, probe)
    except (ParseError, ValueError, TypeError, AttributeError):
        yield where, f"is no {_kind(field)}"


def _is_list(field: FieldDescriptor) -> bool:
    return field.is_repeated and not (field.message_type and field.message_type.GetOptions().map_entry)


def _kind(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        names = ", ".join(value.name for value in field.enum_type.values)
        return f"value of {field.enum_type.full_name}: {names}"
    return {
        FieldDescriptor.CPPTYPE_STRING: "text"
        if field.type == FieldDescriptor.TYPE_STRING
        else "base64 of bytes",
        FieldDescriptor.CPPTYPE_BOOL: "boolean",
        FieldDescriptor.CPPTYPE_MESSAGE: "map",
    }.get(field.cpp_type, "number in the range of its type")


def _class_of(descriptor: Any) -> type[Message]:
    found: type[Message] = GetMessageClass(descriptor)
    return found
