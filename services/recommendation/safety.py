"""What in a record argues against a treatment: allergies, interactions, duplicates, conditions, measurements,
age. And what of the record could not be held against the rules, so that no alert is not taken for clearance.

The rules and their sources are data (`safety_rules.py`); here is only how they apply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from services.chassis.notices import Notice
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.measurements import measurement_of
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Quantity,
    Reference,
)
from services.clinical.statuses import Comparator
from services.recommendation.safety_rules import Alert, Kind, Rule, SafetyRules, Severity

_ALLERGY_NOT_CHECKED = (
    "ALLERGY_NOT_CHECKED",
    "Allergies that are not understood, at least in part: {count}. What is not understood was not checked.",
)
_MEDICATION_NOT_CHECKED = (
    "MEDICATION_NOT_CHECKED",
    "Active medications that are not understood, at least in part: {count}. They were not checked.",
)
_MEDICATION_WITHOUT_RULE = (
    "MEDICATION_NOT_CHECKED",
    "Active medications that are known but in no safety rule: {count}. Nothing was checked against them.",
)
_CONDITION_NOT_CHECKED = (
    "CONDITION_NOT_CHECKED",
    "Conditions whose codes and words are not known: {count}. No rule was held against them.",
)
_PARTS = re.compile(r"\s[/+]\s")
"""Between the ingredients in a product's name; strengths have their slashes without spaces."""


class SafetyCheck:
    """The rules on one patient's record: which of them it triggers is found once, for all treatments."""

    def __init__(
        self,
        rules: SafetyRules,
        record: PatientRecord,
        further_allergies: Sequence[Allergy] = (),
        is_understood: Callable[[Condition], bool] = lambda _: False,
    ) -> None:
        """`further_allergies` are not in the record; they count like its own. `is_understood` tells
        conditions in words that no rule speaks of from those that nobody knows.
        """
        self._rules = rules
        self._unread_allergies: list[Allergy | Condition] = []
        self._unread_medications: list[Medication] = []
        self._medications_without_rule: list[Medication] = []
        stated = {item for item in record.conditions if rules.allergens.is_one(item.concept)}
        active = (item for item in record.conditions if item in stated and item.is_active)
        self._allergens = [*self._read_allergies((*record.allergies, *further_allergies, *active))]
        today = record.latest_day()
        self._taken = [*self._read_medications([m for m in record.medications if m.is_taken(today)])]
        self._unread_conditions = [
            item
            for item in record.conditions
            if item not in stated
            and not rules.condition_groups.is_coded(item.concept)
            and not rules.condition_groups.of(item.concept)
            and not is_understood(item)
        ]
        self._triggered = [
            *self._by_allergy(),
            *self._by_condition(record),
            *self._by_measurement(record),
            *self._by_age(record),
        ]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was not checked: allergies, active medications and conditions that are not understood, which
        asks for review, and medications that no rule speaks of, which does not.
        """
        found: tuple[tuple[tuple[str, str], Sequence[Allergy | Medication | Condition], bool], ...] = (
            (_ALLERGY_NOT_CHECKED, self._unread_allergies, True),
            (_MEDICATION_NOT_CHECKED, self._unread_medications, True),
            (_MEDICATION_WITHOUT_RULE, self._medications_without_rule, False),
            (_CONDITION_NOT_CHECKED, self._unread_conditions, True),
        )
        return tuple(
            Notice(reason, message.format(count=len(items)), review, _places(items))
            for (reason, message), items, review in found
            if items
        )

    def alerts(self, treatment: Concept) -> list[Alert]:
        """What in the record argues against `treatment`, the worst first; one alert a kind and trigger."""
        drugs = self._rules.drugs_of(CodedConcept((treatment,)))
        if not drugs:
            return []
        groups = self._rules.groups(drugs)
        worst: dict[tuple[Kind, str], Alert] = {}
        for alert in (
            *self._of_allergens(drugs, "very drug", "allergy_to_drug"),
            *self._of_taken(drugs, groups),
            *(
                rule.alert(kind, trigger, at_most=at_most)
                for kind, rule, trigger, at_most in self._triggered
                if groups & rule.drugs
            ),
            # After the rules, which say more of a class.
            *self._of_allergens(groups - drugs, "drug's class", "allergy_to_class"),
        ):
            key = (alert.kind, _name(alert.trigger.concept) if alert.trigger else alert.explanation)
            if key not in worst or alert.severity > worst[key].severity:
                worst[key] = alert
        return sorted(worst.values(), key=lambda alert: -alert.severity)

    def _read_allergies(
        self, allergies: Sequence[Allergy | Condition]
    ) -> Iterator[tuple[Reference, frozenset[str]]]:
        for allergy in allergies:
            allergen = self._rules.allergens.read(allergy.concept)
            if not allergen.understood:
                self._unread_allergies.append(allergy)
            yield Reference.to(allergy), allergen.groups

    def _read_medications(self, medications: Sequence[Medication]) -> Iterator[_Taken]:
        distinct = {item.concept: item for item in medications}
        for medication in distinct.values():
            concept = medication.concept
            if self._rules.is_no_medication(concept):
                continue
            drugs = self._rules.drugs_of(concept)
            if not self._is_understood(concept, drugs):
                self._unread_medications.append(medication)
            elif not self._has_rules(drugs):
                self._medications_without_rule.append(medication)
            if drugs:
                yield _Taken(Reference.to(medication), drugs, self._rules)

    def _is_understood(self, concept: CodedConcept, drugs: frozenset[str]) -> bool:
        """Whether every drug in a product is known."""
        known = self._rules.drugs
        whole = any(all(known.by_name(part) for part in _PARTS.split(name)) for name in concept.names) or any(
            map(known.by_code, concept.keys)
        )
        return bool(drugs) and whole

    def _has_rules(self, drugs: frozenset[str]) -> bool:
        """Whether some rule speaks of every drug in a product; of a group's code, of a class that it is."""
        known = self._rules.drugs
        classes = drugs & known.classes
        return all(map(self._rules.speak_of, drugs & known.names)) and (
            not classes or any(map(self._rules.speak_of, classes))
        )

    def _of_allergens(self, groups: frozenset[str], what: str, rule_id: str) -> Iterator[Alert]:
        for entry, allergens in self._allergens:
            if groups & allergens:
                explanation = f"The record has an allergy to this {what}."
                source = "Labels, section Contraindications (hypersensitivity)"
                yield Alert(Kind.ALLERGY, Severity.CONTRAINDICATED, rule_id, entry, explanation, source)

    def _of_taken(self, drugs: frozenset[str], groups: frozenset[str]) -> Iterator[Alert]:
        for taken in self._taken:
            if taken.drugs & drugs:
                yield _duplicate("duplicate_drug", taken.entry, "this drug")
            elif groups & taken.groups & self._rules.duplicates:
                yield _duplicate("duplicate_class", taken.entry, "another drug of its class")
            # What is in both products at once meets itself: that is a duplicate, no interaction.
            new, old = self._rules.groups(drugs - taken.drugs), self._rules.groups(taken.drugs - drugs)
            for rule in taken.interactions:
                if new & rule.drugs and old & rule.against:
                    yield rule.alert(Kind.INTERACTION, taken.entry)

    def _by_allergy(self) -> Iterator[_Triggered]:
        for entry, allergens in self._allergens:
            known_as = self._rules.groups(allergens)
            for rule in self._rules.allergies:
                if known_as & rule.against:
                    yield Kind.ALLERGY, rule, entry, Severity.CONTRAINDICATED

    def _by_condition(self, record: PatientRecord) -> Iterator[_Triggered]:
        for condition in record.conditions:
            groups = self._rules.condition_groups.of(condition.concept)
            at_most = Severity.CAUTION if condition.verification.is_tentative else Severity.CONTRAINDICATED
            for rule in self._rules.conditions if groups else ():
                if groups & rule.against and (condition.is_active or not rule.active):
                    yield Kind.CONDITION, rule, Reference.to(condition), at_most
        yield from self._by_finding(record)

    def _by_finding(self, record: PatientRecord) -> Iterator[_Triggered]:
        """Of the answers to one question the last counts: "pregnant", then "not pregnant"."""
        last: dict[str, tuple[CodedConcept, str]] = {}
        for finding in sorted(record.observations, key=lambda item: item.moment):
            if isinstance(finding.value, CodedConcept):
                last[finding.concept.key] = (finding.value, finding.place)
        for answer, place in last.values():
            groups = self._rules.condition_groups.of(answer)
            for rule in self._rules.conditions if groups else ():
                if groups & rule.against:
                    entry = Reference(place, answer.preferred)
                    yield Kind.CONDITION, rule, entry, Severity.CONTRAINDICATED

    def _by_measurement(self, record: PatientRecord) -> Iterator[_Triggered]:
        last: dict[str, list[tuple[Observation, Quantity]]] = {}
        for observation in sorted(record.observations, key=lambda item: item.moment):
            measurement = measurement_of(observation.concept)
            if measurement is None or not isinstance(observation.value, Quantity):
                continue
            newest = last.setdefault(measurement.name, [])
            if newest and newest[0][0].moment != observation.moment:
                newest.clear()
            newest.append((observation, observation.value))
        for name, newest in last.items():
            for observation, quantity in newest:
                for rule in self._rules.measurements:
                    at_most = _certainty(quantity, rule) if name in rule.against else None
                    if at_most is not None:
                        yield Kind.CONDITION, rule, Reference.to(observation), at_most

    def _by_age(self, record: PatientRecord) -> Iterator[_Triggered]:
        age = record.age_years
        for rule in self._rules.ages:
            if age is not None and rule.low <= age < rule.high:
                yield Kind.AGE, rule, None, Severity.CONTRAINDICATED


_Triggered = tuple[Kind, Rule, Reference | None, Severity]
"""What triggers which rule, and how serious it can be at most."""


class _Taken:
    """An active medication, what is in it, and the interactions it can have."""

    def __init__(self, entry: Reference, drugs: frozenset[str], rules: SafetyRules) -> None:
        self.entry = entry
        self.drugs = drugs
        self.groups = rules.groups(drugs)
        self.interactions = [rule for rule in rules.interactions if self.groups & rule.against]


def _duplicate(rule_id: str, entry: Reference, what: str) -> Alert:
    explanation = f"The patient takes {what} already."
    return Alert(Kind.DUPLICATE, Severity.CAUTION, rule_id, entry, explanation, "The record itself")


def _certainty(quantity: Quantity, rule: Rule) -> Severity | None:
    """How serious the rule can be for this value; None where the value does not trigger it.

    "<60" may be any value below: a rule that holds only for some of them cautions at most. Laboratories
    report whole numbers: ">59" is 60 or more.
    """
    low, high = _bounds(quantity)
    if rule.low <= low and high < rule.high:
        return Severity.CONTRAINDICATED
    return Severity.CAUTION if low < rule.high and high >= rule.low else None


def _bounds(quantity: Quantity) -> tuple[float, float]:
    """The least and the greatest value that the quantity can mean."""
    value = quantity.value
    step = 1.0 if value.is_integer() else 0.0
    match quantity.comparator:
        case Comparator.LESS:
            return -math.inf, value - step if step else math.nextafter(value, -math.inf)
        case Comparator.LESS_OR_EQUAL:
            return -math.inf, value
        case Comparator.GREATER:
            return value + step if step else math.nextafter(value, math.inf), math.inf
        case Comparator.GREATER_OR_EQUAL:
            return value, math.inf
        case _:
            return value, value


def _name(concept: Concept) -> str:
    return concept.key if concept.code else concept.display


def _places(items: Sequence[Allergy | Medication | Condition]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.place for item in items if item.place))
