"""Each safety rule by every code and name that the tables give its trigger, and by what is none of them.

Made from the tables themselves: a rule that claims a code system is tried with every code of it.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict

import pytest

from services.clinical.code_systems import ATC, ICD10, ICD10CM, LOINC, RXNORM, SYSTEM_BY_SHORT_NAME
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.dates import Age, AgeUnit
from services.clinical.drugs import FOLDER, PARTS, read_classes, read_ingredients
from services.clinical.measurements import MEASUREMENTS_FILE
from services.clinical.record import Allergy, Condition, Medication, Observation, PatientRecord, Quantity
from services.clinical.statuses import ClinicalStatus, MedicationStatus, Verification
from services.clinical.tables import rows
from services.recommendation.allergies import ALLERGENS_FILE
from services.recommendation.condition_groups import GROUPS_FILE, GUARD
from services.recommendation.safety.alerts import Kind, Severity
from services.recommendation.safety.check import SafetyCheck
from services.recommendation.safety.rules import SafetyRules

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
    return seen(Concept(RXNORM, "0", named.get(group) or members(group)[0]))


def seen(concept):
    """What the rules see of a product."""
    return RULES.product(CodedConcept((concept,)))


def spoken(rule, record, group):
    """Whether the rule, or another one that is no milder, speaks against a product of the group."""
    alerts = SafetyCheck(RULES, record).alerts(product(group))
    return any(alert.severity >= rule.severity for alert in alerts)


def silent(rule, record):
    """Whether nothing but the patient's age speaks against the rule's drugs."""
    alerts = [a for group in rule.drugs for a in SafetyCheck(RULES, record).alerts(product(group))]
    return not [alert for alert in alerts if alert.kind is not Kind.AGE]


@pytest.mark.parametrize("group", sorted(CONDITIONS))
def test_every_code_of_a_group_of_conditions_is_read(group):
    for concept in CONDITIONS[group]:
        assert group in RULES.condition_groups.of(concept), concept


@pytest.mark.parametrize("rule", RULES.conditions, ids=lambda rule: rule.id)
def test_a_rule_on_conditions_speaks_of_each_of_its_drugs_in_each_of_its_conditions(rule):
    of_age = aged_for(rule)
    for group in rule.against:
        concept = CONDITIONS[group][0]
        lasting = PatientRecord(age=of_age, conditions=(Condition(concept, ClinicalStatus.ACTIVE),))
        over = PatientRecord(age=of_age, conditions=(Condition(concept, ClinicalStatus.RESOLVED),))
        for drugs in rule.drugs:
            assert spoken(rule, lasting, drugs), (concept, drugs)
            assert rule.active or spoken(rule, over, drugs), (concept, drugs)


def test_conditions_that_no_rule_speaks_of_raise_nothing():
    conditions = tuple(Condition(concept, ClinicalStatus.ACTIVE) for concept in UNRELATED_CONDITIONS)
    record = PatientRecord(conditions=conditions)
    assert all(silent(rule, record) for rule in RULES.conditions)


def aged_for(rule):
    """An age at which the rule holds; none where it holds at any."""
    if rule.oldest_days < float("inf"):
        return Age(int(rule.oldest_days) - 1, AgeUnit.DAYS)
    return Age(60) if rule.youngest_days > 0 else None


@pytest.mark.parametrize("group", sorted(EXCEPTED))
def test_what_is_excepted_from_a_group_does_not_belong_to_it(group):
    for concept in EXCEPTED[group]:
        assert group not in RULES.condition_groups.of(concept), concept


@pytest.mark.parametrize("rule", [rule for rule in RULES.conditions if rule.active], ids=lambda rule: rule.id)
def test_a_rule_on_what_lasts_is_silent_when_it_is_over(rule):
    for group in rule.against:
        over = Condition(CONDITIONS[group][0], ClinicalStatus.RESOLVED)
        triggered = SafetyCheck(RULES, PatientRecord(conditions=(over,))).facts.triggered
        assert rule.id not in {item.rule.id for item in triggered}


@pytest.mark.parametrize("tentative", [Verification.PROVISIONAL, Verification.DIFFERENTIAL])
def test_a_condition_that_is_not_confirmed_cautions_at_most(tentative):
    concept = CodedConcept.of(ICD10CM, "Z33.1")
    for verification, severity in (
        (tentative, Severity.CAUTION),
        (Verification.CONFIRMED, Severity.CONTRAINDICATED),
    ):
        record = PatientRecord(conditions=(Condition(concept, ClinicalStatus.ACTIVE, verification),))
        [alert] = SafetyCheck(RULES, record).alerts(seen(Concept(RXNORM, "0", "Captopril")))
        assert alert.severity is severity


@pytest.mark.parametrize("name", sorted(DRUGS))
def test_every_code_and_name_of_a_drug_leads_to_it(name):
    for concept in DRUGS[name]:
        assert name in RULES.groups(RULES.drugs_of(concept)), concept


@pytest.mark.parametrize("rule", RULES.allergies, ids=lambda rule: rule.id)
def test_a_rule_on_allergies_speaks_of_each_of_its_drugs(rule):
    for group in rule.against - RULES.allergens.others:
        for name in filter(DRUGS.get, {group, *members(group)}):
            record = PatientRecord(allergies=(Allergy(DRUGS[name][0]),))
            check = SafetyCheck(RULES, record)
            assert not check.notices, name
            assert all(spoken(rule, record, drugs) for drugs in rule.drugs), name


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
        name: seen(Concept(RXNORM, "0", name)) for rule in RULES.allergies for name in all_members(rule.drugs)
    }
    for name in unruled:
        check = SafetyCheck(RULES, PatientRecord(allergies=(Allergy(CodedConcept(text=name)),)))
        assert not check.notices, name
        assert not [other for other, drug in treatments.items() if other != name and check.alerts(drug)], name


def all_members(groups):
    return [name for group in groups for name in members(group)]


@pytest.mark.parametrize("rule", RULES.interactions[::2], ids=lambda rule: rule.id)
def test_a_rule_on_interactions_holds_both_ways(rule):
    for one, other in ((rule.drugs, rule.against), (rule.against, rule.drugs)):
        for group in one:
            taken = (members(group) or [group])[0]
            medication = Medication(DRUGS[taken][0], status=MedicationStatus.ACTIVE)
            check = SafetyCheck(RULES, PatientRecord(medications=(medication,)))
            for met in other:
                ordered = next((name for name in members(met) if name != taken), None)
                if ordered is not None:
                    alerts = check.alerts(seen(Concept(RXNORM, "0", ordered)))
                    assert any(alert.severity >= rule.severity for alert in alerts), (taken, ordered)


@pytest.mark.parametrize("name", sorted(RULES.drugs.names))
def test_an_allergy_to_a_drug_contraindicates_it_and_taking_it_is_a_duplicate(name):
    treatment, concept = seen(Concept(RXNORM, "0", name)), DRUGS[name][0]
    allergic = SafetyCheck(RULES, PatientRecord(allergies=(Allergy(concept),))).alerts(treatment)
    assert (allergic[0].kind, allergic[0].severity) == (Kind.ALLERGY, Severity.CONTRAINDICATED)
    taking = PatientRecord(medications=(Medication(concept, status=MedicationStatus.ACTIVE),))
    assert Kind.DUPLICATE in {alert.kind for alert in SafetyCheck(RULES, taking).alerts(treatment)}


@pytest.mark.parametrize("rule", RULES.measurements, ids=lambda rule: rule.id)
def test_a_rule_on_measurements_knows_every_code_of_them_and_its_limits(rule):
    [name] = rule.against
    entry = MEASUREMENTS[name]
    inside = rule.low if rule.low > 0 else rule.high * 0.99
    outside = [value for value in (rule.high, rule.low * 0.99) if 0 < value < float("inf")]
    for code in entry["loinc"]:
        assert triggers(rule, measured(code, inside, entry["unit"]))
        assert not any(triggers(rule, measured(code, value, entry["unit"])) for value in outside)
    others = [code for other in MEASUREMENTS if other != name for code in MEASUREMENTS[other]["loinc"]]
    related = {"creatinine"} if name == "glomerular_filtration_rate" else set()
    for code in others:
        assert related or not triggers(rule, measured(code, inside, ""))


def triggers(rule, record):
    return rule.id in {item.rule.id for item in SafetyCheck(RULES, record).facts.triggered}


def measured(code, value, unit):
    return PatientRecord(observations=(Observation(CodedConcept.of(LOINC, code), Quantity(value, unit)),))
