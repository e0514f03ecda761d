"""What training stands on: the split, the views without a look ahead, and the rankers to beat."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pytest

from services.clinical.code_systems import RXNORM, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import Age, PartialDate
from services.clinical.record import Condition, Medication, PatientRecord
from services.clinical.statuses import ClinicalStatus, MedicationStatus
from services.recommendation.features import FeatureEncoder, Treatment, Vocabulary
from training.synthea import SyntheaPatient, is_held_out, load_patients
from training.treatment_ranker import rankers
from training.treatment_ranker.views import decision_views, hide_at_random, learn_vocabulary, whole_views

on = PartialDate.parse
COLD = CodedConcept.of(SNOMED, "1", "Cold")
PILL, SYRUP = CodedConcept.of(RXNORM, "2", "Pill"), CodedConcept.of(RXNORM, "3", "Syrup")
VOCABULARY = Vocabulary(
    conditions=(COLD.key,),
    treatments=(Treatment(PILL.key, "Pill", "medication"), Treatment(SYRUP.key, "Syrup", "medication")),
    procedures=(),
    allergies=(),
    observations=(),
)


def patient(name="a", treatments=((PILL, date(2010, 1, 1)), (SYRUP, date(2012, 1, 1)))):
    record = PatientRecord(
        age=Age(32),
        conditions=(
            Condition(COLD, ClinicalStatus.RESOLVED, onset=on("2011-01-01"), abatement=on("2012-06-01")),
        ),
        medications=tuple(
            Medication(concept, status=MedicationStatus.STOPPED, authored=PartialDate.of(day))
            for concept, day in treatments
        ),
    )
    return SyntheaPatient(name, date(1980, 5, 5), record, frozenset())


def test_a_day_is_seen_without_what_comes_after_it():
    """No treatment of the day itself, no later condition, no end that has not come, the age of the day."""
    before = patient().as_of(date(2012, 1, 1))
    assert [item.concept for item in before.medications] == [PILL]
    assert before.conditions == (Condition(COLD, ClinicalStatus.ACTIVE, onset=on("2011-01-01")),)
    assert before.age_years == 31
    assert patient().as_of(date(2010, 6, 1)).conditions == ()


def test_the_views_never_show_what_has_to_be_found():
    encoder = FeatureEncoder(VOCABULARY)
    whole, decision = whole_views([patient()], encoder), decision_views([patient()], encoder)
    for views in (whole, decision):
        assert not views.features[:, encoder.treatment_slice].any()
        assert not (views.before & views.candidates).any()
    assert decision.candidates.tolist() == [[True, False], [False, True]]
    assert decision.before.tolist() == [[False, False], [True, False]]
    assert whole.candidates.tolist() == [[True, True]]


def test_a_treatment_given_again_is_not_new():
    repeated = patient(treatments=((PILL, date(2010, 1, 1)), (PILL, date(2013, 1, 1))))
    assert len(decision_views([repeated], FeatureEncoder(VOCABULARY)).owner) == 1


def test_a_medication_outside_of_the_vocabulary_counts_as_missed():
    strange = patient(
        treatments=((CodedConcept.of(RXNORM, "99"), date(2010, 1, 1)), (PILL, date(2010, 1, 1)))
    )
    views = whole_views([strange], FeatureEncoder(VOCABULARY))
    assert views.outside.tolist() == [1]


@pytest.mark.parametrize(("share", "hidden"), [(0.0, 0), (0.1, 1), (0.5, 3), (1.0, 5)])
def test_the_share_that_is_hidden_is_rounded_up(share, hidden):
    candidates = np.array([[True] * 5 + [False] * 4] * 20)
    chosen = hide_at_random(candidates, share, np.random.default_rng(0))
    assert (chosen.sum(axis=1) == hidden).all()
    assert not (chosen & ~candidates).any()
    if 0 < hidden < 5:
        assert len({tuple(row) for row in chosen.tolist()}) > 1


def test_rare_codes_stay_out_of_the_vocabulary():
    often = [patient(str(index)) for index in range(3)]
    rare = dataclasses.replace(patient("r", treatments=((CodedConcept.of(RXNORM, "99"), date(2010, 1, 1)),)))
    vocabulary = learn_vocabulary([*often, rare])
    assert [treatment.key for treatment in vocabulary.treatments] == [PILL.key, SYRUP.key]
    assert vocabulary.conditions == (COLD.key,)


def test_ease_is_the_constrained_least_squares_solution():
    """Each column of EASE is ridge regression of that item on all others (Steck 2019, equation 8)."""
    rng = np.random.default_rng(4)
    given = rng.random((50, 6)) < 0.4
    day = date(2010, 1, 1)
    concepts = [CodedConcept.of(RXNORM, str(index)) for index in range(6)]
    people = [
        patient(
            str(row), tuple((concept, day) for concept, has in zip(concepts, given[row], strict=True) if has)
        )
        for row in range(50)
    ]
    treatments = tuple(Treatment(concept.key, "", "medication") for concept in concepts)
    encoder = FeatureEncoder(dataclasses.replace(VOCABULARY, treatments=treatments))
    score = rankers.ease(whole_views(people, encoder), penalty=3.0)
    weights = score(np.zeros((6, 1), np.float32), np.eye(6, dtype=np.bool_))
    matrix = given.astype(float)
    for item in range(6):
        rest = [index for index in range(6) if index != item]
        gram = matrix[:, rest].T @ matrix[:, rest] + 3.0 * np.eye(5)
        expected = np.linalg.solve(gram, matrix[:, rest].T @ matrix[:, item])
        np.testing.assert_allclose(weights[rest, item], expected, atol=1e-9)
        assert weights[item, item] == 0


def test_the_split_keeps_a_fifth_and_never_changes():
    """By the hash of the id: adding patients moves nobody."""
    ids = [f"{number:012x}" for number in range(2000)]
    held_out = [name for name in ids if is_held_out(name)]
    assert 0.17 < len(held_out) / len(ids) < 0.23
    assert held_out[:3] == ["000000000003", "000000000007", "00000000000a"]


def test_the_tables_read_as_records(shared_data):
    patients = load_patients(shared_data / "ehr_synthea")
    assert len(patients) == 1678
    assert sum(is_held_out(item.id) for item in patients) == 327
    for item in patients[:50]:
        for day in sorted(item.treatment_days().values())[:3]:
            seen = item.as_of(day)
            assert all(other.authored.day < day for other in seen.medications)
            assert all(other.onset.day <= day for other in seen.conditions)
            assert (seen.latest_day() or day) <= day + timedelta(0)
