"""Records and orders in the short form of `data/medication_rules.tsv`."""

from __future__ import annotations

from pathlib import Path

from services.clinical.code_systems import SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, canonical_concept
from services.clinical.dates import Age, AgeUnit, PartialDate
from services.clinical.dosage import Dosage
from services.clinical.measurements import in_used_units
from services.clinical.record import Allergy, Condition, Medication, Observation, PatientRecord, Quantity
from services.clinical.statuses import ClinicalStatus, Gender, MedicationStatus, Verification
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.orders import Order, check_orders

RULES_FILE = Path(__file__).parent / "data" / "medication_rules.tsv"
THEN = PartialDate.parse("2026-10-01")


def concept(coding):
    """`text:ulcer`, `snomed:13200003`, `icd10cm:K27.9`."""
    system, _, value = coding.partition(":")
    if system == "text":
        return CodedConcept(text=value)
    return CodedConcept((canonical_concept(SYSTEM_BY_SHORT_NAME[system], value),))


def patient(written):
    """`50 female`, `10d -`."""
    age, gender = written.split()
    days = age.endswith("d")
    return PatientRecord(
        age=Age(int(age.rstrip("d")), AgeUnit.DAYS if days else AgeUnit.YEARS),
        gender=Gender.UNSPECIFIED if gender == "-" else Gender(gender),
    )


def record(written, kind, coding):
    """A patient with one entry."""
    base = patient(written)
    fields = {}
    if kind == "condition":
        fields["conditions"] = (
            Condition(concept(coding), ClinicalStatus.ACTIVE, Verification.CONFIRMED, THEN),
        )
    elif kind == "medication":
        fields["medications"] = (Medication(concept(coding), status=MedicationStatus.ACTIVE, authored=THEN),)
    elif kind == "allergy":
        fields["allergies"] = (Allergy(concept(coding)),)
    elif kind in {"observation", "finding", "gene"}:
        fields["observations"] = (observation(kind, coding),)
    made = PatientRecord(age=base.age, gender=base.gender, **fields)
    return in_used_units(made)[0]


def observation(kind, coding):
    if kind == "gene":
        gene = coding.removeprefix("text:").split()[0]
        return Observation(CodedConcept(text=gene), concept(coding), THEN)
    asked, _, answer = coding.partition("=")
    if kind == "finding":
        return Observation(concept(asked), concept(answer), THEN)
    value, _, unit = answer.partition(" ")
    return Observation(concept(asked), Quantity(float(value), unit), THEN)


def order(written, place="orders[0]"):
    """`text:metformin @ 1500 mg x 3`."""
    coding, _, dosage = written.partition(" @ ")
    if not dosage:
        return Order(concept(coding), place=place)
    amount, _, times = dosage.partition(" x ")
    value, unit = amount.split()
    return Order(concept(coding), Dosage(Quantity(float(value), unit), float(times)), place)


def checked(rules, made, *orders):
    """The orders against the record."""
    return check_orders(rules, made, SafetyCheck(rules, made), orders)
