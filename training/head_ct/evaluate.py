"""The figures of `head_ct` from its cross-validation: `python -m training.head_ct.evaluate [--run DIR]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from medmesh.common.v1.model_card_pb2 import Metric
from training.figures import calibration_error, metric
from training.head_ct.data import LABELS, load
from training.head_ct.train import RUN
from training.imaging.conformal import COVERAGE, class_minimums, cross_fitted_members
from training.imaging.figures import Floats, Ints, auroc, fit_temperature, show


def read_logits(work: Path) -> npt.NDArray[np.float64]:
    """Held-out logits `[repeats, n, 2]` that training left in `work`."""
    files = sorted(work.glob("repeat_*.npy"))
    if not files:
        raise SystemExit(f"no cross-validation in {work}; run training.head_ct.train first")
    return np.stack([np.load(file) for file in files])


def calibration(logits: Floats, labels: Ints) -> tuple[float, list[float], Floats]:
    """Temperature, class offsets and each label's least probability in the prediction set, from held-out
    logits.
    """
    repeated = np.tile(labels, len(logits))
    temperature, offsets = fit_temperature(logits.reshape(-1, 2), repeated)
    probabilities = softmax(logits / temperature + np.array(offsets), axis=2).reshape(-1, 2)
    return temperature, offsets, class_minimums(probabilities, repeated)


def measure(logits: Floats, labels: Ints) -> list[Metric]:
    """Every figure is the mean over the repeats; intervals draw patients. The sets of a patient come from
    thresholds of the others.
    """
    temperature, offsets, _ = calibration(logits, labels)
    probabilities = softmax(logits / temperature + np.array(offsets), axis=2)
    on = (
        f"Head CT - hemorrhage, {len(labels)} slices of as many patients, 5-fold cross-validation, "
        f"{len(logits)} repeats"
    )
    margin = logits[:, :, 1] - logits[:, :, 0]
    patients = np.tile(np.arange(len(labels)), len(logits))
    members = cross_fitted_members(
        probabilities.reshape(-1, 2), np.tile(labels, len(logits)), patients
    ).reshape(probabilities.shape)
    sick = labels == 1

    def entry(
        name: str, figure: Callable[[Floats, npt.NDArray[np.bool_], Ints], float], subgroup: str = ""
    ) -> Metric:
        """`figure` takes one repeat's probabilities `[n, 2]`, set members `[n, 2]` and labels."""

        def mean(rows: Ints) -> float:
            pairs = zip(probabilities, members, strict=True)
            return float(np.mean([figure(p[rows], m[rows], labels[rows]) for p, m in pairs]))

        return metric(name, mean, np.arange(len(labels)), measured_on=on, subgroup=subgroup)

    each = [auroc(sick, m) for m in margin]
    return [
        metric(
            "auroc",
            lambda rows: float(np.mean([auroc(sick[rows], m[rows]) for m in margin])),
            np.arange(len(labels)),
            measured_on=on,
        ),
        Metric(name="auroc_lowest_repeat", value=round(min(each), 4), case_count=len(labels), measured_on=on),
        Metric(
            name="auroc_highest_repeat", value=round(max(each), 4), case_count=len(labels), measured_on=on
        ),
        entry("sensitivity", lambda p, _m, y: float((p[y == 1, 1] >= 0.5).mean())),
        entry("specificity", lambda p, _m, y: float((p[y == 0, 1] < 0.5).mean())),
        entry(
            "expected_calibration_error",
            lambda p, _m, y: calibration_error(p.max(axis=1), p.argmax(axis=1) == y),
        ),
        entry(f"conformal_coverage_at_{COVERAGE:g}", lambda _p, m, y: float(m[np.arange(len(y)), y].mean())),
        *(
            entry(
                f"conformal_coverage_at_{COVERAGE:g}",
                lambda _p, m, y, own=label: float(m[y == own, own].mean()),  # type: ignore[misc]
                f"class={LABELS[label]}",
            )
            for label in range(len(LABELS))
        ),
        entry("answered_share", lambda _p, m, _y: float((m.sum(axis=1) == 1).mean())),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN)
    show(measure(read_logits(parser.parse_args().run), load().labels))


if __name__ == "__main__":
    main()
