"""Reads the PhysioNet Challenge 2012 set into hourly tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.recommendation.series import Facts, Measurement
from training.data_folder import data_folder
from training.icu_outcome.preparation import PREPARATION, STATIC_NAMES, VARIABLE_COUNT

CARE_UNITS = dict(enumerate(PREPARATION.care_units, start=1))
"""ICUType of the challenge: 1 coronary care, 2 cardiac surgery recovery, 3 medical, 4 surgical."""

SOURCE_NAMES = {
    "Albumin": "albumin",
    "ALP": "alkaline_phosphatase",
    "ALT": "alt",
    "AST": "ast",
    "Bilirubin": "bilirubin",
    "BUN": "blood_urea_nitrogen",
    "Cholesterol": "cholesterol",
    "Creatinine": "creatinine",
    "DiasABP": "diastolic_pressure_invasive",
    "FiO2": "inspired_oxygen_fraction",
    "GCS": "glasgow_coma_score",
    "Glucose": "glucose",
    "HCO3": "bicarbonate",
    "HCT": "haematocrit",
    "HR": "heart_rate",
    "K": "potassium",
    "Lactate": "lactate",
    "Mg": "magnesium",
    "MAP": "mean_pressure_invasive",
    "MechVent": "mechanical_ventilation",
    "Na": "sodium",
    "NIDiasABP": "diastolic_pressure",
    "NIMAP": "mean_pressure",
    "NISysABP": "systolic_pressure",
    "PaCO2": "arterial_co2",
    "PaO2": "arterial_o2",
    "pH": "ph",
    "Platelets": "platelets",
    "RespRate": "respiration_rate",
    "SaO2": "oxygen_saturation",
    "SysABP": "systolic_pressure_invasive",
    "Temp": "temperature",
    "TroponinI": "troponin_i",
    "TroponinT": "troponin_t",
    "Urine": "urine_output",
    "WBC": "white_cells",
    "Weight": "weight",
}
"""The challenge's names of the variables, each with the card's."""


@dataclass(frozen=True)
class IcuData:
    """All stays; axis 0 is the stay."""

    record_ids: NDArray[np.int64]
    hourly: NDArray[np.float32]
    """[N, hours, variables], NaN where nothing was measured."""
    static: NDArray[np.float32]
    """[N, static columns], NaN where unknown."""
    died: NDArray[np.int64]
    """[N], 1 for in-hospital death."""
    saps: NDArray[np.float64]
    """[N], SAPS-I; NaN where it could not be computed."""


def read_stay(rows: pd.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hourly means [hours, variables] and static row of one stay from its rows (`time` hh:mm, `parameter`,
    `value`); -1 means missing.
    """
    admission = rows[rows.time == "00:00"]
    general = {p: v for p, v in zip(admission.parameter, admission.value, strict=True) if v >= 0}
    series = rows[rows.parameter.isin(SOURCE_NAMES.keys()) & (rows.value != -1)]
    measurements = []
    entered_as_735 = (series.parameter == "pH") & (series.value > 100)
    values = series.value.where(~entered_as_735, series.value / 100)
    for time, parameter, value in zip(series.time, series.parameter, values, strict=True):
        seconds = int(time[:2]) * 3600 + int(time[3:]) * 60
        column = PREPARATION.column(SOURCE_NAMES[parameter])
        measurements.append(Measurement(column, seconds, float(value)))
    gender = general.get("Gender")
    facts = Facts(
        age_years=general.get("Age"),
        male=None if gender is None else bool(gender),
        height_cm=general.get("Height"),
        care_unit=CARE_UNITS.get(int(general.get("ICUType", 0))),
    )
    return PREPARATION.binned(measurements), PREPARATION.static_row(facts)


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
    hourly = np.empty((len(outcomes), PREPARATION.bin_count, VARIABLE_COUNT), np.float32)
    static = np.empty((len(outcomes), len(STATIC_NAMES)), np.float32)
    for i, record_id in enumerate(outcomes.index):
        hourly[i], static[i] = read_stay(stays[record_id])
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
