"""What argues against a treatment."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest

from services.clinical.code_systems import LOINC, RXNORM, SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import Age, AgeUnit, PartialDate
from services.clinical.measurements import MEASUREMENTS_FILE
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Quantity,
    Reference,
)
from services.clinical.statuses import ClinicalStatus, Gender, MedicationStatus
from services.clinical.tables import rows
from services.recommendation.condition_groups import GROUPS_FILE, GUARD
from services.recommendation.safety.alerts import Kind, Severity
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.genes import GENES_FILE
from services.recommendation.safety.rules import SETTINGS_FILE

MEASUREMENTS = tomllib.loads(MEASUREMENTS_FILE.read_text(encoding="utf-8"))
NOBODY = PatientRecord()
STOP, CARE, INFO = Severity.CONTRAINDICATED, Severity.CAUTION, Severity.INFORMATION


def drug(display, code="0"):
    return Concept(RXNORM, code, display)


def product(rules, display):
    return rules.product(CodedConcept((drug(display),)))


def may_be_offered(rules, display, gender):
    return rules.may_be_offered(drug(display), product(rules, display), gender)


def allergic(display, code="0", system=SNOMED):
    return PatientRecord(allergies=(Allergy(CodedConcept.of(system, code, display)),))


def taking(display, *, active=True):
    status = MedicationStatus.ACTIVE if active else MedicationStatus.STOPPED
    return PatientRecord(medications=(Medication(CodedConcept((drug(display, "1"),)), status=status),))


def having(code, *, active=True):
    status = ClinicalStatus.ACTIVE if active else ClinicalStatus.RESOLVED
    return PatientRecord(conditions=(Condition(CodedConcept.of(SNOMED, code, "a condition"), status),))


def measured(code, *values):
    concept = CodedConcept.of(LOINC, code, "a measurement")
    days = (PartialDate.of(date(2020, 1, 1 + index)) for index in range(len(values)))
    return PatientRecord(
        observations=tuple(Observation(concept, Quantity(v), d) for v, d in zip(values, days, strict=True))
    )


def aged(count, unit=AgeUnit.YEARS):
    return PatientRecord(age=Age(count, unit))


def found(rules, treatment, record):
    return [
        (alert.kind, alert.severity) for alert in SafetyCheck(rules, record).alerts(product(rules, treatment))
    ]


@pytest.mark.parametrize(
    ("treatment", "record", "expected"),
    [
        # Allergies: to the drug, to its class, across classes, by code or by name.
        (
            "Penicillin V Potassium 250 MG",
            allergic("Allergy to penicillin", "91936005"),
            [(Kind.ALLERGY, STOP)],
        ),
        ("Amoxicillin 500 MG Oral Tablet", allergic("", "91936005"), [(Kind.ALLERGY, STOP)]),
        ("Amoxicillin 500 MG Oral Tablet", allergic("penicillin V", "7984", RXNORM), [(Kind.ALLERGY, STOP)]),
        ("Amoxicillin 500 MG Oral Tablet", allergic("", "7984", RXNORM), [(Kind.ALLERGY, STOP)]),
        (
            "Cefuroxime 250 MG Oral Tablet",
            allergic("Allergy to penicillin", "91936005"),
            [(Kind.ALLERGY, CARE)],
        ),
        ("Ampicillin 100 MG/ML Injection", allergic("Allergy to cephalosporin"), [(Kind.ALLERGY, CARE)]),
        ("Ibuprofen 200 MG Oral Tablet", allergic("", "293586001"), [(Kind.ALLERGY, STOP)]),
        ("Naproxen sodium 220 MG", allergic("Aspirin", "1191", RXNORM), [(Kind.ALLERGY, STOP)]),
        ("Hydrochlorothiazide 25 MG", allergic("Allergy to sulfonamide", "91939003"), [(Kind.ALLERGY, STOP)]),
        ("Lasix 40mg", allergic("Allergy to sulfonamide", "91939003"), [(Kind.ALLERGY, CARE)]),
        ("Fluticasone / salmeterol [Advair]", allergic("", "425525006"), [(Kind.ALLERGY, STOP)]),
        ("Loratadine 10 MG", allergic("Loratadine", "28889", RXNORM), [(Kind.ALLERGY, STOP)]),
        ("Ibuprofen 200 MG Oral Tablet", allergic("Allergy to peanuts", "91935009"), []),
        ("Doxycycline 50 MG", allergic("Allergy to penicillin", "91936005"), []),
        # Interactions and duplicates, with active medication only.
        ("Nitroglycerin 0.4 MG/ACTUAT", taking("Sildenafil 50 MG"), [(Kind.INTERACTION, STOP)]),
        ("Sildenafil 50 MG", taking("Nitroglycerin 0.4 MG/ACTUAT"), [(Kind.INTERACTION, STOP)]),
        ("Sildenafil 50 MG", taking("Nitroglycerin 0.4 MG/ACTUAT", active=False), []),
        ("Simvistatin 10 MG", taking("Clarithromycin 500 MG"), [(Kind.INTERACTION, STOP)]),
        ("Simvastatin 20 MG", taking("Amlodipine 5 MG"), [(Kind.INTERACTION, CARE)]),
        ("Ibuprofen 200 MG", taking("Warfarin Sodium 5 MG"), [(Kind.INTERACTION, CARE)]),
        ("Clonazepam [Klonopin]", taking("Oxycodone 5 MG"), [(Kind.INTERACTION, CARE)]),
        ("Yaz 28 Day Pack", taking("Carbamazepine[Tegretol]"), [(Kind.INTERACTION, CARE)]),
        ("Sertraline 100MG", taking("Phenelzine 15 MG"), [(Kind.INTERACTION, STOP)]),
        ("Levothyroxine 0.075 MG", taking("ferrous sulfate 325 MG"), [(Kind.INTERACTION, CARE)]),
        ("Simvastatin 20 MG", taking("Simvistatin 10 MG"), [(Kind.DUPLICATE, CARE)]),
        ("Atorvastatin 80 MG", taking("Simvastatin 20 MG"), [(Kind.DUPLICATE, CARE)]),
        ("Acetaminophen / oxyCODONE", taking("Acetaminophen 325 MG"), [(Kind.DUPLICATE, CARE)]),
        ("Acetaminophen 325 MG", taking("Metformin 500 MG"), []),
        # Both at once: ibuprofen is a second NSAID beside aspirin, and blocks it.
        ("Ibuprofen 200 MG", taking("Aspirin 81 MG"), [(Kind.DUPLICATE, CARE), (Kind.INTERACTION, CARE)]),
        # Conditions, measurements and age.
        ("Captopril 25 MG", having("72892002"), [(Kind.PREGNANCY, STOP)]),
        ("Captopril 25 MG", having("72892002", active=False), []),
        ("Trinessa 28 Day Pack", having("230690007", active=False), [(Kind.CONDITION, STOP)]),
        ("Camila 28 Day Pack", having("230690007"), []),
        ("Naproxen 500 MG", having("88805009"), [(Kind.CONDITION, CARE)]),
        ("Metformin 500 MG", measured("33914-3", 90.0, 25.0), [(Kind.KIDNEY, STOP)]),
        ("Metformin 500 MG", measured("33914-3", 25.0, 40.0), [(Kind.KIDNEY, CARE)]),
        ("Metformin 500 MG", measured("33914-3", 25.0, 45.0), []),
        ("Dextromethorphan 1 MG/ML", aged(1), [(Kind.AGE, STOP)]),
        ("Dextromethorphan 1 MG/ML", aged(23, AgeUnit.MONTHS), [(Kind.AGE, STOP)]),
        ("Dextromethorphan 1 MG/ML", aged(9, AgeUnit.DAYS), [(Kind.AGE, STOP)]),
        ("Dextromethorphan 1 MG/ML", aged(3), [(Kind.AGE, CARE)]),
        ("Dextromethorphan 1 MG/ML", aged(4), []),
        ("Aspirin 81 MG", aged(18), [(Kind.AGE, CARE)]),
        ("Diazepam [Valium]", aged(65), [(Kind.AGE, CARE)]),
        ("Aspirin 81 MG", NOBODY, []),
    ],
)
def test_rules(rules, treatment, record, expected):
    assert found(rules, treatment, record) == expected


def test_an_alert_names_its_trigger_and_its_source(rules):
    penicillin = Concept(SNOMED, "91936005", "Allergy to penicillin")
    record = PatientRecord(
        allergies=(Allergy(CodedConcept((penicillin,)), place="Bundle.entry[4].resource"),)
    )
    [alert] = SafetyCheck(rules, record).alerts(product(rules, "Amoxicillin 500 MG"))
    assert alert.trigger == Reference("Bundle.entry[4].resource", penicillin)
    assert alert.rule_id == "penicillins_after_penicillins_allergy"
    assert alert.explanation
    assert alert.source == "Labels of penicillins, section Contraindications"


def test_the_most_serious_alert_of_a_trigger_is_kept_and_comes_first(rules):
    record = PatientRecord(
        age=Age(70),
        medications=(
            Medication(CodedConcept((drug("Carbamazepine 200 MG", "2"),))),
            Medication(CodedConcept((drug("Verapamil 40 MG", "3"),))),
        ),
        allergies=(Allergy(CodedConcept.of(RXNORM, "723", "Amoxicillin")),),
    )
    alerts = SafetyCheck(rules, record).alerts(product(rules, "Amoxicillin 500 MG"))
    assert [(alert.kind, alert.severity) for alert in alerts] == [(Kind.ALLERGY, STOP)]
    severities = [
        alert.severity
        for alert in SafetyCheck(rules, record).alerts(product(rules, "Simvastatin / Diazepam"))
    ]
    assert severities == sorted(severities, reverse=True)


def test_every_medication_that_is_ranked_is_recognised(rules, encoder):
    medications = [item for item in encoder.vocabulary.treatments if item.kind == "medication"]
    assert len(medications) > 100
    assert [
        item.display for item in medications if not rules.drugs_of(CodedConcept((drug(item.display),)))
    ] == []


@pytest.mark.parametrize(
    ("display", "drugs"),
    [
        ("Norinyl 1+50 28 Day Pack", {"mestranol", "norethindrone"}),
        ("Acetaminophen/Hydrocodone", {"acetaminophen", "hydrocodone"}),
        ("24 HR metoprolol succinate 100 MG Extended Release Oral Tablet [Toprol]", {"metoprolol"}),
        ("Unknown thing", set()),
        ("Aspirinoid", set()),
    ],
)
def test_drugs_are_recognised_by_whole_words(rules, display, drugs):
    assert rules.drugs_of(CodedConcept((drug(display),))) == drugs


def test_drugs_off_the_market_are_known(rules):
    assert not may_be_offered(rules, "Terfenadine 60 MG Oral Tablet", Gender.OTHER)
    assert may_be_offered(rules, "Fexofenadine hydrochloride 60 MG Oral Tablet", Gender.OTHER)


def test_the_rules_are_sound(rules):
    """Every name in a rule is one of the tables', every rule has its words, its remedy and its source."""
    settings = tomllib.loads(SETTINGS_FILE.read_text(encoding="utf-8"))
    drugs = rules.drugs.names | rules.drugs.classes | settings["forms"].keys()
    groups = {group for group, *_ in rows(GROUPS_FILE, 5)}
    phenotypes = tomllib.loads(GENES_FILE.read_text(encoding="utf-8"))["genes"]
    assert set(settings["duplicate_classes"]) <= rules.drugs.classes
    assert set(settings["without_rules"]) <= rules.drugs.names
    assert set(settings["lasting_measurements"]) <= MEASUREMENTS.keys()
    known = [
        (rules.allergies, drugs | rules.allergens.others),
        (rules.interactions, drugs),
        (rules.conditions, groups),
        (rules.measurements, MEASUREMENTS.keys()),
        (rules.ages, set()),
    ]
    for table, names in known:
        assert table
        for rule in table:
            assert rule.drugs <= drugs, rule
            assert rule.against <= names, rule
            assert rule.unless <= groups, rule
    for rule in rules.phenotypes:
        assert rule.drugs <= drugs
        assert {one.rpartition(":")[0] for one in rule.against} <= phenotypes.keys(), rule
    every = [*rules.all()]
    ids = [rule.id for rule in every if rule not in rules.interactions] + [
        rule.id for rule in rules.interactions[::2]
    ]
    assert len(set(ids)) == len(ids) > 600
    for rule in every:
        assert re.fullmatch(r"[a-z0-9_]+", rule.id)
        assert rule.drugs, rule
        assert rule.explanation.endswith("."), rule
        assert rule.remedy.endswith("."), rule
        assert len(rule.source) > 10, rule
    for item in settings["withdrawn"]:
        assert item["drug"] in rules.drugs.names
        assert item["source"]


def test_every_group_of_conditions_is_used_or_guards(rules):
    used = {group for rule in rules.conditions for group in rule.against} | {GUARD}
    used |= {group for rule in rules.conditions for group in rule.unless}
    known = {group.lstrip("!") for group, *_ in rows(GROUPS_FILE, 5)}
    assert known - used == {"chronic_kidney_disease_1"}, "stage 1 is read, and no rule speaks of it"
