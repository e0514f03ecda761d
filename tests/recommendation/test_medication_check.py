"""Drafted orders held against a record: what is computed, merged, ranked and said."""

from __future__ import annotations

import dataclasses
import json

import pytest

from services.chassis.errors import InvalidInput
from services.clinical.code_systems import LOINC
from services.clinical.concepts import CodedConcept
from services.clinical.dates import Age, PartialDate
from services.clinical.dosage import Dosage, dosage_in
from services.clinical.fhir.orders import read_order
from services.clinical.measurements import in_used_units
from services.clinical.record import Condition, Observation, PatientRecord, Quantity
from services.clinical.statuses import ClinicalStatus, Gender
from services.recommendation.safety.alerts import Evidence, Kind, Severity
from services.recommendation.safety.kidney import Method, bedside_schwartz, ckd_epi_2021, kidney_function
from services.recommendation.safety.orders import SHOWN_FROM, Order
from tests.recommendation.medication_records import checked, concept, order, patient, record


def observed(code, value, unit, day="2026-10-01", place=""):
    return Observation(CodedConcept.of(LOINC, code), Quantity(value, unit), PartialDate.parse(day), place)


def said(text, answer, place="Bundle.entry[1].resource"):
    """A finding in words."""
    return Observation(
        CodedConcept(text=text), CodedConcept(text=answer), PartialDate.parse("2026-10-01"), place
    )


def with_observations(written, *observations):
    base = patient(written)
    return in_used_units(dataclasses.replace(base, observations=observations))[0]


def ids(rules, made, ordered):
    return [item.alert.rule_id for item in checked(rules, made, order(ordered)).orders[0].alerts]


# --- The kidney ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("creatinine", "age", "gender", "rate"),
    [
        # The National Kidney Foundation's calculator of CKD-EPI 2021.
        (1.0, 50, Gender.FEMALE, 69),
        (1.0, 50, Gender.MALE, 92),
        (2.6, 70, Gender.FEMALE, 19),
        (0.6, 30, Gender.FEMALE, 124),
        (3.1, 66, Gender.MALE, 21),
    ],
)
def test_the_filtration_rate_is_that_of_ckd_epi_2021(creatinine, age, gender, rate):
    assert ckd_epi_2021(creatinine, age, gender) == pytest.approx(rate, abs=0.6)


def test_the_filtration_rate_of_a_child_is_that_of_schwartz():
    assert bedside_schwartz(0.5, 110) == pytest.approx(90.86)
    child = with_observations("6 male", observed("8302-2", 1.10, "m"), observed("14682-9", 44.2, "umol/L"))
    found = kidney_function(child)
    assert found.method is Method.BEDSIDE_SCHWARTZ
    assert found.rate.value == pytest.approx(90.86, rel=0.01)


def test_the_later_of_a_reported_rate_and_a_creatinine_counts():
    old, new = "2026-01-01", "2026-09-01"
    rate, creatinine = ("33914-3", 80.0, "mL/min/{1.73_m2}"), ("2160-0", 3.1, "mg/dL")
    reported = with_observations("66 male", observed(*creatinine, old), observed(*rate, new))
    computed = with_observations("66 male", observed(*creatinine, new), observed(*rate, old))
    together = with_observations("66 male", observed(*creatinine, new), observed(*rate, new))
    assert kidney_function(reported).method is Method.REPORTED
    assert kidney_function(computed).rate.value == pytest.approx(21, abs=0.6)
    assert kidney_function(together).method is Method.REPORTED


def test_a_creatinine_without_the_gender_is_said(rules):
    made = with_observations("66 -", observed("2160-0", 3.1, "mg/dL"))
    answer = checked(rules, made, order("text:metformin 500 mg"))
    assert answer.kidney is None
    assert [notice.reason for notice in answer.notices] == ["KIDNEY_FUNCTION_UNKNOWN"]


def test_a_stage_and_a_rate_make_one_alert_with_both_as_triggers(rules):
    made = with_observations("66 male", observed("33914-3", 20.0, "mL/min/{1.73_m2}", place="rate"))
    stage = Condition(concept("icd10cm:N18.4"), ClinicalStatus.ACTIVE, place="stage")
    [item] = (
        checked(rules, dataclasses.replace(made, conditions=(stage,)), order("text:metformin 500 mg"))
        .orders[0]
        .alerts
    )
    assert item.alert.kind is Kind.KIDNEY
    assert {trigger.place for trigger in item.triggers} == {"rate", "stage"}


def test_an_old_value_of_what_changes_within_days_does_not_interrupt(rules):
    potassium = observed("2823-3", 6.4, "mmol/L", "2020-01-01")
    later = observed("2951-2", 140.0, "mmol/L", "2026-10-01")
    made = with_observations("50 male", potassium, later)
    answer = checked(rules, made, order("text:lisinopril 10 mg")).orders[0]
    assert answer.alerts == ()
    assert {item.alert.severity for item in answer.minor_alerts} == {Severity.INFORMATION}


# --- Genes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer", "ordered", "alerted"),
    [
        ("CYP2C19 gene product metabolic activity", "Poor metabolizer", "text:clopidogrel 75 mg", True),
        ("CYP2C19 genotype", "*2/*17", "text:clopidogrel 75 mg", True),  # intermediate
        ("CYP2C19 genotype", "*1/*17", "text:clopidogrel 75 mg", False),  # rapid
        ("CYP2C19 genotype", "*1/*1", "text:clopidogrel 75 mg", False),
        ("CYP2D6 genotype", "*1/*4", "text:codeine 30 mg", True),  # intermediate
        ("CYP2D6 genotype", "*1/*41", "text:codeine 30 mg", False),  # 1.5, normal
        ("CYP2D6 genotype", "*4/*5", "text:codeine 30 mg", True),
        ("CYP2D6", "normal metabolizer", "text:codeine 30 mg", False),
        ("HLA-B*57:01 [Presence]", "Positive", "text:abacavir 300 mg", True),
        ("HLA-B*57:01 [Presence]", "Negative", "text:abacavir 300 mg", False),
        ("HLA-B*57:01 [Presence]", "Not detected", "text:abacavir 300 mg", False),
        ("DPYD", "c.1905+1G>A heterozygous", "text:capecitabine 500 mg", True),
        ("SLCO1B1 rs4149056", "TC", "text:simvastatin 40 mg", True),
        ("SLCO1B1 rs4149056", "TT", "text:simvastatin 40 mg", False),
        ("VKORC1 rs9923231", "AA", "text:warfarin 5 mg", True),
        ("TPMT", "intermediate metabolizer", "text:azathioprine 50 mg", True),
        ("CYP3A5", "*3/*3", "text:tacrolimus 1 mg", False),
        ("G6PD", "deficient", "text:rasburicase", True),
        ("G6PD", "not deficient", "text:rasburicase", False),
    ],
)
def test_a_phenotype_is_read_from_words_alleles_and_variants(rules, asked, answer, ordered, alerted):
    found = checked(rules, with_observations("50 male", said(asked, answer)), order(ordered))
    assert [item.alert.kind for item in found.orders[0].alerts] == [Kind.GENE] * alerted
    assert found.notices == ()


def test_a_gene_and_its_phenotype_in_components_of_one_observation_belong_together(rules):
    made = with_observations(
        "50 male", said("Gene studied", "CYP2C19"), said("Effect on metabolism", "Poor metabolizer")
    )
    assert ids(rules, made, "text:clopidogrel 75 mg") == ["clopidogrel_with_cyp2c19_poor"]
    apart = with_observations(
        "50 male", said("Gene studied", "CYP2C19", "a"), said("Effect on metabolism", "Poor metabolizer", "b")
    )
    assert ids(rules, apart, "text:clopidogrel 75 mg") == []


def test_the_later_finding_of_a_gene_counts(rules):
    first = said("CYP2C19", "poor metabolizer", "a")
    then = dataclasses.replace(
        said("CYP2C19", "normal metabolizer", "b"), effective=PartialDate.parse("2026-11-01")
    )
    assert ids(rules, with_observations("50 male", first, then), "text:clopidogrel 75 mg") == []


def test_an_allele_that_is_not_known_is_said(rules):
    made = with_observations("50 male", said("CYP2C19 genotype", "*1/*999"))
    assert [n.reason for n in checked(rules, made, order("text:clopidogrel")).notices] == [
        "GENE_NOT_UNDERSTOOD"
    ]


# --- Doses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metformin 1000 mg BID", Dosage(Quantity(1000, "mg"), 2)),
        ("2 tablets three times a day", Dosage(Quantity(2, "{tablet}"), 3)),
        ("500 mg q6h", Dosage(Quantity(500, "mg"), 4)),
        ("10 mg once a week", Dosage(Quantity(10, "mg"), 1 / 7)),
        ("simvastatin 20 mg", None),
    ],
)
def test_a_dosage_is_read_from_words(text, expected):
    assert dosage_in(text) == expected


@pytest.mark.parametrize(
    ("ordered", "dosage", "who", "severity"),
    [
        ("acetaminophen 500 MG Oral Tablet", Dosage(Quantity(2, "{tablet}"), 4), "30 male", None),
        ("acetaminophen 500 MG Oral Tablet", Dosage(Quantity(3, "{tablet}"), 4), "30 male", Severity.CAUTION),
        (
            "acetaminophen 325 MG / hydrocodone 5 MG Oral Tablet",
            Dosage(Quantity(4, "{tablet}"), 4),
            "30 male",
            Severity.CAUTION,
        ),
        ("citalopram", Dosage(Quantity(40, "mg"), 1), "40 male", None),
        ("citalopram", Dosage(Quantity(40, "mg"), 1), "72 male", Severity.CAUTION),
        ("levothyroxine", Dosage(Quantity(1, "mg"), 1), "40 male", Severity.CONTRAINDICATED),
        ("levothyroxine", Dosage(Quantity(100, "ug"), 1), "40 male", None),
        ("amoxicillin 400 MG/5ML Suspension", Dosage(Quantity(50, "mL"), 3), "40 male", None),
        ("methotrexate", Dosage(Quantity(15, "mg"), 1), "40 male", Severity.CONTRAINDICATED),
        ("methotrexate", Dosage(Quantity(15, "mg"), 1 / 7), "40 male", None),
    ],
)
def test_a_dose_above_the_label_alerts(rules, ordered, dosage, who, severity):
    found = checked(rules, patient(who), Order(CodedConcept(text=ordered), dosage, "orders[0]")).orders[0]
    alerts = [item.alert.severity for item in found.alerts if item.alert.kind is Kind.DOSE]
    assert alerts == ([] if severity is None else [severity])


# --- Orders -------------------------------------------------------------------------------------------------


def test_orders_are_held_against_one_another(rules):
    answer = checked(
        rules, patient("50 male"), order("text:warfarin 5 mg"), order("text:fluconazole 150 mg", "orders[1]")
    )
    first, second = answer.orders
    assert [trigger.place for trigger in first.alerts[0].triggers] == ["orders[1]"]
    assert [trigger.place for trigger in second.alerts[0].triggers] == ["orders[0]"]


def test_a_renewal_does_not_interrupt_and_another_product_of_the_drug_does(rules):
    made = record("50 male", "medication", "text:simvastatin 20 mg")
    assert ids(rules, made, "text:simvastatin 20 mg") == []
    assert ids(rules, made, "text:simvastatin 10 mg") == ["duplicate_drug"]


def test_what_is_put_on_the_skin_does_not_interrupt_but_for_an_allergy(rules):
    ulcer = record("50 male", "condition", "text:peptic ulcer disease")
    assert ids(rules, ulcer, "text:diclofenac 75 mg")
    assert ids(rules, ulcer, "text:diclofenac 1% topical gel") == []
    allergic = record("50 male", "allergy", "text:diclofenac")
    assert ids(rules, allergic, "text:diclofenac 1% topical gel")


def test_a_pacemaker_lifts_what_speaks_of_a_slow_heart(rules):
    made = record("70 male", "condition", "text:complete heart block")
    assert ids(rules, made, "text:metoprolol 25 mg")
    paced = dataclasses.replace(
        made, conditions=(*made.conditions, Condition(concept("icd10cm:Z95.0"), ClinicalStatus.ACTIVE))
    )
    assert ids(rules, paced, "text:metoprolol 25 mg") == []


def test_alerts_are_ranked_by_severity_and_evidence(rules):
    made = dataclasses.replace(
        record("80 male", "medication", "text:warfarin 5 mg"),
        conditions=(Condition(concept("text:GI bleed"), ClinicalStatus.ACTIVE),),
    )
    answer = checked(rules, made, order("text:ketorolac 10 mg")).orders[0]
    priorities = [item.alert.priority for item in answer.alerts]
    assert priorities == sorted(priorities, reverse=True)
    assert priorities[0] == 4 * Evidence.HIGH
    assert min(priorities) >= SHOWN_FROM
    assert all(item.alert.priority < SHOWN_FROM for item in answer.minor_alerts)
    assert all(item.alert.remedy and item.alert.source for item in answer.alerts)


def test_an_order_that_is_not_understood_is_said(rules):
    answer = checked(rules, PatientRecord(age=Age(40)), order("text:foobarcin 5 mg"))
    assert answer.orders[0].drugs == ()
    assert [(n.reason, n.places) for n in answer.notices] == [("ORDER_NOT_UNDERSTOOD", ("orders[0]",))]


# --- FHIR ---------------------------------------------------------------------------------------------------


def request(**fields):
    return json.dumps(
        {"resourceType": "MedicationRequest", "status": "draft", "intent": "order"} | fields
    ).encode()


def test_a_draft_is_read_with_its_dosage():
    read = read_order(
        request(
            medicationCodeableConcept={"text": "metformin 500 MG Oral Tablet"},
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                    "route": {"coding": [{"display": "Oral route"}]},
                    "doseAndRate": [{"doseQuantity": {"value": 3, "unit": "tablet"}}],
                }
            ],
        )
    )
    assert read.drugs == (CodedConcept(text="metformin 500 MG Oral Tablet"),)
    assert read.dosage == Dosage(Quantity(3.0, "tablet"), 2.0, "Oral route")
    assert not read.unread_dosage


def test_a_dosage_in_words_is_read_and_one_that_cannot_be_is_told():
    drug = {"medicationCodeableConcept": {"text": "ibuprofen"}}
    read = read_order(request(**drug, dosageInstruction=[{"text": "600 mg every 6 hours"}]))
    assert read.dosage == Dosage(Quantity(600.0, "mg"), 4.0)
    assert read_order(request(**drug, dosageInstruction=[{"text": "as directed"}])).unread_dosage


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"[]", "resourceType"),
        (b'{"resourceType": "Patient"}', "resourceType"),
        (request(), "medicationCodeableConcept"),
        (request(doNotPerform=True, medicationCodeableConcept={"text": "x"}), "doNotPerform"),
        (request(medicationCodeableConcept=[1]), "medicationCodeableConcept"),
    ],
)
def test_what_is_no_order_is_refused_by_its_field(content, field):
    with pytest.raises(InvalidInput) as raised:
        read_order(content)
    assert raised.value.field == field
