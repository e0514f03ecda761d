"""The folder that the embedded Triton loads from: a link for each model of the repository's folders, kept
as they are.

Triton looks at its repository when it is told to load a model, so a folder that is dropped in, or taken
out, is seen without a restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from services.chassis.models.repository import (
    CONFIG,
    LOAD_PARAMETER,
    ON_FIRST_USE,
    WEIGHTS,
    WEIGHTS_OF_BACKENDS,
    model_folders,
)
from tools.bootstrap import Missing


def model_names(repository: Path) -> list[str]:
    """The models in one folder of a repository, sorted."""
    return sorted(model_folders([repository]))


def onnxruntime_models(repository: Path) -> list[str]:
    """Those of them that ONNX Runtime's own backend runs, which alone have a configuration for TensorRT."""
    backend = re.compile(r'^\s*backend\s*:\s*"onnxruntime"', re.MULTILINE)
    return [
        name
        for name in model_names(repository)
        if backend.search((repository / name / CONFIG).read_text(encoding="utf-8"))
    ]


def check(repository: Sequence[Path], models: Iterable[str] = ()) -> dict[str, str]:
    """Why each model cannot be loaded, for those that cannot. Raises Missing where that leaves none.

    `models`: the only ones that count, which have to be there.
    """
    found = model_folders(repository)
    wanted = list(models)
    names = wanted or list(found)
    places = ", ".join(map(str, repository))
    if not names:
        raise Missing(f"the model repository {places} holds no model (a folder with a {CONFIG}).")
    problems = {}
    for name in names:
        problem = _problem(found[name].path) if name in found else f"it is not in {places}"
        if problem:
            problems[name] = problem
    unloadable = [name for name in names if name in problems]
    if (wanted and unloadable) or len(unloadable) == len(names):
        raise Missing(f"the model {unloadable[0]} cannot be loaded: {problems[unloadable[0]]}.")
    return problems


def loads_on_first_use(folder: Path) -> bool:
    """Whether the model's configuration lets it be loaded when it is first asked for."""
    stated = rf'"{re.escape(LOAD_PARAMETER)}"\s+value\s*:?\s*{{\s*string_value\s*:\s*"{ON_FIRST_USE}"'
    return re.search(stated, (folder / CONFIG).read_text(encoding="utf-8")) is not None


def weights_path(config: Path) -> Path | None:
    """The weights of the highest version, by default Triton's choice; None where there is no version
    folder.
    """
    text = config.read_text()
    named = _value(text, "default_model_filename")
    versions = [
        int(folder.name) for folder in config.parent.iterdir() if folder.is_dir() and folder.name.isdecimal()
    ]
    if not versions:
        return None
    name = named or WEIGHTS_OF_BACKENDS.get(_value(text, "backend"), WEIGHTS)
    return config.parent / str(max(versions)) / name


class Links:
    """Triton's repository folder: links to the models' own folders."""

    def __init__(self, folder: Path, repository: Sequence[Path], models: Iterable[str] = ()) -> None:
        """`models`: the only ones to link; none named: all."""
        self.folder = folder
        self._repository = tuple(repository)
        self._models = frozenset(models)
        folder.mkdir()
        self.refresh()

    def refresh(self) -> None:
        """Makes the links those of the repository as it is now."""
        wanted = {
            name: found.path.resolve()
            for name, found in model_folders(self._repository).items()
            if not self._models or name in self._models
        }
        for link in self.folder.iterdir():
            if link.name not in wanted:
                link.unlink()
        for name, target in wanted.items():
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(target)
            elif link.readlink() != target:
                fresh = self.folder.parent / f".{name}"  # beside it, or Triton might take it for a model
                fresh.symlink_to(target)
                fresh.replace(link)


def _value(text: str, key: str) -> str:
    """A text of the configuration's first level; empty: not given."""
    found = re.search(rf'^\s*{key}\s*:\s*"([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else ""


def _problem(folder: Path) -> str:
    config = folder / CONFIG
    if not config.is_file():
        return f"it has no {config}"
    weights = weights_path(config)
    if weights is None:
        return f"it has no version folder with weights (expected {folder / '1' / 'model.onnx'})"
    if not weights.is_file() or weights.stat().st_size == 0:
        return (
            f"its weights are missing ({weights}; `make train MODEL={folder.name}` makes a shipped model's)"
        )
    return ""
