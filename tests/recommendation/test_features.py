"""Records as vectors."""

from __future__ import annotations

import dataclasses
import json
from datetime import date

import numpy as np
import pytest

from services.clinical.code_systems import LOINC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept
from services.clinical.dates import Age, PartialDate
from services.clinical.fhir import read_bundle
from services.clinical.measurements import measurement_of
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
    Quantity,
)
from services.clinical.statuses import Gender
from services.recommendation.features import PREPROCESSING_VERSION, FeatureEncoder, Treatment, Vocabulary
from tests.fakes import real_card
from tests.recommendation.conftest import MODELS

SMALL = Vocabulary(
    conditions=("snomed|1", "snomed|2"),
    treatments=(Treatment("rxnorm|3", "Drug", "medication"), Treatment("snomed|4", "Plan", "care_plan")),
    procedures=("snomed|5",),
    allergies=("snomed|6",),
    observations=(("loinc|7", 100.0, 10.0),),
)
TODAY = date(2020, 6, 1)
on = PartialDate.parse


def named(record, today=TODAY):
    """The features that are not zero, by name."""
    row = FeatureEncoder(SMALL).encode(record, today)
    return {name: round(float(value), 4) for name, value in zip(SMALL.names(), row, strict=True) if value}


def test_every_part_of_a_record_has_its_place():
    record = PatientRecord(
        age=Age(40),
        gender=Gender.FEMALE,
        conditions=(
            Condition(CodedConcept.of(SNOMED, "1"), onset=on("1985"), abatement=on("1986-01")),
            Condition(CodedConcept.of(SNOMED, "2"), onset=on("2020-05-20")),
            Condition(CodedConcept.of(SNOMED, "2"), onset=on("2019-05-20")),
            Condition(CodedConcept.of(SNOMED, "unknown")),
        ),
        medications=(Medication(CodedConcept.of(RXNORM, "3")),),
        procedures=(Procedure(CodedConcept.of(SNOMED, "4")), Procedure(CodedConcept.of(SNOMED, "5"))),
        allergies=(Allergy(CodedConcept.of(SNOMED, "6")),),
        observations=(
            Observation(CodedConcept.of(LOINC, "7"), Quantity(125.0), on("2020-01-01")),
            Observation(CodedConcept.of(LOINC, "7"), Quantity(80.0), on("2019-01-01")),
            Observation(CodedConcept.of(LOINC, "7"), CodedConcept(text="high"), on("2020-02-01")),
        ),
    )
    assert named(record) == {
        "age_known": 1.0,
        "age": 0.4,
        "age_from_30": 1.0,
        "female": 1.0,
        "condition:snomed|1:ever": 1.0,
        "condition:snomed|1:childhood": 1.0,
        "condition:snomed|2:ever": 1.0,
        "condition:snomed|2:active": 1.0,
        "condition:snomed|2:recent": 1.0,
        "condition:snomed|2:count": 0.6931,  # ln 2
        "treatment:rxnorm|3": 1.0,
        "treatment:snomed|4": 1.0,
        "procedure:snomed|5": 1.0,
        "allergy:snomed|6": 1.0,
        "observation:loinc|7:known": 1.0,
        "observation:loinc|7:value": 2.5,
    }


def test_nothing_known_is_all_zero():
    assert named(PatientRecord(), None) == {}


def test_an_odd_value_is_bounded():
    odd = PatientRecord(observations=(Observation(CodedConcept.of(LOINC, "7"), Quantity(1e9)),))
    assert named(odd)["observation:loinc|7:value"] == 3.0


def test_a_vocabulary_of_another_version_is_refused(tmp_path):
    path = tmp_path / "vocabulary.json"
    SMALL.save(path)
    assert Vocabulary.load(path) == SMALL
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "version": "patient-record/0"}), encoding="utf-8")
    with pytest.raises(ValueError, match=PREPROCESSING_VERSION):
        Vocabulary.load(path)


@pytest.mark.parametrize("model", ["treatment_ranker", "patient_encoder"])
def test_committed_vocabularies_fit_the_models(model):
    encoder = FeatureEncoder(Vocabulary.load(MODELS / model / "vocabulary.json"))
    [features] = real_card(model).inputs
    assert [encoder.size] == [len(encoder.vocabulary.names())] == list(features.shape)


def test_a_missing_value_may_be_the_mean_of_the_training_patients():
    """Values are standardised: without a feature that says that one is known, zero stands for the mean."""
    encoder = FeatureEncoder(SMALL, has_indicators=False)
    known = PatientRecord(observations=(Observation(CodedConcept.of(LOINC, "7"), Quantity(115.0)),))
    assert encoder.size == len(SMALL.names()) - 1
    assert encoder.encode(known)[-1] == 1.5
    assert encoder.encode(PatientRecord())[-1] == 0.0


def test_labels_are_the_treatments_in_the_order_of_the_scores(encoder):
    labels = (MODELS / "treatment_ranker" / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == [f"{item.key}|{item.display}" for item in encoder.vocabulary.treatments]


def test_training_and_serving_give_the_same_vector(shared_data, encoder):
    """What training reads from a table and serving from a bundle of the same patient is the same tensor."""
    synthea = pytest.importorskip("training.synthea")
    patients = synthea.load_patients(shared_data / "ehr_synthea")[:200]
    assert len(patients) == 200
    for patient in patients:
        served = encoder.encode(read_bundle(bundle_of(patient)).record)
        np.testing.assert_array_equal(served, encoder.encode(patient.record))


def bundle_of(patient):
    """A patient of the tables as a hospital would hand it over."""
    record, subject = patient.record, {"reference": "Patient/1"}

    def coded(concept):
        return {"coding": [dataclasses.asdict(coding) for coding in concept.codings]}

    def day(when):
        return None if when is None else when.text

    resources = [
        {
            "resourceType": "Patient",
            "id": "1",
            "gender": record.gender.value,
            "birthDate": patient.birth.isoformat(),
        }
    ]
    for item in record.conditions:
        status = {"coding": [{"code": "active" if item.is_active else "resolved"}]}
        dates = {"onsetDateTime": day(item.onset), "abatementDateTime": day(item.abatement)}
        code = coded(item.concept)
        resources.append({"resourceType": "Condition", "code": code, "clinicalStatus": status, **dates})
    for item in record.medications:
        request = {"status": item.status.value, "authoredOn": day(item.authored)}
        code = coded(item.concept)
        resources.append({"resourceType": "MedicationRequest", "medicationCodeableConcept": code, **request})
    for item in record.procedures:
        code, performed = coded(item.concept), day(item.performed)
        resources.append({"resourceType": "Procedure", "code": code, "performedDateTime": performed})
    for item in record.observations:
        value = {"valueQuantity": {"value": item.value.value, "unit": item.value.unit}}
        code, effective = coded(item.concept), day(item.effective)
        resources.append(
            {"resourceType": "Observation", "code": code, "effectiveDateTime": effective, **value}
        )
    entries = [{"resource": {**item, "subject": subject}} for item in resources]
    for item in record.allergies:
        allergy = {"resourceType": "AllergyIntolerance", "code": coded(item.concept), "patient": subject}
        entries.append({"resource": allergy})
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def test_a_condition_removed_leaves_no_trace(encoder, records):
    """Removing a condition equals a record that never had it."""
    for record in records:
        condition = record.conditions[0]
        rest = tuple(item for item in record.conditions if item.concept.key != condition.concept.key)
        never = dataclasses.replace(record, conditions=rest)
        today = record.latest_day()
        np.testing.assert_array_equal(
            encoder.encode(record.without(condition.concept.key), today), encoder.encode(never, today)
        )


def test_every_measurement_that_a_model_uses_has_its_unit(encoder):
    used = {key.split("|")[1] for key, _, _ in encoder.vocabulary.observations}
    assert {code for code in used if measurement_of(CodedConcept.of(LOINC, code)) is None} == set()
