"""The head-CT slices: files and labels; one slice a patient, so that a split by slice is a split by
patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.imaging.decoding import decode_image
from services.imaging.grey import Grey
from training.data_folder import data_folder
from training.imaging.declared import preparation, side_px

SIDE_PX = side_px("head_ct")
LABELS = ("normal", "intracranial_haemorrhage")
FOLDERS = ("normal", "hemorrhage")


@dataclass(frozen=True)
class Slices:
    """Slices in name order, `labels` 1 for haemorrhage."""

    files: list[Path]
    labels: npt.NDArray[np.int64]

    def greys(self) -> list[Grey]:
        """Each slice as its file shows it, uint8 `[height, width]`."""
        return [decode_image(file.read_bytes()).grey for file in self.files]

    def inputs(self) -> npt.NDArray[np.uint8]:
        """uint8 `[n, side, side]`, by the steps of the card, which serve a request."""
        prepare = preparation("head_ct")
        return np.stack([prepare(decode_image(file.read_bytes()))[0] for file in self.files])


def load(root: Path | None = None) -> Slices:
    """All slices."""
    folder = (root or data_folder()) / "head_ct"
    files, labels = [], []
    for label, name in enumerate(FOLDERS):
        found = sorted((folder / name).glob("*.png"))
        files += found
        labels += [label] * len(found)
    if not files:
        raise FileNotFoundError(f"no slices under {folder}; set MEDMESH_DATA")
    return Slices(files, np.array(labels, dtype=np.int64))
