"""The Synthea tables as patient records, and the split of the patients.

Source: `ehr_synthea/*.csv.gz`, synthetic patients of Synthea (Walonoski et al. 2018) from SMART on FHIR's
sample data, Apache-2.0. A care plan is read as a procedure, as `services/clinical/fhir/` does.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import hashlib
from collections import defaultdict
from datetime import date
from pathlib import Path

from services.clinical.code_systems import LOINC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import Age, PartialDate
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
    Quantity,
)
from services.clinical.statuses import ClinicalStatus, Gender, MedicationSource, MedicationStatus
from training.data_folder import data_folder

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class SyntheaPatient:
    """One synthetic patient: the record at its end, and what is needed to look at it as of an earlier day."""

    id: str
    birth: date
    record: PatientRecord
    care_plans: frozenset[str]
    """Keys of the procedures that are plans of care."""

    def as_of(self, day: date) -> PatientRecord:
        """What was known on `day` before its treatments: the view of whoever decides on them.

        Conditions and observations of the day itself are known; treatments of the day are not, nor is the end
        of a condition that still lasts.
        """
        record = self.record
        conditions = tuple(
            dataclasses.replace(
                item,
                clinical_status=ClinicalStatus.RESOLVED
                if _is_by(item.abatement, day)
                else ClinicalStatus.ACTIVE,
                abatement=item.abatement if _is_by(item.abatement, day) else None,
            )
            for item in record.conditions
            if _is_by(item.onset, day)
        )
        return dataclasses.replace(
            record,
            age=Age(_years(self.birth, day)),
            conditions=conditions,
            medications=tuple(
                item for item in record.medications if item.authored and item.authored.day < day
            ),
            procedures=tuple(
                item for item in record.procedures if item.performed and item.performed.day < day
            ),
            observations=tuple(item for item in record.observations if _is_by(item.effective, day)),
        )

    def treatment_days(self) -> dict[str, date]:
        """First day of every medication, procedure and care plan, by key."""
        days: dict[str, date] = {}
        for key, when in [
            *((item.concept.key, item.authored) for item in self.record.medications),
            *((item.concept.key, item.performed) for item in self.record.procedures),
        ]:
            if when is not None and (key not in days or when.day < days[key]):
                days[key] = when.day
        return days


def load_patients(folder: Path | None = None) -> list[SyntheaPatient]:
    """All patients, sorted by id."""
    folder = folder or data_folder() / "ehr_synthea"
    tables = ("conditions", "medications", "procedures", "careplans", "allergies", "observations")
    conditions, medications, procedures, care_plans, allergies, observations = (
        _rows(folder, t) for t in tables
    )
    patients = []
    for patient_id, [row] in sorted(_rows(folder, "patients").items()):
        birth = date.fromisoformat(row["birth_date"])
        record = PatientRecord(
            gender=Gender(row["gender"]),
            conditions=tuple(
                Condition(
                    CodedConcept.of(SNOMED, item["snomed"], item["display"].strip()),
                    ClinicalStatus.RESOLVED if item["abatement"] else ClinicalStatus.ACTIVE,
                    onset=_day(item["onset"]),
                    abatement=_day(item["abatement"]),
                )
                for item in conditions[patient_id]
            ),
            medications=tuple(
                Medication(
                    CodedConcept.of(RXNORM, item["rxnorm"], item["display"].strip()),
                    MedicationSource.REQUEST,
                    MedicationStatus.ACTIVE if item["status"] == "active" else MedicationStatus.STOPPED,
                    authored=_day(item["authored"]),
                    reason=CodedConcept.of(SNOMED, item["reason_snomed"], item["reason"])
                    if item["reason_snomed"]
                    else None,
                )
                for item in medications[patient_id]
            ),
            procedures=tuple(
                Procedure(
                    CodedConcept.of(SNOMED, item["snomed"], item["display"].strip()),
                    performed=_day(item["performed"]),
                )
                for item in procedures[patient_id]
            )
            + tuple(
                Procedure(
                    CodedConcept.of(SNOMED, item["snomed"], item["display"].strip()),
                    performed=_day(item["start"]),
                )
                for item in care_plans[patient_id]
            ),
            allergies=tuple(
                Allergy(CodedConcept.of(SNOMED, item["code"], item["display"]))
                for item in allergies[patient_id]
            ),
            observations=tuple(
                Observation(
                    CodedConcept.of(LOINC, item["loinc"], item["display"]),
                    Quantity(float(item["value"]), item["unit"]),
                    _day(item["date"]),
                )
                for item in observations[patient_id]
                if _is_number(item["value"])
            ),
        )
        today = record.latest_day()
        age = None if today is None else Age(_years(birth, today))
        plans = frozenset(f"snomed|{item['snomed']}" for item in care_plans[patient_id])
        patients.append(SyntheaPatient(patient_id, birth, dataclasses.replace(record, age=age), plans))
    return patients


def is_held_out(patient_id: str) -> bool:
    """Whether the patient is one of the fifth that training never sees.

    By the hash of the id, so that every model trained on these tables leaves out the same patients.
    """
    return hashlib.sha256(f"medmesh-held-out:{patient_id}".encode()).digest()[0] % 5 == 0


def _rows(folder: Path, table: str) -> defaultdict[str, list[dict[str, str]]]:
    rows: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(folder / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["patient"]].append(row)
    return rows


def _day(text: str) -> PartialDate | None:
    return PartialDate.of(date.fromisoformat(text[:10])) if text else None


def _is_by(when: PartialDate | None, day: date) -> bool:
    return when is not None and when.day <= day


def _years(birth: date, day: date) -> int:
    return max(0, day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
