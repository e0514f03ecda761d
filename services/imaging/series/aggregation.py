"""What a model says of each slice -> what it says of the series, and the slices that this rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Aggregated:
    """One answer from many slices."""

    probabilities: Probabilities
    """`[labels]`."""
    ranking: npt.NDArray[np.intp]
    """`[labels, slices]`: for each label the slices, the most conspicuous for it first."""


def aggregate(probabilities: Probabilities, top_count: int, *, normal: int | None = None) -> Aggregated:
    """The mean of the `top_count` most conspicuous slices; of 1 it is the maximum.

    `probabilities`: `[slices, labels]` of at least one slice. Where labels exclude each other, `normal` is
    the index of the label that says that nothing is there: the slices that are least like it are conspicuous,
    and their mean stays a distribution. Where they do not (None), every label has conspicuous slices of its
    own. Raises ValueError on no slices and on a count below 1.
    """
    slice_count, label_count = probabilities.shape
    if not slice_count or top_count < 1:
        raise ValueError("at least one slice counts")
    conspicuous = (
        probabilities if normal is None else np.repeat(-probabilities[:, [normal]], label_count, axis=1)
    )
    ranking = np.argsort(-conspicuous, axis=0, kind="stable")
    top = np.take_along_axis(probabilities, ranking[:top_count], axis=0)
    return Aggregated(top.mean(axis=0), ranking.T)
