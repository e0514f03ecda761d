"""The files of a MONAI bundle, and what its configuration says without running any of it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from training.importing import Refused

METADATA, INFERENCE = "configs/metadata.json", "configs/inference.json"
LARGEST_JSON = 4_000_000
"""Bytes; no configuration comes near it."""


class Bundle:
    """A bundle in a folder or a zip; in a zip it may lie in a folder of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, str] = {}
        if path.is_file():
            if not zipfile.is_zipfile(path):
                raise Refused(f"{path} is neither a folder nor a zip")
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            [root] = {name.removesuffix(METADATA) for name in names if name.endswith(METADATA)} or {""}
            self._members = {name.removeprefix(root): name for name in names if name.startswith(root)}
        self.metadata = self._json(METADATA)
        self.inference = self._json(INFERENCE)

    def read(self, name: str) -> bytes | None:
        """A file of the bundle; None where it has none of that name."""
        if self._path.is_dir():
            path = self._path / PurePosixPath(name)
            return path.read_bytes() if path.is_file() else None
        if name not in self._members:
            return None
        with zipfile.ZipFile(self._path) as archive:
            return archive.read(self._members[name])

    def value(self, key: str) -> Any:
        """An entry of `configs/inference.json` with its references (`@…`) put in; None: there is none."""
        return self._resolved(self.inference.get(key), key, ())

    def _resolved(self, value: Any, where: str, seen: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: self._resolved(item, f"{where}.{name}", seen) for name, item in value.items()}
        if isinstance(value, list):
            return [self._resolved(item, f"{where}.{n}", seen) for n, item in enumerate(value)]
        if isinstance(value, str) and value.startswith("@"):
            if value in seen:
                raise Refused(f"{INFERENCE}: {value} refers to itself")
            return self._resolved(self._at(value), where, (*seen, value))
        return value

    def _at(self, reference: str) -> Any:
        at: Any = self.inference
        for step in re.split(r"#|::", reference.removeprefix("@")):
            try:
                at = at[int(step)] if isinstance(at, list) else at[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Refused(f"{INFERENCE} refers to {reference}, which it does not have") from None
        return at

    def _json(self, name: str) -> dict[str, Any]:
        content = self.read(name)
        if content is None:
            raise Refused(f"{self._path} is no MONAI bundle: {name} is missing")
        if len(content) > LARGEST_JSON:
            raise Refused(f"{name} is larger than any configuration")
        try:
            read = json.loads(content)
        except ValueError as error:
            raise Refused(f"{name} is no JSON") from error
        if not isinstance(read, dict):
            raise Refused(f"{name} is no JSON object")
        return read


def is_code(value: Any) -> bool:
    """Whether a value of the configuration, or a part of it, is an expression that MONAI would run."""
    if isinstance(value, dict):
        return any(is_code(item) for item in value.values())
    if isinstance(value, list):
        return any(is_code(item) for item in value)
    return isinstance(value, str) and value.startswith("$")


def target(component: Any) -> str:
    """The name of what a component of the configuration makes, without its module; empty: it is none."""
    name = component.get("_target_") if isinstance(component, dict) else ""
    return str(name or "").rpartition(".")[2]
