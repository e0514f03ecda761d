"""How well the kidney filters: the record's latest filtration rate, or what its latest creatinine says."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator

from services.clinical.measurements import measurement_of
from services.clinical.record import Observation, PatientRecord, Quantity, Reference
from services.clinical.statuses import Comparator, Gender

RATE = "glomerular_filtration_rate"
UNIT = "mL/min/{1.73_m2}"


class Method(enum.Enum):
    """Where the filtration rate comes from."""

    REPORTED = "reported"
    CKD_EPI_2021 = "ckd_epi_2021"
    BEDSIDE_SCHWARTZ = "bedside_schwartz"


@dataclasses.dataclass(frozen=True, slots=True)
class KidneyFunction:
    """A filtration rate in mL/min per 1.73 m²."""

    observation: Observation
    """What it comes from: the filtration rate or the creatinine."""
    rate: Quantity
    method: Method

    @property
    def entry(self) -> Reference:
        """Where the record has it."""
        return Reference.to(self.observation)


def kidney_function(record: PatientRecord) -> KidneyFunction | None:
    """The latest that is known; of one moment a reported rate counts before a computed one."""
    candidates = [*_reported(record), *_computed(record)]
    return max(
        candidates,
        key=lambda item: (item.observation.moment, item.method is Method.REPORTED),
        default=None,
    )


def lacks_patient(record: PatientRecord) -> bool:
    """Whether there is a creatinine from which no rate can be computed: age, gender or height is missing."""
    return any(_each(record, "creatinine")) and kidney_function(record) is None


def ckd_epi_2021(creatinine: float, age_years: int, gender: Gender) -> float:
    """The filtration rate of an adult from creatinine in mg/dL: Inker et al., NEJM 2021;385:1737, the
    equation without race. `gender` is female or male.
    """
    female = gender is Gender.FEMALE
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    return float(
        142
        * min(ratio, 1.0) ** alpha
        * max(ratio, 1.0) ** -1.2
        * 0.9938**age_years
        * (1.012 if female else 1.0)
    )


def bedside_schwartz(creatinine: float, height_cm: float) -> float:
    """The filtration rate of a child from creatinine in mg/dL: Schwartz et al., JASN 2009;20:629."""
    return 0.413 * height_cm / creatinine


def _reported(record: PatientRecord) -> Iterator[KidneyFunction]:
    for observation, quantity in _each(record, RATE):
        yield KidneyFunction(observation, quantity, Method.REPORTED)


def _computed(record: PatientRecord) -> Iterator[KidneyFunction]:
    age, gender = record.age_years, record.gender
    heights = [quantity.value for _, quantity in _each(record, "body_height")]
    for observation, quantity in _each(record, "creatinine"):
        if age is None or quantity.value <= 0 or quantity.comparator is not Comparator.EXACT:
            continue
        if age >= 18 and gender in {Gender.FEMALE, Gender.MALE}:
            rate, method = ckd_epi_2021(quantity.value, age, gender), Method.CKD_EPI_2021
        elif 1 <= age < 18 and heights:
            rate, method = bedside_schwartz(quantity.value, heights[-1]), Method.BEDSIDE_SCHWARTZ
        else:
            continue
        yield KidneyFunction(observation, Quantity(rate, UNIT), method)


def _each(record: PatientRecord, name: str) -> Iterator[tuple[Observation, Quantity]]:
    """The values of a measurement, the earliest first."""
    for observation in sorted(record.observations, key=lambda item: item.moment):
        measurement = measurement_of(observation.concept)
        if measurement is not None and measurement.name == name and isinstance(observation.value, Quantity):
            yield observation, observation.value
