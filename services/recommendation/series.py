"""Preprocessing of intensive-care time series: irregular measurements to hourly tensors, for training and
serving alike.

The first 48 hours become one column an hour. A column holds the mean of what was measured in that hour; an
hour without a measurement carries the last value forward, and says so: `observed` marks measured hours and
`gap_hours` counts the hours since the last one, so that the network can learn from what was not measured (Che
et al. 2018, "Recurrent Neural Networks for Multivariate Time Series with Missing Values"). Scaling happens
inside the graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PREPROCESSING_VERSION = "icu-series/1"

HOUR_COUNT = 48
"""Hours of the stay that count, from admission to the unit."""


@dataclass(frozen=True)
class Variable:
    """A variable that is measured repeatedly. Values outside [low, high] are taken as errors of entry and
    left out.
    """

    name: str
    """Name in the contract, in lower snake case."""
    source_name: str
    """Name in the PhysioNet Challenge 2012 files."""
    unit: str
    """UCUM unit of values."""
    low: float
    high: float
    title: str
    """Name to show to people."""


VARIABLES: tuple[Variable, ...] = (
    Variable("albumin", "Albumin", "g/dL", 0.5, 7, "albumin"),
    Variable("alkaline_phosphatase", "ALP", "U/L", 5, 5000, "alkaline phosphatase"),
    Variable("alt", "ALT", "U/L", 1, 20000, "alanine transaminase"),
    Variable("ast", "AST", "U/L", 1, 25000, "aspartate transaminase"),
    Variable("bilirubin", "Bilirubin", "mg/dL", 0.05, 80, "bilirubin"),
    Variable("blood_urea_nitrogen", "BUN", "mg/dL", 1, 300, "blood urea nitrogen"),
    Variable("cholesterol", "Cholesterol", "mg/dL", 20, 600, "cholesterol"),
    Variable("creatinine", "Creatinine", "mg/dL", 0.05, 30, "creatinine"),
    Variable("diastolic_pressure_invasive", "DiasABP", "mm[Hg]", 10, 200, "invasive diastolic pressure"),
    Variable("inspired_oxygen_fraction", "FiO2", "1", 0.2, 1, "fraction of inspired oxygen"),
    Variable("glasgow_coma_score", "GCS", "{score}", 3, 15, "Glasgow Coma Score"),
    Variable("glucose", "Glucose", "mg/dL", 10, 1500, "glucose"),
    Variable("bicarbonate", "HCO3", "mmol/L", 2, 60, "bicarbonate"),
    Variable("haematocrit", "HCT", "%", 5, 70, "haematocrit"),
    Variable("heart_rate", "HR", "/min", 10, 300, "heart rate"),
    Variable("potassium", "K", "mmol/L", 1, 15, "potassium"),
    Variable("lactate", "Lactate", "mmol/L", 0.1, 40, "lactate"),
    Variable("magnesium", "Mg", "mmol/L", 0.2, 10, "magnesium"),
    Variable("mean_pressure_invasive", "MAP", "mm[Hg]", 20, 250, "invasive mean arterial pressure"),
    Variable("mechanical_ventilation", "MechVent", "1", 0, 1, "mechanical ventilation"),
    Variable("sodium", "Na", "mmol/L", 90, 200, "sodium"),
    Variable("diastolic_pressure", "NIDiasABP", "mm[Hg]", 10, 200, "diastolic pressure"),
    Variable("mean_pressure", "NIMAP", "mm[Hg]", 20, 250, "mean arterial pressure"),
    Variable("systolic_pressure", "NISysABP", "mm[Hg]", 30, 300, "systolic pressure"),
    Variable("arterial_co2", "PaCO2", "mm[Hg]", 5, 150, "arterial partial pressure of CO2"),
    Variable("arterial_o2", "PaO2", "mm[Hg]", 20, 600, "arterial partial pressure of O2"),
    Variable("ph", "pH", "[pH]", 6.5, 8, "arterial pH"),
    Variable("platelets", "Platelets", "10*3/uL", 1, 2000, "platelets"),
    Variable("respiration_rate", "RespRate", "/min", 2, 100, "respiration rate"),
    Variable("oxygen_saturation", "SaO2", "%", 30, 100, "oxygen saturation"),
    Variable("systolic_pressure_invasive", "SysABP", "mm[Hg]", 30, 300, "invasive systolic pressure"),
    Variable("temperature", "Temp", "Cel", 25, 45, "temperature"),
    Variable("troponin_i", "TroponinI", "ug/L", 0, 200, "troponin I"),
    Variable("troponin_t", "TroponinT", "ug/L", 0, 100, "troponin T"),
    Variable("urine_output", "Urine", "mL", 0, 5000, "urine output"),
    Variable("white_cells", "WBC", "10*3/uL", 0.05, 500, "white blood cells"),
    Variable("weight", "Weight", "kg", 20, 350, "weight"),
)

VARIABLE_INDEX: Mapping[str, int] = {variable.name: i for i, variable in enumerate(VARIABLES)}

STATIC_NAMES = (
    "age_years",
    "male",
    "height_cm",
    "coronary_care_unit",
    "cardiac_surgery_unit",
    "medical_unit",
    "surgical_unit",
)
"""Columns of the `static` tensor; NaN where unknown."""


@dataclass(frozen=True)
class Measurement:
    """One value of one variable."""

    variable: str
    """Name of one of VARIABLES."""
    hour: float
    """Hours since admission to the unit."""
    value: float
    """In the variable's unit."""


@dataclass(frozen=True)
class IcuStay:
    """What is known of a stay in intensive care."""

    measurements: Sequence[Measurement]
    age_years: float | None = None
    male: bool | None = None
    height_cm: float | None = None
    unit: str | None = None
    """One of the last four of STATIC_NAMES."""


def hourly_means(stay: IcuStay) -> NDArray[np.float32]:
    """Means by hour, float32 [48, 37] in the variables' units; NaN where nothing was measured."""
    total = np.zeros((HOUR_COUNT, len(VARIABLES)))
    count = np.zeros((HOUR_COUNT, len(VARIABLES)))
    for measurement in stay.measurements:
        column = VARIABLE_INDEX[measurement.variable]
        variable = VARIABLES[column]
        if variable.low <= measurement.value <= variable.high and 0 <= measurement.hour <= HOUR_COUNT:
            row = min(int(measurement.hour), HOUR_COUNT - 1)
            total[row, column] += measurement.value
            count[row, column] += 1
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)


def static_row(stay: IcuStay) -> NDArray[np.float32]:
    """The `static` tensor, float32 [7]; NaN where unknown. Heights outside 120-230 cm are errors of entry."""
    height = stay.height_cm if stay.height_cm is not None and 120 <= stay.height_cm <= 230 else math.nan
    units = STATIC_NAMES[3:]
    return np.array(
        [
            math.nan if stay.age_years is None else stay.age_years,
            math.nan if stay.male is None else float(stay.male),
            height,
            *(math.nan if stay.unit is None else float(stay.unit == unit) for unit in units),
        ],
        dtype=np.float32,
    )


def tensors(hourly: NDArray[np.float32], static: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The network's inputs for a batch.

    `hourly` is float32 [N, 48, 37] as from `hourly_means`, `static` float32 [N, 7] as from `static_row`.
    Returns `values` (last value carried forward, NaN before the first), `observed` (1 where measured) and
    `gap_hours` (hours since the last measurement, 48 before the first), each float32 [N, 48, 37], and
    `static`.
    """
    observed = ~np.isnan(hourly)
    hours = np.arange(HOUR_COUNT)[None, :, None]
    last = np.maximum.accumulate(np.where(observed, hours, -1), axis=1)
    carried = np.take_along_axis(hourly, np.maximum(last, 0), axis=1)
    return {
        "values": np.where(last >= 0, carried, np.nan).astype(np.float32),
        "observed": observed.astype(np.float32),
        "gap_hours": np.where(last >= 0, hours - last, HOUR_COUNT).astype(np.float32),
        "static": static.astype(np.float32),
    }
