"""Each safety rule by every code and name that the tables give its trigger, and by what is none of them.

Made from the tables themselves: a rule that claims a code system is tried with every code of it.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict

import pytest

from services.clinical.code_systems import ATC, ICD10, ICD10CM, LOINC, RXNORM, SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.drugs import FOLDER, PARTS, read_classes, read_ingredients
from services.clinical.measurements import MEASUREMENTS_FILE
from services.clinical.record import Allergy, Condition, Medication, Observation, PatientRecord, Quantity
from services.clinical.statuses import ClinicalStatus, MedicationStatus, Verification
from services.clinical.tables import rows
from services.recommendation.allergies import ALLERGENS_FILE
from services.recommendation.condition_groups import GROUPS_FILE, GUARD
from services.recommendation.safety import SafetyCheck
from services.recommendation.safety_rules import Kind, SafetyRules, Severity

pytestmark = pytest.mark.slow  # every code of every rule

RULES = SafetyRules.load()
MEASUREMENTS = tomllib.loads(MEASUREMENTS_FILE.read_text(encoding="utf-8"))
EDITIONS = {"icd10": (ICD10CM, ICD10), "icd10cm": (ICD10CM,), "icd10who": (ICD10,)}
UNRELATED_CONDITIONS = (
    CodedConcept.of(SYSTEM_BY_SHORT_NAME["snomed"], "233604007", "Pneumonia"),
    CodedConcept.of(ICD10CM, "J18.9"),
    CodedConcept.of(ICD10, "J18.9"),
    CodedConcept.of("http://example.org/codes", "O09.90"),
    CodedConcept.of(SYSTEM_BY_SHORT_NAME["rxnorm"], "72892002"),
    CodedConcept(text="Ingrown toenail"),
)


def codings_of_drugs():
    """Every coding of each drug and class, by its name."""
    codings = defaultdict(list)
    for name, system, code, *_ in rows(FOLDER / "drug_codes.tsv", 5):
        codings[name].append(CodedConcept.of(SYSTEM_BY_SHORT_NAME[system], code))
    for ingredient in read_ingredients():
        if PARTS not in ingredient.name:
            if ingredient.rxcui and ingredient.is_checked:
                codings[ingredient.name].append(CodedConcept.of(RXNORM, ingredient.rxcui))
            codings[ingredient.name] += [CodedConcept(text=term) for term in ingredient.terms]
    for rxcui, name, _ in rows(FOLDER / "drug_products.tsv", 3):
        found = RULES.drugs.by_name(name)
        if len(found) == 1:
            codings[next(iter(found))].append(CodedConcept.of(RXNORM, rxcui))
    for drug_class in read_classes():
        codings[drug_class.name] += [CodedConcept(text=term) for term in drug_class.called]
        codings[drug_class.name] += [
            CodedConcept.of(ATC, code)
            for system, code in (group.split("|") for group in drug_class.groups)
            if system == "atc"
        ]
    return codings


def codings_of_conditions():
    """Every coding that belongs to each group, and every one that is excepted from it."""
    belonging, excepted = defaultdict(list), defaultdict(list)
    for group, system, value, *_ in rows(GROUPS_FILE, 5):
        if group == GUARD:
            continue
        made = [CodedConcept(text=value)] if system == "text" else []
        if system in {"snomed", "loinc"}:
            made = [CodedConcept.of(SYSTEM_BY_SHORT_NAME[system], value)]
        made += [CodedConcept.of(edition, value) for edition in EDITIONS.get(system, ())]
        (excepted if group.startswith("!") else belonging)[group.lstrip("!")] += made
    return belonging, excepted


DRUGS = codings_of_drugs()
CONDITIONS, EXCEPTED = codings_of_conditions()


def members(group):
    """The ingredients of a class, or the drug itself."""
    return [name for name in sorted(RULES.drugs.names) if group in RULES.groups({name})]


def product(group):
    """A product with a drug of the group in it."""
    named = {"lactose inhaler": "Salmeterol [Advair]"}
    return Concept(RXNORM, "0", named.get(group) or members(group)[0])


def spoken(rule, record, group, kind):
    """Whether the rule, or another one that is no milder, speaks against a product of the group."""
    alerts = SafetyCheck(RULES, record).alerts(product(group))
    return any(alert.kind is kind and alert.severity >= rule.severity for alert in alerts)


def silent(rule, record, kind):
    alerts = [a for group in rule.drugs for a in SafetyCheck(RULES, record).alerts(product(group))]
    return not [alert for alert in alerts if alert.kind is kind]


def label(rule):
    return f"{'+'.join(sorted(rule.against))[:50]}-{'+'.join(sorted(rule.drugs))[:40]}"


@pytest.mark.parametrize("rule", RULES.conditions, ids=label)
def test_a_rule_on_conditions_knows_every_code_of_them(rule):
    for group in rule.against:
        assert CONDITIONS[group], group
        for concept in CONDITIONS[group]:
            lasting = PatientRecord(conditions=(Condition(concept, ClinicalStatus.ACTIVE),))
            over = PatientRecord(conditions=(Condition(concept, ClinicalStatus.RESOLVED),))
            for drugs in rule.drugs:
                assert spoken(rule, lasting, drugs, Kind.CONDITION), concept
                assert rule.active or spoken(rule, over, drugs, Kind.CONDITION), concept
    for concept in UNRELATED_CONDITIONS:
        assert silent(
            rule, PatientRecord(conditions=(Condition(concept, ClinicalStatus.ACTIVE),)), Kind.CONDITION
        )


@pytest.mark.parametrize("group", sorted(EXCEPTED))
def test_what_is_excepted_from_a_group_does_not_belong_to_it(group):
    for concept in EXCEPTED[group]:
        assert group not in RULES.condition_groups.of(concept), concept


@pytest.mark.parametrize("rule", [rule for rule in RULES.conditions if rule.active], ids=label)
def test_a_rule_on_what_lasts_is_silent_when_it_is_over(rule):
    others = frozenset().union(*(other.against for other in RULES.conditions if not other.active))
    for group in rule.against:
        for concept in CONDITIONS[group]:
            if not RULES.condition_groups.of(concept) & others:
                over = PatientRecord(conditions=(Condition(concept, ClinicalStatus.RESOLVED),))
                assert silent(rule, over, Kind.CONDITION), concept


@pytest.mark.parametrize("tentative", [Verification.PROVISIONAL, Verification.DIFFERENTIAL])
def test_a_condition_that_is_not_confirmed_cautions_at_most(tentative):
    concept = CodedConcept.of(ICD10CM, "Z33.1")
    for verification, severity in (
        (tentative, Severity.CAUTION),
        (Verification.CONFIRMED, Severity.CONTRAINDICATED),
    ):
        record = PatientRecord(conditions=(Condition(concept, ClinicalStatus.ACTIVE, verification),))
        [alert] = SafetyCheck(RULES, record).alerts(Concept(RXNORM, "0", "Captopril"))
        assert alert.severity is severity


@pytest.mark.parametrize("rule", RULES.allergies, ids=label)
def test_a_rule_on_allergies_knows_every_code_of_them(rule):
    for group in rule.against - RULES.allergens.others:
        for name in {group, *members(group)}:
            for concept in DRUGS[name]:
                record = PatientRecord(allergies=(Allergy(concept),))
                assert not SafetyCheck(RULES, record).notices, concept
                assert all(spoken(rule, record, drugs, Kind.ALLERGY) for drugs in rule.drugs), concept


def test_a_rule_on_allergies_knows_every_code_of_other_allergens():
    for name, kind, system, value, *_ in rows(ALLERGENS_FILE, 6):
        concept = CodedConcept(text=value) if system == "text" else coded(system, value)
        check = SafetyCheck(RULES, PatientRecord(allergies=(Allergy(concept),)))
        assert bool(check.notices) == (kind == "unspecified"), value
        alerts = check.alerts(product("lactose inhaler"))
        assert bool(alerts) == (name == "milk"), (kind, value)


def coded(system, code):
    return CodedConcept.of(SYSTEM_BY_SHORT_NAME[system], code)


def test_a_condition_that_is_an_allergy_by_its_code_counts_as_one():
    coded_as = [row for row in rows(ALLERGENS_FILE, 6) if row[2] != "text"]
    for name, kind, system, value, *_ in coded_as:
        condition = Condition(coded(system, value), ClinicalStatus.ACTIVE)
        check = SafetyCheck(RULES, PatientRecord(conditions=(condition,)))
        reasons = {notice.reason for notice in check.notices}
        assert reasons == ({"ALLERGY_NOT_CHECKED"} if kind == "unspecified" else set()), value
        if kind == "drug":
            assert check.alerts(product(name))[0].kind is Kind.ALLERGY, value


def test_an_allergy_to_a_drug_that_no_rule_names_says_nothing_of_others():
    ruled = {group for rule in RULES.allergies for group in rule.against}
    unruled = [name for name in sorted(RULES.drugs.names) if not RULES.groups({name}) & ruled]
    assert len(unruled) > 200
    treatments = {
        name: Concept(RXNORM, "0", name) for rule in RULES.allergies for name in all_members(rule.drugs)
    }
    for name in unruled:
        check = SafetyCheck(RULES, PatientRecord(allergies=(Allergy(CodedConcept(text=name)),)))
        assert not check.notices, name
        assert not [other for other, drug in treatments.items() if other != name and check.alerts(drug)], name


def all_members(groups):
    return [name for group in groups for name in members(group)]


@pytest.mark.parametrize("rule", RULES.interactions, ids=label)
def test_a_rule_on_interactions_knows_every_code_of_the_drugs(rule):
    for group in rule.against:
        for name in {group, *members(group)}:
            for concept in DRUGS[name]:
                taken = (Medication(concept, status=MedicationStatus.ACTIVE),)
                for drugs in rule.drugs:
                    other = [n for n in members(drugs) if n != name and name not in RULES.groups({n})]
                    if other:
                        treatment = Concept(RXNORM, "0", other[0])
                        alerts = SafetyCheck(RULES, PatientRecord(medications=taken)).alerts(treatment)
                        assert any(
                            a.kind is Kind.INTERACTION
                            and (a.explanation == rule.explanation or a.severity >= rule.severity)
                            for a in alerts
                        ), (concept, treatment)
                        stopped = (Medication(concept, status=MedicationStatus.STOPPED),)
                        assert not SafetyCheck(RULES, PatientRecord(medications=stopped)).alerts(treatment)


@pytest.mark.parametrize("name", sorted(RULES.drugs.names))
def test_an_allergy_to_a_drug_contraindicates_it_and_taking_it_is_a_duplicate(name):
    treatment = Concept(RXNORM, "0", name)
    for concept in DRUGS[name]:
        allergic = SafetyCheck(RULES, PatientRecord(allergies=(Allergy(concept),))).alerts(treatment)
        assert (allergic[0].kind, allergic[0].severity) == (Kind.ALLERGY, Severity.CONTRAINDICATED), concept
        taking = PatientRecord(medications=(Medication(concept, status=MedicationStatus.ACTIVE),))
        assert Kind.DUPLICATE in {alert.kind for alert in SafetyCheck(RULES, taking).alerts(treatment)}, (
            concept
        )


@pytest.mark.parametrize("rule", RULES.measurements, ids=lambda rule: f"{label(rule)}-{rule.high}")
def test_a_rule_on_measurements_knows_every_code_of_them(rule):
    [name], [drugs] = rule.against, rule.drugs
    entry = MEASUREMENTS[name]
    inside = max(rule.low, rule.high - 1.0)
    outside = [rule.high, *([rule.low - 0.5] if rule.low > 0 else [])]
    others = [code for other in MEASUREMENTS if other != name for code in MEASUREMENTS[other]["loinc"]]
    for code in entry["loinc"]:
        assert spoken(rule, measured(code, inside, entry["unit"]), drugs, Kind.CONDITION)
        for value in outside:
            alerts = SafetyCheck(RULES, measured(code, value, entry["unit"])).alerts(
                product(next(iter(rule.drugs)))
            )
            assert rule.explanation not in {alert.explanation for alert in alerts}
    for code in others:
        assert silent(rule, measured(code, inside, ""), Kind.CONDITION)


def measured(code, value, unit):
    return PatientRecord(observations=(Observation(CodedConcept.of(LOINC, code), Quantity(value, unit)),))
