"""A model's card as it lies in the repository, read strictly: what is not understood is named, not left
out.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from medmesh.common.v1.model_card_pb2 import ModelAliases, ModelCard
from medmesh.common.v1.serving_pb2 import ModelServing
from services.chassis.models.repository import ALIASES, CARD

M = TypeVar("M", bound=Message)

TASKS = tuple(field.name for field in ModelServing.DESCRIPTOR.oneofs_by_name["task"].fields)
"""The tasks that a card can name, by the names of the fields of ModelServing."""


@dataclass(frozen=True)
class Problem:
    """Something about a model's folder for which it is refused."""

    field: str
    """Path of a field of the card, e.g. `serving.image_classification.labels`, or a file of the folder."""
    what: str
    """What is wrong, as the end of a sentence that begins with the field."""
    remedy: str
    """What to do about it, as a sentence without its full stop."""

    def __str__(self) -> str:
        return f"{self.field} {self.what}; {self.remedy}."


def read_card(path: Path) -> tuple[ModelCard | None, list[Problem]]:
    """The card in a file, or everything for which it cannot be read as one."""
    return _read(path, ModelCard())


def read_aliases(folder: Path) -> tuple[ModelAliases, list[Problem]]:
    """The aliases of the model in `folder`; those of a folder without the file are all 0."""
    path = folder / ALIASES
    if not path.is_file():
        return ModelAliases(), []
    aliases, problems = _read(path, ModelAliases())
    return aliases or ModelAliases(), problems


def card_in(folder: Path, number: int) -> tuple[Path, ModelCard | None, list[Problem]]:
    """The card of one version of the model in `folder`: the folder it lies in, and it. 0: the model's own
    card.
    """
    own = folder / str(number)
    if number and (own / CARD).is_file():
        return own, *read_card(own / CARD)
    card, problems = read_card(folder / CARD)
    if card is not None and number and (card.model_version or 1) != number:
        missing = Problem(f"{number}/{CARD}", "is missing", f"add the card of version {number}")
        return own, None, [missing]
    return folder, card, problems


def task_named_in(path: Path) -> str:
    """The task that a card names, as far as it can be read at all; empty: it cannot."""
    try:
        serving = json.loads(path.read_bytes())["serving"]
        return next((task for task in TASKS if task in serving), "")
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _read(path: Path, message: M) -> tuple[M | None, list[Problem]]:
    name = path.name
    try:
        content = json.loads(path.read_bytes())
    except OSError:
        return None, [
            Problem(name, "is missing", "add the card: docs/model-folder.md says what belongs in it")
        ]
    except ValueError as error:  # no JSON, or no UTF-8
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        return None, [Problem(name, f"is not JSON{where}", "correct it")]
    if not isinstance(content, dict):
        return None, [Problem(name, "is not a JSON object", "correct it")]
    problems = list(_misread(content, message.DESCRIPTOR, ""))
    if problems:
        return None, problems
    try:
        return json_format.ParseDict(content, message), []
    except json_format.ParseError:  # what only the whole shows, such as two fields of a oneof
        return None, [
            Problem(f"{name}", "names two values where one belongs", "name one task, and one kind a step")
        ]


def _misread(content: dict[str, Any], descriptor: Any, path: str) -> Iterable[Problem]:
    """Each entry that is not a field of the message, or not of the field's type."""
    for key, value in content.items():
        field = descriptor.fields_by_name.get(key) or descriptor.fields_by_camelcase_name.get(key)
        place = f"{path}{key}"
        if field is None:
            near = difflib.get_close_matches(key, descriptor.fields_by_name, n=1)
            remedy = (
                f"did you mean {near[0]}?" if near else "take it out; docs/model-folder.md lists the fields"
            )
            yield Problem(place, "is not a field of the card", remedy.removesuffix("?"))
        elif field.message_type is None:
            if not _fits(field, key, value):
                yield Problem(place, f"is not {_kind(field)}", "correct the value")
        elif not field.is_repeated:
            yield from _in_message(value, field.message_type, place)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from _in_message(item, field.message_type, f"{place}[{index}]")
        else:
            yield Problem(place, "is not a list", "put it in brackets")


def _in_message(value: Any, descriptor: Any, place: str) -> Iterable[Problem]:
    if isinstance(value, dict):
        yield from _misread(value, descriptor, f"{place}.")
    else:
        yield Problem(place, "is not a JSON object", "correct it")


def _fits(field: Any, key: str, value: Any) -> bool:
    try:
        json_format.ParseDict({key: value}, message_factory.GetMessageClass(field.containing_type)())
    except json_format.ParseError:
        return False
    return True


def _kind(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return f"one of {', '.join(value.name for value in field.enum_type.values)}"
    kind = {
        FieldDescriptor.CPPTYPE_STRING: "a text",
        FieldDescriptor.CPPTYPE_BOOL: "true or false",
        FieldDescriptor.CPPTYPE_DOUBLE: "a number",
        FieldDescriptor.CPPTYPE_FLOAT: "a number",
    }.get(field.cpp_type, "a whole number")
    return f"a list with {kind} each" if field.is_repeated else kind
