"""What a model said of each slice -> its one answer on the series.

The answer rests on the slices that the gates accept. A slice that they do not accept, as the first and the
last of a head often are not, is no reason to withhold the rest; but where such a slice would have changed the
answer, that is told, with its place, and asks for review.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from services.chassis.notices import Notice
from services.imaging.results import ModelResult
from services.imaging.series.aggregation import aggregate
from services.imaging.series.reading import Series
from services.imaging.series.scanning import Scan
from services.imaging.tasks.classification import ImageClassifier
from services.imaging.tasks.gate import GateVerdict, Rejection, sentence
from services.imaging.tasks.reading import KeySlice, Reading, VolumeReader


def answer(model: ImageClassifier, series: Series, scan: Scan) -> ModelResult:
    """The model's answer, without heat maps; it reads series, and is among those that `scan` scored."""
    rule = model.slices
    if rule is None:
        raise ValueError(f"{model.name} reads no series")
    kinds = model.applies_to.gate_kinds
    judging, rejections = _judged(kinds, scan)
    accepted = [index for index, reasons in enumerate(rejections) if not reasons]
    scored = scan.scored[model.name]
    conspicuous = model.conspicuousness(scored.probabilities)
    counted = np.array(accepted or range(len(series)), dtype=np.intp)
    found = aggregate(scored.probabilities[counted], rule.top_count, normal=model.normal)
    strongest_first = np.argsort(-conspicuous[counted].max(axis=1, initial=0.0), kind="stable")
    keys = counted[strongest_first][: rule.key_slice_count]
    # The probabilities are calibrated for single slices, and so are the sets.
    reading = replace(
        model.reading(found.probabilities, scored.provenance),
        calibrated=False,
        prediction_set=None,
        coverage=0.0,
        key_slices=[_key_slice(model, series, int(index), scored.probabilities[index]) for index in keys],
    )
    notices = [_NOT_CALIBRATED]
    if kinds and not all(judging):
        notices.append(_NOT_JUDGED)
    rejected = [index for index, reasons in enumerate(rejections) if reasons]
    if accepted and rejected:
        # The weakest slices that count: one that is more conspicuous would have taken its place.
        weakest = (
            np.sort(conspicuous[counted], axis=0)[-rule.top_count]
            if len(counted) >= rule.top_count
            else -np.inf
        )
        notices.append(_not_accepted(rejected, [i for i in rejected if (conspicuous[i] > weakest).any()]))
    everywhere = () if accepted else tuple(dict.fromkeys(r for reasons in rejections for r in reasons))
    if everywhere:
        notices.append(Notice("IMAGE_NOT_ACCEPTED", sentence(everywhere), review_required=True))
    return ModelResult(
        reading,
        any(judging) if kinds else None,
        everywhere,
        [replace(notice, model_name=model.name) for notice in notices],
    )


def answer_of_volume(model: VolumeReader, reading: Reading, scan: Scan) -> ModelResult:
    """What the model found in the whole; rejected where the gates accept less than half of the slices."""
    kinds = model.applies_to.gate_kinds
    judging, rejections = _judged(kinds, scan)
    accepted_count = sum(not reasons for reasons in rejections)
    rejected: tuple[Rejection, ...] = ()
    notices = [] if all(judging) or not kinds else [_NOT_JUDGED]
    if 2 * accepted_count < len(rejections):
        rejected = tuple(dict.fromkeys(r for reasons in rejections for r in reasons))
        notices.append(Notice("IMAGE_NOT_ACCEPTED", sentence(rejected), review_required=True))
    return ModelResult(
        reading,
        any(judging) if kinds else None,
        rejected,
        [replace(notice, model_name=model.name) for notice in notices],
    )


def _judged(kinds: frozenset[str], scan: Scan) -> tuple[list[list[GateVerdict]], list[tuple[Rejection, ...]]]:
    """Of each slice the verdicts on being one of `kinds`, and why it is not accepted."""
    judging = [[v for v in of_slice if v.known & kinds] for of_slice in scan.verdicts]
    rejections = [
        tuple(dict.fromkeys(r for verdict in of_slice for r in verdict.rejections(kinds)))
        for of_slice in judging
    ]
    return judging, rejections


def _key_slice(
    model: ImageClassifier, series: Series, index: int, probabilities: npt.NDArray[np.float64]
) -> KeySlice:
    place = series.slices[index]
    return KeySlice(index, place.instance_number, place.sop_instance_uid, model.findings(probabilities))


def _not_accepted(rejected: Sequence[int], missed: Sequence[int]) -> Notice:
    """`missed`: those of the rejected that would have changed the answer."""
    count = f"{len(rejected)} slices were" if len(rejected) > 1 else "1 slice was"
    if not missed:
        return Notice(
            "SERIES_SLICES_NOT_ACCEPTED",
            f"{count} not accepted by the image gate and did not count; none would have changed the answer.",
        )
    return Notice(
        "SERIES_SLICES_NOT_ACCEPTED",
        f"{count} not accepted by the image gate and did not count, though {len(missed)} of them would have "
        "changed the answer.",
        review_required=True,
        places=tuple(f"slices[{index}]" for index in missed),
    )


_NOT_CALIBRATED = Notice(
    "SERIES_NOT_CALIBRATED",
    "The model's probabilities are calibrated for single slices; over a series the highest of them are not.",
    review_required=True,
)
_NOT_JUDGED = Notice(
    "IMAGE_NOT_JUDGED",
    "The image gate did not answer: whether the image is what the model reads was not judged.",
    review_required=True,
)
