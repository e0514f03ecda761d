"""The paediatric chest radiographs: files, labels, patients, and the split that keeps a patient on one
side.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.imaging.decoding import decode_image
from services.imaging.grey import Grey
from services.imaging.preprocessing.resizing import resized
from training.data_folder import data_folder
from training.imaging.declared import side_px

SIDE_PX = side_px("chest_xray")
LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia")
FOLDERS = ("normal", "bacterial", "viral")
CALIBRATION_SHARE = 0.1
"""Of the training patients; used for early stopping, temperature and conformal thresholds, never for the
weights."""


@dataclass(frozen=True)
class Radiographs:
    """Images in the order of `files`; `patients` holds one integer a person, so that bootstraps draw
    persons.
    """

    files: list[Path]
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]

    def images(self, side_px: int) -> npt.NDArray[np.uint8]:
        """uint8 `[n, side_px, side_px]`, stretched by the code that serves a request."""
        return np.stack([resized(read_grey(file), side_px, side_px) for file in self.files])

    def take(self, chosen: npt.NDArray[np.bool_]) -> Radiographs:
        indices = np.flatnonzero(chosen)
        return Radiographs([self.files[i] for i in indices], self.labels[indices], self.patients[indices])


def read_grey(file: Path) -> Grey:
    """The pixels of one file, decoded as a request's are."""
    return decode_image(file.read_bytes()).grey


def patient_of(file: Path) -> str:
    """The person a file name carries: `person12_virus_3.jpg` -> `person12`, `NORMAL2-IM-0042-0001.jpg` ->
    `NORMAL2-IM-0042`.

    A person number that appears under both germs counts as one person; that can only make the split stricter.
    """
    match = re.match(r"person\d+|(?:NORMAL2-)?IM-\d+", file.stem)
    if match is None:
        raise ValueError(f"no person in the file name {file.name}")
    return match.group()


def load(split: str, root: Path | None = None) -> Radiographs:
    """All images of `train` or `val`, in name order."""
    folder = (root or data_folder()) / "chest_xray" / split
    files, labels = [], []
    for label, name in enumerate(FOLDERS):
        found = sorted((folder / name).glob("*.jpg"))
        files += found
        labels += [label] * len(found)
    if not files:
        raise FileNotFoundError(f"no radiographs under {folder}; set MEDMESH_DATA")
    names = sorted({patient_of(f) for f in files})
    number = {name: i for i, name in enumerate(names)}
    return Radiographs(
        files, np.array(labels, dtype=np.int64), np.array([number[patient_of(f)] for f in files])
    )


def split_calibration(train: Radiographs) -> tuple[Radiographs, Radiographs]:
    """Training images -> (fitted on, calibration): a hash of the person decides, the same on every
    machine.
    """
    digests = [hashlib.sha256(patient_of(f).encode()).digest() for f in train.files]
    held = np.array([int.from_bytes(d[:4], "big") / 2**32 < CALIBRATION_SHARE for d in digests])
    return train.take(~held), train.take(held)
