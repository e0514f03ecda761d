"""Any ONNX file, as it is; only its inputs and outputs may get better names. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from training.importing.config import ROWS, Traffic
from training.importing.facts import Facts
from training.importing.graph import LENGTHS, Arrays, load, random_inputs, rename, runner, tensors_of


class OnnxFile:
    """One ONNX file (`training.importing.source.Source`); `names` maps old tensor names to new ones."""

    known: Facts = {}  # noqa: RUF012 - nothing is known, and nobody adds to it
    traffic: Traffic = ROWS
    files: Mapping[str, Path] = {}
    use = "services/<service>/models.py: this spec among the SPECS, and the code that reads its answer."

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self._path, self._names = path, dict(names)
        self._model = load(path)
        rename(self._model, self._names)
        self._inputs, self._outputs = tensors_of(self._model)
        self.tensors = [
            *(f"inputs.{tensor.name}" for tensor in self._inputs),
            *(f"outputs.{tensor.name}" for tensor in self._outputs),
        ]

    def export(self, target: Path) -> None:
        if self._names:
            onnx.save(self._model, str(target))
        else:
            target.write_bytes(self._path.read_bytes())

    def examples(self) -> list[Arrays]:
        return [
            random_inputs(self._inputs, rows, length) for rows, length in zip((1, 3), LENGTHS, strict=True)
        ]

    def reference(self, inputs: Arrays) -> Arrays:
        """What the file computes as it came."""
        old = {new: name for name, new in self._names.items()}
        run, _ = runner(self._path)
        answers = run({old.get(name, name): array for name, array in inputs.items()})
        return {self._names.get(name, name): array for name, array in answers.items()}
