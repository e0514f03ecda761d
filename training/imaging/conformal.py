"""Prediction sets with a threshold of its own for each class.

One threshold for all classes covers 90 % of all cases, and fewer of the class that is hard to tell. With one
a class the promise holds for each (Mondrian conformal prediction: Vovk, Gammerman and Shafer 2005, section
4.5; Sadinle, Lei and Wasserman, JASA 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.serving_pb2 import Conformal
from training.figures import conformal_quantile
from training.imaging.figures import Floats, Ints

COVERAGE = 0.9
FOLDS = 10


def class_minimums(probabilities: Floats, labels: Ints, coverage: float = COVERAGE) -> Floats:
    """The least probability with which each label is in the set, `[classes]`; from probabilities `[n,
    classes]` of cases that training did not see.
    """
    own = [probabilities[labels == label, label] for label in range(probabilities.shape[1])]
    return np.array([1 - conformal_quantile(1 - truth, coverage) for truth in own])


def cross_fitted_members(
    probabilities: Floats, labels: Ints, groups: Ints, coverage: float = COVERAGE, seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Which labels are in each case's set, `[n, classes]`, by thresholds of other patients (`groups`)
    only.
    """
    persons = np.random.default_rng(seed).permutation(np.unique(groups))
    members = np.zeros(probabilities.shape, dtype=bool)
    for part in np.array_split(persons, FOLDS):
        held = np.isin(groups, part)
        members[held] = probabilities[held] >= class_minimums(probabilities[~held], labels[~held], coverage)
    return members


def conformal_of(names: Sequence[str], minimums: Floats, coverage: float = COVERAGE) -> Conformal:
    """What the card holds of it."""
    thresholds = [
        Conformal.Threshold(label=name, max_improbability=round(1 - float(value), 6))
        for name, value in zip(names, minimums, strict=True)
    ]
    return Conformal(coverage=coverage, thresholds=thresholds)


def minimums_sentence(names: Sequence[str], minimums: Floats) -> str:
    """For the card."""
    each = ", ".join(f"{name} from {value:.3f}" for name, value in zip(names, minimums, strict=True))
    return f"a label is in the set by its own least probability ({each})"
