"""A place in a card by its path, such as `datasets.0.licence`, `inputs.image.description` or
`serving.image_classification.applies_to.body_parts`: read, and written from text.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from medmesh.common.v1.model_card_pb2 import ModelCard
from training.importing import Refused

Facts = dict[str, Any]

ANY = "any"
"""What is written where a list is to restrict nothing: it becomes the empty list."""

_NUMBERS = {
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_FLOAT: float,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
}
_TRUTHS = {"true": True, "false": False}


def set_fact(facts: Facts, path: str, text: str) -> None:
    """Sets the fact at `path`, which leads by field names, and within a list by number or by `name`.

    A list takes its parts at commas, and nothing from `any`. Raises Refused where the path leads nowhere, or
    the text is not of the field's type.
    """
    try:
        _set(facts, ModelCard.DESCRIPTOR, path.split("."), text)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise Refused(f"{path}={text} does not fit a card") from error


def value_at(facts: Facts, path: str) -> Any:
    """What stands at `path`; None where nothing does."""
    at: Any = facts
    for step in path.split("."):
        if isinstance(at, list):
            number = int(step) if step.isdecimal() else -1
            named = [item for item in at if isinstance(item, dict) and item.get("name") == step]
            at = at[number] if 0 <= number < len(at) else next(iter(named), None)
        else:
            at = at.get(step) if isinstance(at, dict) else None
    return at


def _set(at: Facts, message: Any, steps: list[str], text: str) -> None:
    field, rest = message.fields_by_name[steps[0]], steps[1:]
    if field.is_repeated and rest:
        _set_entry(at.setdefault(field.name, []), field, rest, text)
    elif field.is_repeated:
        parts = [] if text.strip() == ANY else [part.strip() for part in text.split(",")]
        at[field.name] = [
            _named(field, part) if field.message_type else _value(field, part) for part in parts
        ]
    elif rest and field.message_type:
        _set(at.setdefault(field.name, {}), field.message_type, rest, text)
    elif rest or field.message_type:
        raise ValueError("the path ends too late or too early")
    else:
        at[field.name] = _value(field, text)


def _set_entry(entries: list[Any], field: Any, steps: list[str], text: str) -> None:
    """Sets an entry of a list, or a field of one; the entry after the last is new."""
    step, rest = steps[0], steps[1:]
    if not field.message_type:
        number = int(step)
        value = _value(field, text)
        if rest or number > len(entries):
            raise IndexError("there is no such entry")
        entries[number : number + 1] = [value]
        return
    if not rest:
        raise ValueError("an entry is set field by field")
    if step.isdecimal():
        if int(step) == len(entries):
            entries.append({})
        entry = entries[int(step)]
    else:
        entry = next((entry for entry in entries if entry.get("name") == step), None)
        if entry is None:
            entry = _named(field, step)
            entries.append(entry)
    _set(entry, field.message_type, rest, text)


def _named(field: Any, name: str) -> Facts:
    if field.message_type.fields_by_name.get("name") is None:
        raise ValueError(f"{field.name} have no names")
    return {"name": name}


def _value(field: Any, text: str) -> Any:
    if field.enum_type is not None and text not in field.enum_type.values_by_name:
        raise ValueError(f"{text} is none of {', '.join(field.enum_type.values_by_name)}")
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _TRUTHS[text]
    return _NUMBERS.get(field.cpp_type, str)(text)
