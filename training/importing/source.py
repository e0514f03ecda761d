"""What the reader of one kind of model provides; `training.importing.importer` does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from training.importing.config import Traffic
from training.importing.graph import Arrays
from training.importing.paths import Facts


class Source(Protocol):
    """A model as it was found."""

    @property
    def known(self) -> Facts:
        """What of the card follows from the model itself, or is proposed."""

    @property
    def tensors(self) -> Sequence[str]:
        """Tensors that the card must describe, as `inputs.image`."""

    @property
    def traffic(self) -> Traffic:
        """How its requests are batched."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """Files that will lie beside the weights, by name."""

    @property
    def questions(self) -> Mapping[str, str]:
        """What else of the card only the user knows, by path: the question. An empty list is an answer."""

    def export(self, target: Path) -> None:
        """Writes the ONNX file."""

    def examples(self) -> list[Arrays]:
        """Random inputs of several sizes to compare on."""

    def reference(self, inputs: Arrays) -> Arrays:
        """What the source computes of them."""
