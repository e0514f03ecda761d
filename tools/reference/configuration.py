"""`docs/configuration.md`, from the settings classes, and the list of all variables, against which a process
checks its own.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import textwrap
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from services.chassis import environment
from services.chassis.settings import PORTS, ServiceSettings, Settings
from services.local.mesh_settings import TOPOLOGY, MeshSettings
from services.local.topology import metrics_variable, port_variable
from services.local.triton import TritonSettings
from tools.bootstrap import ROOT

PAGE = ROOT / "docs" / "configuration.md"

OTHERS = Path(__file__).with_name("other_variables.tsv")
"""What has no settings class: section of the page, variable, default, meaning."""


_INTRODUCTION = """\
# Configuration

Generated from the settings classes by `make docs`; change their docstrings there.

Every process reads its settings from the environment once, at its start, and ends with the name of a variable
that it cannot read. A variable that begins with `MEDMESH_` and is none of these is named in a warning, with
the nearest one that exists. `medmesh up` and compose read `.env` too; the environment overrides it."""


def other_variables() -> list[tuple[str, str, str, str]]:
    """The rows of `other_variables.tsv`."""
    _, *rows = OTHERS.read_text(encoding="utf-8").splitlines()
    return [(section, name, default, meaning) for section, name, default, meaning in map(_cells, rows)]


def _cells(row: str) -> list[str]:
    return row.split("\t")


def settings_classes() -> dict[str, type[ServiceSettings]]:
    """Name of each service -> its settings."""
    found = {}
    for name in TOPOLOGY.services:
        module = importlib.import_module(f"services.{name}.settings")
        found[name] = next(
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, ServiceSettings)
            and kind.__module__ == module.__name__
        )
    return found


def door_settings_classes() -> dict[str, type[Settings]]:
    """Name of each door -> its settings."""
    found = {}
    for name in TOPOLOGY.doors:
        module = importlib.import_module(f"clients.{name}.settings")
        found[name] = next(
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, Settings) and kind.__module__ == module.__name__
        )
    return found


def variables() -> list[str]:
    """Every variable of the mesh, sorted."""
    named = {name for _, name, _, _ in other_variables()} | {
        port_variable(name) for name in (*TOPOLOGY.services, *TOPOLOGY.doors)
    }
    named |= {metrics_variable(name) for name in TOPOLOGY.services}
    kinds: list[type[Settings]] = [
        *settings_classes().values(),
        *door_settings_classes().values(),
        MeshSettings,
        TritonSettings,
    ]
    for kind in kinds:
        named |= {kind.key(field.name) for field in dataclasses.fields(kind)}
    return sorted(named - {""})


def page() -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION, "## Every service\n\n" + _table(ServiceSettings, skip=set())]
    common = {field.name: field.default for field in dataclasses.fields(ServiceSettings)}
    for name, kind in settings_classes().items():
        same = {f.name for f in dataclasses.fields(kind) if f.name in common and f.default == common[f.name]}
        parts.append(f"## The {name} service\n\n" + _table(kind, skip=same))
    for name, door in door_settings_classes().items():
        parts.append(f"## The door {name}\n\n" + _table(door, skip=set()))
    parts.append("## `medmesh up`\n\n" + "\n".join([_table(MeshSettings, skip=set()), *_port_rows()]))
    parts.append("## The embedded Triton\n\n" + _table(TritonSettings, skip={"repository"}))
    for title, rows in itertools.groupby(other_variables(), key=lambda row: row[0]):
        lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {default} | {meaning} |" for _, name, default, meaning in rows]
        parts.append(f"## {title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def write() -> None:
    """Writes the page and the list of variables."""
    PAGE.write_text(page(), encoding="utf-8")
    environment.KNOWN.write_text("\n".join(variables()) + "\n", encoding="utf-8")


def _port_rows() -> list[str]:
    values = _values(int, dict(zip(("low", "high"), PORTS, strict=True)))
    return [
        f"| `{port_variable(name)}` | {part.port} | {values} | Port of the {kind} {name}; 0: a free one |"
        for kind, parts in (("service", TOPOLOGY.services), ("door", TOPOLOGY.doors))
        for name, part in parts.items()
    ] + [
        f"| `{metrics_variable(name)}` | {part.metrics_port} | {values} | Port of {name}'s `/metrics` |"
        for name, part in TOPOLOGY.services.items()
    ]


def _table(kind: type[Settings], skip: set[str]) -> str:
    meanings = dict(docstrings(kind))
    hints = get_type_hints(kind)
    lines = ["| Variable | Default | Values | Meaning |", "|---|---|---|---|"]
    for item in dataclasses.fields(kind):
        if item.name in skip or not kind.key(item.name):
            continue
        meaning = meanings.get(item.name, "").replace("|", "\\|")
        values = _values(hints[item.name], item.metadata)
        lines.append(f"| `{kind.key(item.name)}` | {_shown(item.default)} | {values} | {meaning} |")
    return "\n".join(lines)


def docstrings(kind: type) -> Iterator[tuple[str, str]]:
    """Each field of a class and the docstring under it; those of its bases first."""
    for base in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(tree, ast.ClassDef)  # noqa: S101 - it is the source of a class
        for statement, after in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                yield statement.target.id, " ".join(str(after.value.value).split())


def _shown(default: Any) -> str:
    if default is None or default == "":
        return "none"
    if isinstance(default, bool):
        return "1" if default else "0"
    if isinstance(default, tuple):
        return ", ".join(map(_shown, default)) or "none"
    if isinstance(default, Path):
        return str(default.relative_to(ROOT) if default.is_relative_to(ROOT) else default)
    return str(default)


def _values(hint: Any, bounds: Any) -> str:
    if "low" in bounds:
        return f"{bounds['low']:,g} to {bounds['high']:,g}"
    if get_origin(hint) in {Union, types.UnionType}:
        hint = next(a for a in get_args(hint) if a is not type(None))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(hint)
    if get_origin(hint) is tuple:
        return "folders, as in PATH" if get_args(hint)[0] is Path else "words, with commas or spaces between"
    return {bool: "0 or 1", Path: "a path", str: "text", int: "whole number", float: "number"}.get(
        hint, "text"
    )
