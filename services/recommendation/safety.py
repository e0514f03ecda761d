"""What in a record speaks against a treatment: allergies, interactions, duplicates, conditions, measurements,
age.

The rules and their sources are data (`safety_rules.toml`); here is only how they apply. They are well-known
rules and no complete database: the absence of an alert is no clearance. Nothing here is learned.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from services.recommendation.record import LOINC, RXNORM, SNOMED, Concept, Gender, PatientRecord

RULES_FILE = Path(__file__).with_name("safety_rules.toml")


class Kind(enum.Enum):
    """What an alert is about."""

    ALLERGY = "allergy"
    INTERACTION = "interaction"
    DUPLICATE = "duplicate"
    CONDITION = "condition"
    AGE = "age"


class Severity(enum.IntEnum):
    """How serious an alert is."""

    INFORMATION = 1
    CAUTION = 2
    CONTRAINDICATED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """One reason against a treatment."""

    kind: Kind
    severity: Severity
    trigger: Concept | None
    """What of the record triggers it; None: the patient's age."""
    explanation: str
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A row of the rules file: when one of `drugs` meets one of `against`, these are the words."""

    drugs: frozenset[str]
    against: frozenset[str]
    severity: Severity
    explanation: str
    source: str
    names: re.Pattern[str] | None = None
    active: bool = False
    low: float = float("-inf")
    high: float = float("inf")

    def alert(self, kind: Kind, trigger: Concept | None) -> Alert:
        return Alert(kind, self.severity, trigger, self.explanation, self.source)


class SafetyRules:
    """The rules and the drugs that they speak of. Groups are names of drugs and of their classes."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        drugs: Mapping[str, Mapping[str, Any]] = content["drugs"]
        self._classes = {name: frozenset(drug.get("classes", ())) for name, drug in drugs.items()}
        self.duplicates = {name for name, properties in content["classes"].items() if properties["duplicate"]}
        self._by_code = {drug["rxcui"]: name for name, drug in drugs.items() if "rxcui" in drug}
        self._by_name: dict[str, set[str]] = {}
        for name, drug in drugs.items():
            for alias in (name, *drug.get("names", ())):
                self._by_name.setdefault(alias.lower(), set()).add(name)
        self._names = _words(self._by_name)
        self._withdrawn = {item["drug"] for item in content["withdrawn"]}
        self._not_for = {
            Gender(item["gender"]): frozenset((*item["drugs"], *item["codes"])) for item in content["not_for"]
        }
        self.allergies = [
            _rule(item, {*item["codes"], item.get("drug_class", "")}) for item in content["allergies"]
        ]
        self.interactions = [
            _rule({**item, "drugs": item[one]}, item[other])
            for item in content["interactions"]
            for one, other in (("of", "with"), ("with", "of"))
        ]
        self.conditions = [_rule(item, item["codes"]) for item in content["conditions"]]
        self.measurements = [_rule(item, [item["code"]]) for item in content["measurements"]]
        self.ages = [_rule(item, []) for item in content["ages"]]

    @classmethod
    def load(cls, path: Path = RULES_FILE) -> SafetyRules:
        """Read the rules file."""
        return cls(tomllib.loads(path.read_text(encoding="utf-8")))

    def drugs_of(self, concept: Concept) -> frozenset[str]:
        """Names of the drugs in a product, or of the drug an allergy is to; empty where none is known."""
        found: set[str] = set()
        for match in self._names.findall(concept.display):
            found |= self._by_name[match.lower()]
        if concept.system == RXNORM and concept.code in self._by_code:
            found.add(self._by_code[concept.code])
        return frozenset(found)

    def may_be_offered(self, treatment: Concept, gender: Gender) -> bool:
        """Whether the treatment is on the market and meant for this gender."""
        drugs = self.drugs_of(treatment)
        groups = self.groups(drugs) | ({treatment.code} if treatment.system == SNOMED else frozenset())
        return not drugs & self._withdrawn and not groups & self._not_for.get(gender, frozenset())

    def groups(self, drugs: Iterable[str]) -> frozenset[str]:
        """These drugs and the classes they belong to."""
        return frozenset(drugs).union(*(self._classes[name] for name in drugs))


class SafetyCheck:
    """The rules on one patient's record."""

    def __init__(self, rules: SafetyRules, record: PatientRecord) -> None:
        self._rules = rules
        self._record = record
        active = {item.concept.key: item.concept for item in record.medications if item.is_active}
        self._active = [(concept, rules.drugs_of(concept)) for concept in active.values()]
        in_time = sorted(record.observations, key=lambda item: item.observed or date.min)
        last = {item.concept.code: item for item in in_time if item.concept.system == LOINC}
        self._last_values = [(item.concept, item.value) for item in last.values()]

    def alerts(self, treatment: Concept) -> list[Alert]:
        """What in the record speaks against `treatment`, the most serious first; one alert a kind and
        trigger.
        """
        drugs = self._rules.drugs_of(treatment)
        if not drugs:
            return []
        groups = self._rules.groups(drugs)
        worst: dict[tuple[Kind, str], Alert] = {}
        for alert in (
            *self._of_allergies(drugs, groups),
            *self._of_medications(drugs, groups),
            *self._of_conditions(groups),
            *self._of_measurements(groups),
            *self._of_age(groups),
        ):
            key = (alert.kind, alert.trigger.key if alert.trigger else alert.explanation)
            if key not in worst or alert.severity > worst[key].severity:
                worst[key] = alert
        return sorted(worst.values(), key=lambda alert: -alert.severity)

    def _of_allergies(self, drugs: frozenset[str], groups: frozenset[str]) -> Iterator[Alert]:
        for allergy in self._record.allergies:
            concept = allergy.concept
            own = self._rules.drugs_of(concept)
            if own & drugs:
                explanation = "The record has an allergy to this very drug."
                source = "Labels, section Contraindications (hypersensitivity)"
                yield Alert(Kind.ALLERGY, Severity.CONTRAINDICATED, concept, explanation, source)
            known_as = self._rules.groups(own) | ({concept.code} if concept.system == SNOMED else frozenset())
            for rule in self._rules.allergies:
                named = rule.names is not None and rule.names.search(concept.display)
                if groups & rule.drugs and (named or known_as & rule.against):
                    yield rule.alert(Kind.ALLERGY, concept)

    def _of_medications(self, drugs: frozenset[str], groups: frozenset[str]) -> Iterator[Alert]:
        for concept, own in self._active:
            if own & drugs:
                explanation = "The patient takes this drug already."
                yield Alert(Kind.DUPLICATE, Severity.CAUTION, concept, explanation, "The record itself")
            elif groups & self._rules.groups(own) & self._rules.duplicates:
                explanation = "The patient takes another drug of its class already."
                yield Alert(Kind.DUPLICATE, Severity.CAUTION, concept, explanation, "The record itself")
            # What is in both products at once meets itself: that is a duplicate, no interaction.
            new, taken = self._rules.groups(drugs - own), self._rules.groups(own - drugs)
            for rule in self._rules.interactions:
                if new & rule.drugs and taken & rule.against:
                    yield rule.alert(Kind.INTERACTION, concept)

    def _of_conditions(self, groups: frozenset[str]) -> Iterator[Alert]:
        for condition in self._record.conditions:
            concept = condition.concept
            for rule in self._rules.conditions:
                counts = concept.system == SNOMED and (condition.is_active or not rule.active)
                if counts and concept.code in rule.against and groups & rule.drugs:
                    yield rule.alert(Kind.CONDITION, concept)

    def _of_measurements(self, groups: frozenset[str]) -> Iterator[Alert]:
        for concept, value in self._last_values:
            for rule in self._rules.measurements:
                if concept.code in rule.against and groups & rule.drugs and rule.low <= value < rule.high:
                    yield rule.alert(Kind.CONDITION, concept)

    def _of_age(self, groups: frozenset[str]) -> Iterator[Alert]:
        age = self._record.age_years
        if age is not None:
            for rule in self._rules.ages:
                if groups & rule.drugs and rule.low <= age < rule.high:
                    yield rule.alert(Kind.AGE, None)


def _rule(item: Mapping[str, Any], against: Iterable[str]) -> Rule:
    return Rule(
        drugs=frozenset(item["drugs"]),
        against=frozenset(against),
        severity=Severity[item["severity"].upper()],
        explanation=item["explanation"],
        source=item["source"],
        names=_words(item["names"]) if item.get("names") else None,
        active=item.get("active", False),
        low=item.get("from", float("-inf")),
        high=item.get("below", float("inf")),
    )


def _words(names: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the names as whole words, the longest first."""
    ranked = sorted(names, key=len, reverse=True)
    return re.compile(
        r"(?<!\w)(?:" + "|".join(re.escape(name) for name in ranked) + r")(?!\w)", re.IGNORECASE
    )
