"""What a model repository must hold before Triton is started on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bootstrap import Missing

if TYPE_CHECKING:
    from collections.abc import Sequence


def model_names(repository: Path) -> list[str]:
    """The models in a repository: Triton takes each of its folders for one. Sorted."""
    return sorted(folder.name for folder in repository.glob("*") if folder.is_dir())


def check(repository: Path, models: Sequence[str]) -> None:
    """Raises Missing where a model's folder, configuration or weights are not there."""
    if not repository.is_dir():
        raise Missing(f"there is no model repository at {repository}.")
    if not models:
        raise Missing(f"the model repository {repository} holds no model (a folder with a config.pbtxt).")
    for name in models:
        config = repository / name / "config.pbtxt"
        if not config.is_file():
            raise Missing(f"the model {name} has no {config}.")
        weights = weights_path(config)
        if weights is None:
            raise Missing(
                f"the model {name} has no version folder with weights (expected "
                f"{repository / name / '1' / 'model.onnx'})."
            )
        if not weights.is_file() or weights.stat().st_size == 0:
            raise Missing(
                f"the weights of the model {name} are missing: {weights}; "
                f"`make train MODEL={name}` makes them."
            )


def weights_path(config: Path) -> Path | None:
    """The weights of the highest version, by default Triton's choice; None where there is no version
    folder.
    """
    found = re.search(r'^\s*default_model_filename\s*:\s*"([^"]+)"', config.read_text(), re.MULTILINE)
    versions = [
        int(folder.name) for folder in config.parent.iterdir() if folder.is_dir() and folder.name.isdecimal()
    ]
    if not versions:
        return None
    return config.parent / str(max(versions)) / (found.group(1) if found else "model.onnx")
