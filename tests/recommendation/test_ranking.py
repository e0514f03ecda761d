"""Ranking on the committed model."""

from __future__ import annotations

import dataclasses
import tomllib
from datetime import date

import numpy as np
import pytest

from services.chassis.errors import ModelFailed
from services.clinical.code_systems import ICD10CM, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import Age, PartialDate
from services.clinical.fhir import read_bundle
from services.clinical.record import Allergy, Condition, Medication, PatientRecord, Reference
from services.clinical.statuses import ClinicalStatus, Gender, MedicationStatus
from services.clinical.tables import rows
from services.recommendation.equivalents import EQUIVALENTS_FILE, NAMES_FILE
from services.recommendation.tasks.record_ranking import MAX_DRIVERS, MAX_PARTS
from tests.recommendation.conftest import DIABETES, HYPERTENSION, RANKER

TODAY = date(2020, 3, 1)


def having(concept, place=""):
    onset = PartialDate.of(TODAY)
    return Condition(CodedConcept((concept,)), ClinicalStatus.ACTIVE, onset=onset, place=place)


def adult(*concepts, **fields):
    conditions = tuple(having(concept, f"condition {i}") for i, concept in enumerate(concepts))
    return PatientRecord(age=Age(55), gender=Gender.MALE, conditions=conditions, **fields)


async def ranked(ranker, record, further=(), count=5):
    """The ranking alone."""
    return (await ranker.rank(record, further, count))[0]


def named(ranking):
    return [item.treatment.display for item in ranking.recommendations]


@pytest.mark.parametrize(
    ("condition", "treatment"),
    [
        (DIABETES, "Metformin"),
        (HYPERTENSION, "Hydrochlorothiazide"),
        (Concept(SNOMED, "90560007", "Gout"), "Colchicine"),
        (Concept(SNOMED, "43878008", "Streptococcal sore throat"), "Penicillin"),
        (Concept(SNOMED, "26929004", "Alzheimer's disease"), "Galantamine"),
    ],
)
async def test_what_a_condition_is_treated_with_is_near_the_top(ranker, condition, treatment):
    ranking = await ranked(ranker, adult(condition), count=5)
    [found] = [item for item in ranking.recommendations if treatment in item.treatment.display][:1]
    assert found.drivers[0].entry == Reference("condition 0", condition)
    assert ranking.known_conditions == (Reference("condition 0", condition),)
    assert ranking.unknown_conditions == ()


async def test_scores_fall_and_stay_in_their_range(ranker, records):
    for record in records[:5]:
        scores = [item.score for item in (await ranked(ranker, record, count=100)).recommendations]
        assert len(scores) == 100
        assert scores == sorted(scores, reverse=True)
        assert 0 <= scores[-1] <= scores[0] <= 1


@pytest.mark.slow
async def test_drivers_are_what_the_ranker_says_without_them(ranker, records):
    """Faithful: ranked again without a driver, the treatment has the score that the driver states."""
    checked = 0
    for record in records[:10]:
        for item in (await ranked(ranker, record, count=3)).recommendations:
            for driver in item.drivers:
                again = await ranked(ranker, keep_today(record, driver.entry.concept), count=1000)
                [same] = [other for other in again.recommendations if other.treatment == item.treatment]
                assert same.score == pytest.approx(driver.score_without, abs=1e-6)
                assert driver.contribution == pytest.approx(item.score - same.score, abs=1e-6)
                checked += 1
    assert checked > 20


async def test_removing_the_driver_moves_the_score_more_than_removing_another_condition(
    ranker, encoder, graphs, records
):
    """Faithful: on average over records, against a condition of the same record drawn at random."""
    rng = np.random.default_rng(5)
    named_drops, random_drops = [], []
    for record in records:
        if len(record.conditions) < 2:
            continue
        top = (await ranked(ranker, record, count=1)).recommendations[0]
        if not top.drivers:
            continue
        driver = top.drivers[0].entry.concept
        others = [item.concept for item in record.conditions if item.concept.key != driver.key]
        other = others[rng.integers(len(others))]
        column = [treatment.key for treatment in encoder.vocabulary.treatments].index(top.treatment.key)
        for concept, drops in ((driver, named_drops), (other, random_drops)):
            features = encoder.encode(keep_today(record, concept), record.latest_day())[None]
            drops.append(top.score - graphs[RANKER]({"features": features})["scores"][0, column])
    assert len(named_drops) >= 15
    assert np.mean(named_drops) > 3 * abs(np.mean(random_drops))


def keep_today(record, concept):
    """Without the condition, but with the record's day: an allergy-like entry that the model does not know
    holds it.
    """
    today = PartialDate.of(record.latest_day())
    anchor = Condition(CodedConcept.of(SNOMED, "0", "anchor"), ClinicalStatus.RESOLVED, onset=today)
    return dataclasses.replace(
        record.without(concept.key), conditions=(*record.without(concept.key).conditions, anchor)
    )


async def test_what_the_patient_had_is_not_ranked_again(ranker):
    had = next(item for item in (await ranked(ranker, adult(DIABETES), count=1)).recommendations).treatment
    taken = Medication(
        CodedConcept((had,)), status=MedicationStatus.STOPPED, authored=PartialDate.parse("2015")
    )
    record = adult(DIABETES, medications=(taken,))
    ranking = await ranked(ranker, record, count=100)
    assert had not in [item.treatment for item in ranking.recommendations]
    assert "PAST_TREATMENTS_NOT_RANKED" in [notice.reason for notice in ranking.notices]


@pytest.mark.parametrize(
    ("gender", "left_out"),
    [
        (Gender.FEMALE, {"Prostatectomy"}),
        (Gender.MALE, {"Yaz 28 Day Pack", "Routine antenatal care"}),
        (Gender.OTHER, set()),
    ],
)
async def test_drugs_off_the_market_and_what_is_for_the_other_sex_are_not_ranked(
    ranker, encoder, gender, left_out
):
    record = dataclasses.replace(adult(Concept(SNOMED, "26929004", "Alzheimer's disease")), gender=gender)
    offered = set(named(await ranked(ranker, record, count=1000)))
    missing = {item.display for item in encoder.vocabulary.treatments} - offered
    assert {"Tacrine 10 MG Oral Capsule", "Terfenadine 60 MG Oral Tablet"} | left_out <= missing
    assert len(missing) == {Gender.FEMALE: 4, Gender.MALE: 28, Gender.OTHER: 3}[gender]


async def test_a_contraindicated_treatment_keeps_its_place(ranker):
    throat = Concept(SNOMED, "43878008", "Streptococcal sore throat")
    plain = await ranked(ranker, adult(throat), count=5)
    penicillin = Concept(SNOMED, "91936005", "Allergy to penicillin")
    record = adult(throat, allergies=(Allergy(CodedConcept((penicillin,))),))
    allergic = await ranked(ranker, record)
    assert named(allergic) == named(plain)
    [first] = [item for item in allergic.recommendations if "Penicillin" in item.treatment.display][:1]
    assert first.alerts[0].trigger.concept == penicillin


async def test_further_conditions_count_as_of_today(ranker):
    empty = adult(allergies=())
    ranking = await ranked(ranker, empty, (having(DIABETES),))
    assert any("Metformin" in name for name in named(ranking))
    same = await ranked(ranker, adult(DIABETES), (having(DIABETES),))
    assert same == await ranked(ranker, adult(DIABETES), count=5)


async def test_other_codes_of_a_condition_count_and_are_named_as_given(ranker):
    icd = Concept(ICD10CM, "E11.22", "Type 2 diabetes with kidney disease")
    ranking = await ranked(ranker, adult(icd), count=5)
    metformin = next(item for item in ranking.recommendations if "Metformin" in item.treatment.display)
    assert metformin.drivers[0].entry.concept == icd
    assert [entry.concept for entry in ranking.known_conditions] == [icd]
    assert not ranking.unknown_conditions
    pregnant = await ranked(ranker, adult(Concept(ICD10CM, "Z34.90", "Pregnancy")), count=178)
    captopril = next(item for item in pregnant.recommendations if "Captopril" in item.treatment.display)
    assert captopril.alerts[0].trigger.concept == Concept(ICD10CM, "Z34.90", "Pregnancy")


async def test_what_does_not_count_is_told(ranker):
    strange = CodedConcept.of("http://example.org/codes", "x", "Strange condition")
    pill = CodedConcept.of(RXNORM, "0", "Strange pill")
    record = PatientRecord(conditions=(Condition(strange),), medications=(Medication(pill),))
    ranking = await ranked(ranker, record, count=5)
    assert ranking.unknown_conditions == (Reference("", strange.preferred),)
    reasons = {notice.reason: notice.review_required for notice in ranking.notices}
    assert reasons == {
        "NO_KNOWN_CONDITION": False,
        "AGE_UNKNOWN": False,
        "MEDICATION_NOT_CHECKED": True,
        "CONDITION_NOT_CHECKED": True,
    }


async def test_an_empty_record_is_ranked_by_what_is_usual(ranker):
    assert len((await ranked(ranker, PatientRecord(), count=10)).recommendations) == 10


async def test_a_record_with_everything_fits_one_batch(ranker, encoder, inference):
    everything = adult(*(Concept(SNOMED, key.split("|")[1], key) for key in encoder.vocabulary.conditions))
    had = tuple(
        Medication(CodedConcept.of(RXNORM, t.key.split("|")[1], t.display))
        for t in encoder.vocabulary.treatments
    )
    record = dataclasses.replace(everything, medications=had)
    assert (
        len(encoder.vocabulary.conditions)
        + sum(t.kind == "medication" for t in encoder.vocabulary.treatments)
        > 250
    )
    ranking = await ranked(ranker, record, count=5)
    assert inference.calls[-1][1]["features"].shape[0] <= MAX_PARTS + 1
    assert all(len(item.drivers) <= MAX_DRIVERS for item in ranking.recommendations)


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
async def test_an_answer_that_is_no_score_is_no_answer(ranker, inference, value):
    def broken(inputs):
        return {"scores": np.full((len(inputs["features"]), 178), value, np.float32)}

    inference.functions[RANKER] = broken
    with pytest.raises(ModelFailed):
        await ranked(ranker, adult(DIABETES), count=5)


def test_equivalents_lead_to_conditions_that_the_model_knows(encoder):
    """A table row whose target the model does not know would be a typing error."""
    content = tomllib.loads(EQUIVALENTS_FILE.read_text(encoding="utf-8"))
    for table in content.values():
        for code, targets in table.items():
            assert all(f"snomed|{target}" in encoder.conditions for target in targets), code
    for code, _name, _source in rows(NAMES_FILE, 3):
        assert f"snomed|{code}" in encoder.conditions


async def test_real_bundles_are_ranked(ranker, shared_data):
    files = sorted((shared_data / "fhir").glob("*.json"))
    assert files
    for file in files:
        record = read_bundle(file.read_bytes()).record
        ranking = await ranked(ranker, record, count=10)
        assert len(ranking.recommendations) == 10
        had = {item.concept.key for item in record.medications}
        assert not had & {item.treatment.key for item in ranking.recommendations}
