"""Any ONNX file, as it is; only its inputs and outputs may get better names. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import onnx

from training.importing.config import ROWS, Traffic
from training.importing.graph import LENGTHS, Arrays, load, random_inputs, rename, runner, tensors_of
from training.importing.paths import Facts


class OnnxFile:
    """One ONNX file (`training.importing.source.Source`); `names` maps old tensor names to new ones."""

    known: Facts = {}  # noqa: RUF012 - nothing is known, and nobody adds to it
    traffic: Traffic = ROWS
    questions: Mapping[str, str] = MappingProxyType(
        {
            "serving": "Which task has it, and what do its tensors and labels mean (docs/model-folder.md)? "
            "The answer is long; say it in a file (--card-fields), under [serving]."
        }
    )

    def __init__(self, path: Path, names: Mapping[str, str], files: Sequence[Path] = ()) -> None:
        """`files`: what else the card names, such as a tokenizer."""
        self.files: Mapping[str, bytes] = {file.name: file.read_bytes() for file in files}
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
