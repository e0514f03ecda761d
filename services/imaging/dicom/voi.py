"""The value-of-interest transformation (PS3.3 C.11.2): values -> grey levels, by the file's window or table.

Like the modality transformation it is computed for every value that there can be, not for every pixel. A file
without either is shown over the range that its pixels take, which is said in a notice: an eight-bit file as
it is.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from services.chassis.notices import Notice
from services.imaging.dicom.attributes import Decimals, contradicting, decimals, items, macro, repaired, text
from services.imaging.dicom.modality import ModalityValues
from services.imaging.dicom.tables import Numbers, read_table

WHITE = 255.0
LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


def display(modality: ModalityValues, dataset: Dataset, notices: list[Notice]) -> Numbers | None:
    """Grey levels in [0, 255] of each value; None when the file has no window and no table that can be
    used.
    """
    values = modality.values
    group = macro(dataset, "FrameVOILUTSequence")
    center, width = decimals(group, "WindowCenter"), decimals(group, "WindowWidth")
    tables = items(dataset, "VOILUTSequence")
    if tables:
        if len(tables) > 1 or center.values:
            notices.append(
                _chosen("the first table", "VOILUTSequence", *(["WindowCenter"] if center.values else []))
            )
        table = read_table(tables[0], signed_input=modality.may_be_negative)
        if not table.bits_as_stated:
            notices.append(
                contradicting("A table's entries exceed its stated bits.", "VOILUTSequence", "LUTDescriptor")
            )
        grey: Numbers = table(values) * (WHITE / (2**table.bits - 1))
        return grey
    if not (center.values or width.values):
        return None
    return _windowed(values, center, width, text(group, "VOILUTFunction"), notices)


def _windowed(
    values: Numbers, center: Decimals, width: Decimals, function: str, notices: list[Notice]
) -> Numbers | None:
    for numbers, keyword in ((center, "WindowCenter"), (width, "WindowWidth")):
        if numbers.repaired:
            notices.append(repaired(keyword))
    if center.first is None or width.first is None or width.first <= 0:
        notices.append(_UNUSABLE)
        return None
    if len(center.values) > 1 or len(width.values) > 1:
        notices.append(_chosen("the first window", "WindowCenter", "WindowWidth"))
    if function not in {"", LINEAR, LINEAR_EXACT, SIGMOID}:
        notices.append(
            contradicting(
                "The file names a VOI LUT Function that is not known; LINEAR was taken.", "VOILUTFunction"
            )
        )
    if function == SIGMOID:
        return sigmoid(values, center.first, width.first)
    if function == LINEAR_EXACT:
        return linear_exact(values, center.first, width.first)
    if width.first < 1:  # C.11.2.1.2.1 allows none below 1; values of such a small range are meant exactly
        notices.append(
            contradicting(
                "The window is narrower than LINEAR allows; it was taken as LINEAR_EXACT.",
                "WindowWidth",
                "VOILUTFunction",
            )
        )
        return linear_exact(values, center.first, width.first)
    return linear(values, center.first, width.first)


def linear(values: Numbers, center: float, width: float) -> Numbers:
    """PS3.3 C.11.2.1.2.1: counts in whole values, so that a width of 1 is a threshold."""
    if width == 1:
        return np.where(values <= center - 0.5, 0.0, WHITE)
    return np.clip(((values - (center - 0.5)) / (width - 1) + 0.5) * WHITE, 0.0, WHITE)


def linear_exact(values: Numbers, center: float, width: float) -> Numbers:
    """PS3.3 C.11.2.1.3.2."""
    return np.clip(((values - center) / width + 0.5) * WHITE, 0.0, WHITE)


def sigmoid(values: Numbers, center: float, width: float) -> Numbers:
    """PS3.3 C.11.2.1.3.1."""
    steepness = np.clip(-4 * (values - center) / width, -60, 60)
    grey: Numbers = WHITE / (1 + np.exp(steepness))
    return grey


def _chosen(taken: str, *keywords: str) -> Notice:
    return Notice(
        "WINDOW_CHOSEN",
        f"The file offers several ways to show its values; {taken} was taken.",
        places=keywords,
    )


_UNUSABLE = Notice(
    "WINDOW_NOT_USABLE",
    "The window of the file cannot be used; its grey scale was measured from the pixels instead.",
    review_required=True,
    places=("WindowCenter", "WindowWidth"),
)
