"""The model repository: one or more folders that hold one folder a model.

    <model>/config.pbtxt        what Triton is told
    <model>/metadata.json       the card of one version, by default of version 1
    <model>/<number>/model.onnx the weights of a version
    <model>/<number>/metadata.json   the card of that version, where the model's own describes another one
    <model>/aliases.json        which version answers, and which one is the candidate (optional)

Of several folders the first one that has a model's name counts; the others are logged as unused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

CARD = "metadata.json"
CONFIG = "config.pbtxt"
WEIGHTS = "model.onnx"
WEIGHTS_OF_BACKENDS = MappingProxyType({"python": "model.py", "vllm": "model.json"})
"""The file that these backends load where the configuration names none; the others load `WEIGHTS`. vLLM's
says where the weights lie."""
ALIASES = "aliases.json"
DIGEST_PARAMETER = "medmesh.weights_sha256."
"""Key of a parameter of the configuration, before the number of a version: the digest of its weights."""
LOAD_PARAMETER, ON_FIRST_USE = "medmesh.load", "on_first_use"
"""Key and value of a parameter of the configuration: the embedded Triton loads the model when it is first
asked for."""
EMBEDDED_ID = "medmesh-embedded-triton"
"""Name under which the embedded Triton introduces itself: its backend digests the weights that it loads."""


@dataclass(frozen=True)
class ModelFolder:
    """One model as it lies in the repository."""

    name: str
    path: Path
    place: int = 0
    """Number of the repository's folder that it lies in."""
    shadowed: tuple[Path, ...] = ()
    """Folders of the same name further back in the repository: they are not used."""


def model_folders(repository: Iterable[Path]) -> dict[str, ModelFolder]:
    """The models of the repository by name. A folder counts as a model's when it has a card or a
    configuration.

    A repository folder that is not there holds no models: it may be mounted later.
    """
    found: dict[str, ModelFolder] = {}
    for place, parent in enumerate(repository):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            if path.name.startswith(".") or not any((path / name).is_file() for name in (CARD, CONFIG)):
                continue
            first = found.get(path.name)
            if first is None:
                found[path.name] = ModelFolder(path.name, path, place)
            else:
                found[path.name] = replace(first, shadowed=(*first.shadowed, path))
    return found
