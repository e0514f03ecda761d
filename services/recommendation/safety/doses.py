"""The most that labels allow of a drug, by age (`doses.tsv`), and what of an order exceeds it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from services.clinical.concepts import CodedConcept
from services.clinical.dosage import AMOUNT, MG, Dosage, number
from services.clinical.drugs import Drugs
from services.clinical.record import Quantity
from services.clinical.tables import rows
from services.recommendation.safety.alerts import Alert, Evidence, Kind, Severity

DOSES_FILE = Path(__file__).with_name("doses.tsv")

_PARTS = re.compile(r"\s/\s")
_PIECES = frozenset(
    {
        "",
        "1",
        "tablet",
        "tablets",
        "tab",
        "tabs",
        "tbl",
        "capsule",
        "capsules",
        "cap",
        "caps",
        "pill",
        "pills",
    }
)
"""Units that count pieces of the product, each of which has the strength in its name."""
_ROUNDING = 1.0005
"""A dose that exceeds a limit by rounding alone does not."""


@dataclasses.dataclass(frozen=True, slots=True)
class DoseLimit:
    """A row of the table: the most that a label allows from an age on."""

    drug: str
    from_years: int
    below_years: int
    single_mg: float
    daily_mg: float
    source: str

    @classmethod
    def load(cls) -> list[DoseLimit]:
        """Read the table."""
        return [
            cls(drug, int(first), int(below), float(single), float(daily), source)
            for drug, first, below, single, daily, source in rows(DOSES_FILE, 6)
        ]


def dose_alerts(
    concept: CodedConcept, dosage: Dosage | None, age_years: int | None, limits: list[DoseLimit], drugs: Drugs
) -> Iterator[Alert]:
    """What of an order exceeds the limits for an adult, or for a child of this age."""
    if dosage is None or dosage.dose is None:
        return
    doses = _doses_mg(concept, dosage.dose, drugs)
    for limit in _narrowest(limits, age_years, doses.keys()):
        single = doses[limit.drug]
        daily = None if dosage.times_per_day is None else single * dosage.times_per_day
        if daily is not None and daily > limit.daily_mg * _ROUNDING:
            what, given, most = "a day", daily, limit.daily_mg
        elif single > limit.single_mg * _ROUNDING:
            what, given, most = "at one time", single, limit.single_mg
        else:
            continue
        yield Alert(
            Kind.DOSE,
            Severity.CONTRAINDICATED if given > 2 * most else Severity.CAUTION,
            f"dose_of_{limit.drug.replace(' ', '_')}",
            None,
            f"{given:g} mg of {limit.drug} {what}: the label's limit is {most:g} mg.",
            limit.source,
            Evidence.HIGH,
            "Check dose, unit and frequency.",
        )


def _narrowest(limits: list[DoseLimit], age_years: int | None, drugs: object) -> Iterator[DoseLimit]:
    """Of each drug the limit of the narrowest range of ages that holds; of unknown age, that of adults."""
    chosen: dict[str, DoseLimit] = {}
    age = 40 if age_years is None else age_years
    for limit in limits:
        if limit.drug in drugs and limit.from_years <= age < limit.below_years:  # type: ignore[operator]
            known = chosen.get(limit.drug)
            if known is None or limit.from_years > known.from_years:
                chosen[limit.drug] = limit
    yield from chosen.values()


def _doses_mg(concept: CodedConcept, dose: Quantity, drugs: Drugs) -> dict[str, float]:
    """Milligrams of each drug at one time: by the dose's unit of mass, else by the strengths in the
    product's name.
    """
    factor = MG.get(dose.unit.strip().lower())
    found = drugs.find(concept.keys, concept.names)
    if factor is not None:
        # A mass is the drug's own only where the product holds one.
        return dict.fromkeys(found, dose.value * factor) if len(found) == 1 else {}
    if dose.unit.strip(" {}()").lower() not in _PIECES:
        return {}
    strengths: dict[str, float] = {}
    for name in concept.names:
        for part in _PARTS.split(name):
            amount, named = AMOUNT.search(part), drugs.by_name(part)
            if amount is not None and len(named) == 1:
                (drug,) = named
                strengths.setdefault(drug, number(amount[1]) * MG[amount[2].lower()])
    return {drug: strength * dose.value for drug, strength in strengths.items()}
