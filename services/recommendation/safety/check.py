"""What in a record argues against a drug: allergies, interactions, duplicates and the patient's own facts.
And what of the record could not be held against the rules, so that no alert is not taken for clearance.

The rules and their sources are data (`rules.py`); here is only how they apply.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from services.chassis.notices import Notice
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.record import Allergy, Condition, Medication, PatientRecord, Reference
from services.recommendation.safety.alerts import Alert, Evidence, Kind, Severity
from services.recommendation.safety.facts import Facts
from services.recommendation.safety.rules import Product, SafetyRules

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
_GENE_NOT_UNDERSTOOD = (
    "GENE_NOT_UNDERSTOOD",
    "Findings on genes that bear on drugs and that are not understood: {count}. They were not checked.",
)
_PARTS = re.compile(r"\s[/+]\s")
"""Between the ingredients in a product's name; strengths have their slashes without spaces."""


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A drug that the patient takes, or that another order is about to add, and what is in it."""

    entry: Reference
    concept: CodedConcept
    product: Product


class SafetyCheck:
    """The rules on one patient's record: which of them it triggers is found once, for all drugs."""

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
        conditions: list[Condition] = []
        stated: list[Condition] = []
        for item in record.conditions:
            (stated if rules.allergens.is_one(item.concept) else conditions).append(item)
        active = (item for item in stated if item.is_active)
        self._allergens = [*self._read_allergies((*record.allergies, *further_allergies, *active))]
        self._rules_on_allergens = [
            (entry, rules.allergies_by_allergen.on(rules.groups(allergens)))
            for entry, allergens in self._allergens
        ]
        today = record.latest_day()
        self.taken = [*self._read_medications([m for m in record.medications if m.is_taken(today)])]
        self._unread_conditions = [
            item
            for item in conditions
            if not rules.condition_groups.is_coded(item.concept)
            and not rules.condition_groups.of(item.concept)
            and not is_understood(item)
        ]
        self.facts = Facts(rules, record)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was not checked: allergies, active medications, conditions and genes that are not understood,
        which asks for review, and medications that no rule speaks of, which does not.
        """
        found: tuple[tuple[tuple[str, str], list[str], bool], ...] = (
            (_ALLERGY_NOT_CHECKED, [item.place for item in self._unread_allergies], True),
            (_MEDICATION_NOT_CHECKED, [item.place for item in self._unread_medications], True),
            (_MEDICATION_WITHOUT_RULE, [item.place for item in self._medications_without_rule], False),
            (_CONDITION_NOT_CHECKED, [item.place for item in self._unread_conditions], True),
            (_GENE_NOT_UNDERSTOOD, [entry.place for entry in self.facts.unread_genes], True),
        )
        return tuple(
            Notice(
                reason,
                message.format(count=len(places)),
                review,
                tuple(dict.fromkeys(place for place in places if place)),
            )
            for (reason, message), places, review in found
            if places
        )

    def alerts(self, treatment: Product) -> list[Alert]:
        """What in the record argues against a ranked treatment, the worst first; one alert a kind and
        trigger.
        """
        return worst_of_each(self.against(treatment, self.taken))

    def against(self, product: Product, taken: Sequence[Taken]) -> Iterator[Alert]:
        """Every alert on the drug, which meets those of `taken`."""
        drugs, groups, local = product.drugs, product.groups, product.is_local
        yield from self._of_allergens(drugs, "very drug", "allergy_to_drug")
        for other in taken if drugs else ():
            for alert in self._of_taken(product, other):
                yield _milder(alert) if local or other.product.is_local else alert
        for item in self.facts.triggered:
            if not groups.isdisjoint(item.rule.drugs):
                alert = item.rule.alert(item.trigger, at_most=item.at_most)
                yield _milder(alert) if local else alert
        yield from self._by_allergy(groups)
        # After the rules, which say more of a class.
        yield from self._of_allergens(groups - drugs, "drug's class", "allergy_to_class")

    def takes(self, concept: CodedConcept, entry: Reference, route: str = "") -> Taken | None:
        """The drug as one that others meet; None where it is not known."""
        product = self._rules.product(concept, route)
        return Taken(entry, concept, product) if product.drugs else None

    def _read_allergies(
        self, allergies: Sequence[Allergy | Condition]
    ) -> Iterator[tuple[Reference, frozenset[str]]]:
        for allergy in allergies:
            allergen = self._rules.allergens.read(allergy.concept)
            if not allergen.understood:
                self._unread_allergies.append(allergy)
            yield Reference.to(allergy), allergen.groups

    def _read_medications(self, medications: Sequence[Medication]) -> Iterator[Taken]:
        distinct = {item.concept: item for item in medications}
        for medication in distinct.values():
            concept = medication.concept
            if self._rules.is_no_medication(concept):
                continue
            taken = self.takes(concept, Reference.to(medication))
            if taken is None or not self._is_whole(concept):
                self._unread_medications.append(medication)
            elif not self._has_rules(taken.product.drugs):
                self._medications_without_rule.append(medication)
            if taken is not None:
                yield taken

    def is_understood(self, concept: CodedConcept) -> bool:
        """Whether every drug in a product is known."""
        return bool(self._rules.drugs_of(concept)) and self._is_whole(concept)

    def _is_whole(self, concept: CodedConcept) -> bool:
        known = self._rules.drugs
        return any(all(known.by_name(part) for part in _PARTS.split(name)) for name in concept.names) or any(
            map(known.by_code, concept.keys)
        )

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
                yield Alert(
                    Kind.ALLERGY,
                    Severity.CONTRAINDICATED,
                    rule_id,
                    entry,
                    f"The record has an allergy to this {what}.",
                    "Labels, section Contraindications (hypersensitivity)",
                    Evidence.HIGH,
                    "Ask what the reaction was; choose another drug.",
                )

    def _of_taken(self, product: Product, taken: Taken) -> Iterator[Alert]:
        drugs, theirs = product.drugs, taken.product.drugs
        new, old = product.groups, taken.product.groups
        if not drugs.isdisjoint(theirs):
            # What is in both products at once meets itself: that is a duplicate, no interaction.
            new, old = self._rules.groups(drugs - theirs), self._rules.groups(theirs - drugs)
            yield _duplicate("duplicate_drug", taken.entry, "this drug", Evidence.HIGH)
        elif new & old & self._rules.duplicates:
            yield _duplicate("duplicate_class", taken.entry, "another drug of its class", Evidence.MODERATE)
        for rule in self._rules.interactions_by_drug.on(new):
            if not old.isdisjoint(rule.against):
                yield dataclasses.replace(rule.alert(taken.entry), is_between_drugs=True)

    def _by_allergy(self, groups: frozenset[str]) -> Iterator[Alert]:
        for entry, rules in self._rules_on_allergens:
            for rule in rules:
                if not groups.isdisjoint(rule.drugs):
                    yield rule.alert(entry)


def worst_of_each(alerts: Iterator[Alert]) -> list[Alert]:
    """Of the alerts of one kind on one trigger the worst; those first that matter most."""
    worst: dict[tuple[Kind, str], Alert] = {}
    for alert in alerts:
        key = (alert.kind, _name(alert.trigger.concept) if alert.trigger else alert.explanation)
        if key not in worst or _rank(alert) > _rank(worst[key]):
            worst[key] = alert
    return sorted(worst.values(), key=lambda alert: (-alert.severity, -alert.evidence))


def _rank(alert: Alert) -> tuple[int, int]:
    return alert.severity, alert.evidence


def _milder(alert: Alert) -> Alert:
    """The alert on a product that acts where it is applied, and reaches the rest of the body little."""
    if alert.kind is Kind.ALLERGY:
        return alert
    return dataclasses.replace(alert, severity=Severity.INFORMATION, evidence=Evidence.LOW)


def _duplicate(rule_id: str, entry: Reference, what: str, evidence: Evidence) -> Alert:
    explanation = f"The patient takes {what} already."
    return Alert(
        Kind.DUPLICATE,
        Severity.CAUTION,
        rule_id,
        entry,
        explanation,
        "The record itself",
        evidence,
        "Stop one of them, or say why both are needed.",
    )


def _name(concept: Concept) -> str:
    return concept.key if concept.code else concept.display
