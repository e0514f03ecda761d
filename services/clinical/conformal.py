"""Conformal prediction sets: the labels that cannot be ruled out at the coverage of their calibration.

A label stays while its nonconformity (any number that grows the less the case looks like that label) is at
most the limit found on calibration cases (Vovk, Gammerman and Shafer 2005; Sadinle, Lei and Wasserman, JASA
2019). Whether limits are found for each label or for each group of cases (Mondrian) is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Mapping


def not_ruled_out(nonconformity: Mapping[str, float], limits: Mapping[str, float]) -> tuple[str, ...]:
    """The labels whose nonconformity is at most their limit, in the order of `nonconformity`.

    Empty where nothing fits, and several where the case is ambiguous. `limits` names every label.
    """
    return tuple(label for label, value in nonconformity.items() if value <= limits[label])
