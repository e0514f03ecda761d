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
from pathlib import Path
from typing import Any

from services.recommendation.record import LOINC, RXNORM, SNOMED, UNDATED, Concept, Gender, PatientRecord

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
    """The rules on one patient's record: which of them it triggers is found once, for all treatments."""

    def __init__(self, rules: SafetyRules, record: PatientRecord) -> None:
        self._rules = rules
        self._allergens = [
            (item.concept.preferred, rules.drugs_of(item.concept.preferred)) for item in record.allergies
        ]
        active = {item.concept.key: item.concept.preferred for item in record.medications if item.is_active}
        taken = [(concept, rules.drugs_of(concept)) for concept in active.values()]
        self._taken = [_Taken(concept, drugs, rules) for concept, drugs in taken if drugs]
        self.unrecognised_count = len(taken) - len(self._taken)
        """Active medications that no rule knows: nothing is checked against them."""
        self._triggered = [
            *self._by_allergy(),
            *self._by_condition(record),
            *self._by_measurement(record),
            *self._by_age(record),
        ]

    def alerts(self, treatment: Concept) -> list[Alert]:
        """What in the record speaks against `treatment`, the worst first; one alert a kind and trigger."""
        drugs = self._rules.drugs_of(treatment)
        if not drugs:
            return []
        groups = self._rules.groups(drugs)
        worst: dict[tuple[Kind, str], Alert] = {}
        for alert in (
            *self._of_allergens(drugs),
            *self._of_taken(drugs, groups),
            *(rule.alert(kind, trigger) for kind, rule, trigger in self._triggered if groups & rule.drugs),
        ):
            key = (alert.kind, alert.trigger.key if alert.trigger else alert.explanation)
            if key not in worst or alert.severity > worst[key].severity:
                worst[key] = alert
        return sorted(worst.values(), key=lambda alert: -alert.severity)

    def _of_allergens(self, drugs: frozenset[str]) -> Iterator[Alert]:
        for concept, own in self._allergens:
            if own & drugs:
                explanation = "The record has an allergy to this very drug."
                source = "Labels, section Contraindications (hypersensitivity)"
                yield Alert(Kind.ALLERGY, Severity.CONTRAINDICATED, concept, explanation, source)

    def _of_taken(self, drugs: frozenset[str], groups: frozenset[str]) -> Iterator[Alert]:
        for taken in self._taken:
            if taken.drugs & drugs:
                explanation = "The patient takes this drug already."
                yield Alert(Kind.DUPLICATE, Severity.CAUTION, taken.concept, explanation, "The record itself")
            elif groups & taken.groups & self._rules.duplicates:
                explanation = "The patient takes another drug of its class already."
                yield Alert(Kind.DUPLICATE, Severity.CAUTION, taken.concept, explanation, "The record itself")
            # What is in both products at once meets itself: that is a duplicate, no interaction.
            new, old = self._rules.groups(drugs - taken.drugs), self._rules.groups(taken.drugs - drugs)
            for rule in taken.interactions:
                if new & rule.drugs and old & rule.against:
                    yield rule.alert(Kind.INTERACTION, taken.concept)

    def _by_allergy(self) -> Iterator[_Triggered]:
        for concept, own in self._allergens:
            known_as = self._rules.groups(own) | ({concept.code} if concept.system == SNOMED else frozenset())
            for rule in self._rules.allergies:
                if known_as & rule.against or (rule.names is not None and rule.names.search(concept.display)):
                    yield Kind.ALLERGY, rule, concept

    def _by_condition(self, record: PatientRecord) -> Iterator[_Triggered]:
        for condition in record.conditions:
            concept = condition.concept.preferred
            for rule in self._rules.conditions:
                counts = concept.system == SNOMED and (condition.is_active or not rule.active)
                if counts and concept.code in rule.against:
                    yield Kind.CONDITION, rule, concept

    def _by_measurement(self, record: PatientRecord) -> Iterator[_Triggered]:
        in_time = sorted(record.observations, key=lambda item: item.observed or UNDATED)
        last = {
            item.concept.preferred.code: item for item in in_time if item.concept.preferred.system == LOINC
        }
        for observation in last.values():
            for rule in self._rules.measurements:
                concept = observation.concept.preferred
                if concept.code in rule.against and rule.low <= observation.value < rule.high:
                    yield Kind.CONDITION, rule, concept

    def _by_age(self, record: PatientRecord) -> Iterator[_Triggered]:
        age = record.age_years
        for rule in self._rules.ages:
            if age is not None and rule.low <= age < rule.high:
                yield Kind.AGE, rule, None


_Triggered = tuple[Kind, Rule, Concept | None]


class _Taken:
    """An active medication, what is in it, and the interactions it can have."""

    def __init__(self, concept: Concept, drugs: frozenset[str], rules: SafetyRules) -> None:
        self.concept = concept
        self.drugs = drugs
        self.groups = rules.groups(drugs)
        self.interactions = [rule for rule in rules.interactions if self.groups & rule.against]


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
