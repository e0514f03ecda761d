"""The patients that a record is compared with: a file beside the model (`reference.npz`).

It has representations, names, and the conditions that the encoder reconstructs from each representation. It
holds no record.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class ReferencePopulation:
    """Patients to compare with."""

    ids: tuple[str, ...]
    representations: NDArray[np.float32]
    """[n, width], of unit length."""
    conditions: NDArray[np.bool_]
    """[n, conditions of the vocabulary]: those that the encoder reconstructs with a probability of a half or
    more.
    """

    @classmethod
    def load(cls, path: Path) -> ReferencePopulation:
        """Read `reference.npz`."""
        with np.load(path, allow_pickle=False) as content:
            representations = content["representations"].astype(np.float32)
            count = int(content["condition_count"])
            conditions = np.unpackbits(content["conditions"], axis=1, count=count).astype(np.bool_)
            return cls(tuple(content["ids"].tolist()), representations, conditions)

    def save(self, path: Path) -> None:
        """Write `reference.npz`; half precision is enough for a cosine."""
        np.savez_compressed(
            path,
            ids=np.array(self.ids),
            representations=self.representations.astype(np.float16),
            conditions=np.packbits(self.conditions, axis=1),
            condition_count=self.conditions.shape[1],
        )
