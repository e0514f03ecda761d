"""Reads the PhysioNet Challenge 2012 set into hourly tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.recommendation.series import (
    HOUR_COUNT,
    STATIC_NAMES,
    VARIABLES,
    IcuStay,
    Measurement,
    hourly_means,
    static_row,
)
from training.data_folder import data_folder

UNITS = dict(enumerate(STATIC_NAMES[3:], start=1))
"""ICUType of the challenge: 1 coronary care, 2 cardiac surgery recovery, 3 medical, 4 surgical."""

BY_SOURCE_NAME = {variable.source_name: variable.name for variable in VARIABLES}


@dataclass(frozen=True)
class IcuData:
    """All stays; axis 0 is the stay."""

    record_ids: NDArray[np.int64]
    hourly: NDArray[np.float32]
    """[N, 48, 37], NaN where nothing was measured."""
    static: NDArray[np.float32]
    """[N, 7], NaN where unknown."""
    died: NDArray[np.int64]
    """[N], 1 for in-hospital death."""
    saps: NDArray[np.float64]
    """[N], SAPS-I; NaN where it could not be computed."""


def read_stay(rows: pd.DataFrame) -> IcuStay:
    """One stay from its rows (`time` hh:mm, `parameter`, `value`); -1 means missing."""
    admission = rows[rows.time == "00:00"]
    general = {p: v for p, v in zip(admission.parameter, admission.value, strict=True) if v >= 0}
    series = rows[rows.parameter.isin(BY_SOURCE_NAME.keys()) & (rows.value != -1)]
    measurements = []
    entered_as_735 = (series.parameter == "pH") & (series.value > 100)
    values = series.value.where(~entered_as_735, series.value / 100)
    for time, parameter, value in zip(series.time, series.parameter, values, strict=True):
        hour = int(time[:2]) + int(time[3:]) / 60
        measurements.append(Measurement(BY_SOURCE_NAME[parameter], hour, float(value)))
    gender = general.get("Gender")
    return IcuStay(
        measurements=measurements,
        age_years=general.get("Age"),
        male=None if gender is None else bool(gender),
        height_cm=general.get("Height"),
        unit=UNITS.get(int(general.get("ICUType", 0))),
    )


def load(folder: Path | None = None, cache: Path | None = None) -> IcuData:
    """Reads `records.csv.gz` and `outcomes.csv` from `folder` (default `$MEDMESH_DATA/icu_mortality`).

    `cache` is an .npz file that is written on the first call and read on later ones.
    """
    if cache is not None and cache.is_file():
        with np.load(cache) as saved:
            return IcuData(**saved)
    folder = folder or data_folder() / "icu_mortality"
    outcomes = pd.read_csv(folder / "outcomes.csv").set_index("RecordID").sort_index()
    stays = dict(tuple(pd.read_csv(folder / "records.csv.gz").groupby("record_id")))
    hourly = np.empty((len(outcomes), HOUR_COUNT, len(VARIABLES)), np.float32)
    static = np.empty((len(outcomes), len(STATIC_NAMES)), np.float32)
    for i, record_id in enumerate(outcomes.index):
        stay = read_stay(stays[record_id])
        hourly[i], static[i] = hourly_means(stay), static_row(stay)
    saps = outcomes["SAPS-I"].to_numpy(float)
    data = IcuData(
        record_ids=outcomes.index.to_numpy(np.int64),
        hourly=hourly,
        static=static,
        died=outcomes["In-hospital_death"].to_numpy(np.int64),
        saps=np.where(saps < 0, np.nan, saps),
    )
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **vars(data))
        part.replace(cache)
    return data
