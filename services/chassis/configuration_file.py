"""Reads the file that sets up a door: TOML as dataclasses, every key known, every value of its type."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ConfigurationError(ValueError):
    """The file cannot be used; the message names the key and what would be right."""


def read(kind: type[T], path: Path) -> T:
    """The file as a dataclass; paths in it are relative to it. Whether its parts fit each other, its owner
    says.

    Raises ConfigurationError, OSError.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}") from None
    return _table(kind, content, "", path.parent)


def _table(kind: type[T], content: Mapping[str, Any], key: str, folder: Path) -> T:
    """A dataclass from a table: every key known, every value of its type."""
    types_of = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {}
    for name, value in content.items():
        where = f"{key}.{name}" if key else name
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(fields)}"
            raise ConfigurationError(f"{where}: there is no such setting{hint}")
        values[name] = _value(types_of[name], value, where, folder)
    for name, one in fields.items():
        required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigurationError(f"{key}.{name}: is missing")
    return kind(**values)


def _value(kind: Any, value: Any, key: str, folder: Path) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigurationError(f"{key}: give {' or '.join(one for one in get_args(kind) if one)}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ConfigurationError(f"{key}: give a list, such as [...]")
        return tuple(_value(get_args(kind)[0], one, f"{key}[{i}]", folder) for i, one in enumerate(value))
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigurationError(f"{key}: give a table")
        return _table(kind, value, key, folder)  # type: ignore[arg-type]
    if kind is Path and isinstance(value, str):
        return folder / value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        words = {
            str: "a text",
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            Path: "a path",
        }
        raise ConfigurationError(f"{key}: give {words.get(kind, 'another value')}")
    return value
