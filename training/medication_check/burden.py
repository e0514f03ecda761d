"""How many alerts an order raises on synthetic records: every order of a Synthea export against the record as
it was on the day of the order.

    python -m training.medication_check.burden ../shared/data/ehr_synthea

Counted are the alerts that are shown (`services.recommendation.safety.orders.SHOWN_FROM`), and the minor ones
apart. An earlier order counts as taken while it is active at the export, or for 30 days where it was stopped:
the export does not say when it was.
"""

from __future__ import annotations

import argparse
import collections
import csv
import gzip
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from services.clinical.code_systems import LOINC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import Age, PartialDate
from services.clinical.measurements import in_used_units
from services.clinical.record import Allergy, Condition, Medication, Observation, PatientRecord, Quantity
from services.clinical.statuses import ClinicalStatus, Gender, MedicationSource, MedicationStatus
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.orders import Order, check_orders
from services.recommendation.safety.rules import SafetyRules

TAKEN_AFTER_STOP = timedelta(days=30)
Row = dict[str, str]


def read(folder: Path, table: str) -> dict[str, list[Row]]:
    """The rows of a table by patient."""
    by_patient: dict[str, list[Row]] = collections.defaultdict(list)
    with gzip.open(folder / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_patient[row["patient"]].append(row)
    return by_patient


def record_on(day: date, patient: Row, tables: dict[str, list[Row]], order: Row) -> PatientRecord:
    """The patient's record on the day of the order, without it."""
    written = PartialDate.parse(patient["birth_date"])
    if written is None:
        raise ValueError(f"birth_date: {patient['birth_date']!r} is no date")
    record = PatientRecord(
        age=Age.between(written, day),
        gender=Gender(patient["gender"]) if patient["gender"] else Gender.UNSPECIFIED,
        conditions=tuple(_conditions(day, tables["conditions"])),
        medications=tuple(_medications(day, tables["medications"], order)),
        allergies=tuple(
            Allergy(CodedConcept.of(SNOMED, row["code"], row["display"]))
            for row in tables["allergies"]
            if row["recorded"] <= day.isoformat()
        ),
        observations=tuple(_observations(day, tables["observations"])),
    )
    return in_used_units(record)[0]


def _conditions(day: date, rows: list[Row]) -> Iterator[Condition]:
    for row in rows:
        if row["onset"] and row["onset"][:10] <= day.isoformat():
            over = bool(row["abatement"]) and row["abatement"][:10] <= day.isoformat()
            status = ClinicalStatus.RESOLVED if over else ClinicalStatus.ACTIVE
            yield Condition(
                CodedConcept.of(SNOMED, row["snomed"], row["display"]),
                status,
                onset=PartialDate.parse(row["onset"][:10]),
            )


def _medications(day: date, rows: list[Row], order: Row) -> Iterator[Medication]:
    for row in rows:
        if row is order or not row["authored"] or row["authored"][:10] > day.isoformat():
            continue
        authored = date.fromisoformat(row["authored"][:10])
        if row["status"] == "active" or day - authored <= TAKEN_AFTER_STOP:
            concept = CodedConcept.of(RXNORM, row["rxnorm"], row["display"])
            yield Medication(
                concept,
                MedicationSource.REQUEST,
                MedicationStatus.ACTIVE,
                authored=PartialDate.of(authored),
                place=f"medication {row['display']}",
            )


def _observations(day: date, rows: list[Row]) -> Iterator[Observation]:
    for row in rows:
        if row["date"][:10] > day.isoformat():
            continue
        try:
            value = Quantity(float(row["value"]), row["unit"])
        except ValueError:
            continue
        yield Observation(
            CodedConcept.of(LOINC, row["loinc"], row["display"]), value, PartialDate.parse(row["date"])
        )


def main() -> None:
    """Print the burden, with a bootstrap interval over patients, and the rules that alert most."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="the folder of the export's tables")
    parser.add_argument("--orders", type=int, default=0, help="how many orders, drawn at random; 0: all")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rules = SafetyRules.load()
    patients = {row[0]["patient"]: row[0] for row in read(options.folder, "patients").values()}
    names = ("conditions", "medications", "allergies", "observations")
    tables = {name: read(options.folder, name) for name in names}
    orders = [row for rows in tables["medications"].values() for row in rows if row["authored"]]
    draw = random.Random(options.seed)
    if options.orders:
        orders = draw.sample(orders, options.orders)
    shown: dict[str, list[int]] = collections.defaultdict(list)
    minor = without = 0
    by_rule: collections.Counter[tuple[str, str]] = collections.Counter()
    for row in orders:
        day = date.fromisoformat(row["authored"][:10])
        patient = row["patient"]
        own = {name: tables[name][patient] for name in names}
        record = record_on(day, patients[patient], own, row)
        order = Order(CodedConcept.of(RXNORM, row["rxnorm"], row["display"]), place="orders[0]")
        [checked] = check_orders(rules, record, SafetyCheck(rules, record), [order]).orders
        shown[patient].append(len(checked.alerts))
        minor += len(checked.minor_alerts)
        without += not checked.alerts
        by_rule.update((item.alert.rule_id, row["display"]) for item in checked.alerts)
    counts = [*shown.values()]
    total = sum(map(len, counts))
    means = sorted(_mean(draw.choices(counts, k=len(counts))) for _ in range(1000))
    print(f"{total} orders of {len(counts)} patients")
    print(f"alerts an order: {_mean(counts):.3f} ({means[25]:.3f} to {means[974]:.3f})")
    print(f"orders without an alert: {without / total:.1%}; minor alerts an order: {minor / total:.3f}")
    for (rule, display), count in by_rule.most_common(25):
        print(f"{count:6d}  {rule}  {display}")


def _mean(counts: list[list[int]]) -> float:
    return sum(map(sum, counts)) / max(1, sum(map(len, counts)))


if __name__ == "__main__":
    main()
