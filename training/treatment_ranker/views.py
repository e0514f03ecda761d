"""What a ranker sees of a patient and what it has to find: the vocabulary, the two views and their matrices.

Two views of each patient, the same for every ranker that is compared:

- `whole`: the whole record; a random part of its treatments is hidden and has to be found. This is the usual
  test of recommenders. Conditions stay visible, whenever they began.
- `decision`: the record as of a day on which treatments began that the patient never had before; these have
  to be found from what was known that day. This is the test that is nearest to use.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.clinical.record import Quantity
from services.recommendation.features import FeatureEncoder, Treatment, Vocabulary
from training.synthea import SyntheaPatient

MIN_PATIENTS = 3
"""A code needs this many training patients to enter the vocabulary."""

THERAPEUTIC_PROCEDURES = frozenset(
    {
        "snomed|288086009",  # Suture open wound
        "snomed|274474001",  # Bone immobilization
        "snomed|274031008",  # Rectal polypectomy
        "snomed|433112001",  # Percutaneous mechanical thrombectomy
        "snomed|18286008",  # Catheter ablation of tissue of heart
        "snomed|180256009",  # Subcutaneous immunotherapy
        "snomed|384700001",  # Injection of tetanus antitoxin
        "snomed|703423002",  # Combined chemotherapy and radiation therapy
        "snomed|180325003",  # Electrical cardioversion
        "snomed|699253003",  # Surgical manipulation of joint of knee
        "snomed|415070008",  # Percutaneous coronary intervention
        "snomed|43075005",  # Partial resection of colon
        "snomed|232717009",  # Coronary artery bypass grafting
        "snomed|15081005",  # Pulmonary rehabilitation
        "snomed|447365002",  # Insertion of biventricular implantable cardioverter defibrillator
        "snomed|80146002",  # Appendectomy
        "snomed|228557008",  # Cognitive and behavioral therapy
        "snomed|65546002",  # Extraction of wisdom tooth
        "snomed|51116004",  # RhD passive immunization
        "snomed|90470006",  # Prostatectomy
    }
)
"""Procedures that treat. Tests, admissions, births and reproductive choices are no recommendations."""

NOT_RECOMMENDED_PLANS = frozenset(
    {
        "snomed|182964004",  # Terminal care: it begins with the end of a life, no treatment to suggest
        "snomed|734163000",  # Care plan: says nothing
        "snomed|736353004",  # Inpatient care plan: says nothing
    }
)

OBSERVATIONS = tuple(
    f"loinc|{code}"
    for code in (
        "39156-5",  # Body mass index
        "8480-6",  # Systolic blood pressure
        "8462-4",  # Diastolic blood pressure
        "18262-6",  # LDL cholesterol
        "2085-9",  # HDL cholesterol
        "2571-8",  # Triglycerides
        "2093-3",  # Total cholesterol
        "4548-4",  # Haemoglobin A1c
        "2339-0",  # Glucose
        "38483-4",  # Creatinine
        "33914-3",  # Estimated glomerular filtration rate
        "38265-5",  # DXA T-score
        "8331-1",  # Oral temperature
    )
)
"""Measurements of ordinary care. Blood counts and pain scores are left out: only one of the two generations
of Synthea in the data writes them, so that their presence would tell which one made the patient, not how they
are."""


def learn_vocabulary(patients: Sequence[SyntheaPatient]) -> Vocabulary:
    """The codes that at least `MIN_PATIENTS` of these patients have; the most frequent first."""
    displays: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    values: defaultdict[str, list[float]] = defaultdict(list)
    plans: set[str] = set()
    for patient in patients:
        record = patient.record
        plans |= patient.care_plans
        for table, items in (
            ("condition", record.conditions),
            ("medication", record.medications),
            ("procedure", record.procedures),
            ("allergy", record.allergies),
        ):
            for key, display in {(item.concept.key, item.concept.display) for item in items}:
                displays[key][display] += 1
            counts[table].update({item.concept.key for item in items})
        latest = {
            item.concept.key: item.value.value
            for item in sorted(record.observations, key=lambda item: item.moment)
            if isinstance(item.value, Quantity)
        }
        for key in OBSERVATIONS:
            if key in latest:
                values[key].append(latest[key])

    def frequent(table: str) -> list[str]:
        ranked = sorted(counts[table].items(), key=lambda item: (-item[1], item[0]))
        return [key for key, count in ranked if count >= MIN_PATIENTS]

    def kind(key: str) -> str | None:
        if key in plans:
            return None if key in NOT_RECOMMENDED_PLANS else "care_plan"
        return "procedure" if key in THERAPEUTIC_PROCEDURES else None

    treatments = [Treatment(key, _display(displays[key]), "medication") for key in frequent("medication")]
    for wanted in ("care_plan", "procedure"):
        keys = [key for key in frequent("procedure") if kind(key) == wanted]
        treatments += [Treatment(key, _display(displays[key]), wanted) for key in keys]
    return Vocabulary(
        conditions=tuple(frequent("condition")),
        treatments=tuple(treatments),
        procedures=tuple(key for key in frequent("procedure") if kind(key) is None),
        allergies=tuple(frequent("allergy")),
        observations=tuple(
            (key, round(float(np.mean(values[key])), 4), round(float(np.std(values[key])), 4))
            for key in OBSERVATIONS
            if len(values[key]) >= MIN_PATIENTS
        ),
    )


@dataclasses.dataclass(frozen=True)
class Views:
    """n views of patients over one vocabulary of F features and T treatments."""

    features: NDArray[np.float32]
    """[n, F]; the treatment columns are zero."""
    before: NDArray[np.bool_]
    """[n, T]: treatments that were known before the decision (`decision`), or none (`whole`)."""
    candidates: NDArray[np.bool_]
    """[n, T]: treatments that may be hidden: all (`whole`), or those that began that day (`decision`)."""
    outside: NDArray[np.int64]
    """[n]: medications that belong to `candidates` but that the vocabulary lacks: always missed."""
    owner: NDArray[np.int64]
    """[n]: index of the patient."""

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Views:
        """These views alone."""
        return Views(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def whole_views(patients: Sequence[SyntheaPatient], encoder: FeatureEncoder) -> Views:
    """One view a patient: the whole record."""
    return _stack(
        encoder,
        [
            (
                index,
                encoder.encode(patient.record),
                set(),
                set(patient.treatment_days()),
                _medications(patient),
            )
            for index, patient in enumerate(patients)
        ],
    )


def decision_views(patients: Sequence[SyntheaPatient], encoder: FeatureEncoder) -> Views:
    """One view for each day of each patient on which treatments began that the patient had not had before."""
    rows = []
    for index, patient in enumerate(patients):
        began = patient.treatment_days()
        medications = _medications(patient)
        for day in sorted({day for key, day in began.items() if key in encoder.treatments}):
            new = {key for key, first in began.items() if first == day}
            old = {key for key, first in began.items() if first < day}
            rows.append((index, encoder.encode(patient.as_of(day), day), old, new, new & medications))
    return _stack(encoder, rows)


def hide_at_random(
    candidates: NDArray[np.bool_], share: float | NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose of each row's candidates the given share, rounded up, at random; bool of the same shape."""
    order = np.where(candidates, rng.random(candidates.shape), np.inf).argsort(axis=1).argsort(axis=1)
    count = np.ceil(candidates.sum(axis=1) * share)
    return (order < count[:, None]) & candidates


def _medications(patient: SyntheaPatient) -> set[str]:
    return {item.concept.key for item in patient.record.medications}


def _stack(
    encoder: FeatureEncoder, rows: Iterable[tuple[int, NDArray[np.float32], set[str], set[str], set[str]]]
) -> Views:
    start = encoder.treatment_slice.start
    features, outside, owner = [], [], []
    before: list[NDArray[np.bool_]] = []
    candidates: list[NDArray[np.bool_]] = []
    for index, row, old, new, medications in rows:
        row[encoder.treatment_slice] = 0.0
        features.append(row)
        owner.append(index)
        outside.append(len([key for key in medications if key not in encoder.treatments]))
        for target, keys in ((before, old), (candidates, new)):
            mask = np.zeros(len(encoder.vocabulary.treatments), dtype=np.bool_)
            mask[[encoder.treatments[key] - start for key in keys if key in encoder.treatments]] = True
            target.append(mask)
    return Views(
        np.stack(features),
        np.stack(before),
        np.stack(candidates),
        np.array(outside, np.int64),
        np.array(owner, np.int64),
    )


def _display(names: Counter[str]) -> str:
    """The most frequent name; of equally frequent ones the first in the alphabet."""
    return min(names, key=lambda name: (-names[name], name))
