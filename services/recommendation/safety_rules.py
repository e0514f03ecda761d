"""The safety rules as data (`safety_rules.toml`), and what they speak of.

Every rule names its source. They are well-known rules and no complete database: the absence of an alert is no
clearance. Nothing here is learned.
"""

from __future__ import annotations

import dataclasses
import enum
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from services.clinical.code_systems import SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.drugs import Drugs
from services.clinical.record import Reference
from services.clinical.statuses import Gender
from services.clinical.words import Names
from services.recommendation.allergies import Allergens
from services.recommendation.condition_groups import ConditionGroups

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
    rule_id: str
    """Stable name of the rule that says so."""
    trigger: Reference | None
    """The entry of the record that triggers it; None: the patient's age."""
    explanation: str
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A row of the rules file: when one of `drugs` meets one of `against`, these are the words."""

    id: str
    """Stable name."""
    drugs: frozenset[str]
    against: frozenset[str]
    """Drugs, classes, other allergens, groups of conditions or a measurement, as the table of the rule has
    it.
    """
    severity: Severity
    explanation: str
    source: str
    active: bool = False
    """Whether a condition counts only while it lasts."""
    low: float = float("-inf")
    high: float = float("inf")
    """The values that count: from `low` to below `high`."""

    def alert(
        self, kind: Kind, trigger: Reference | None, *, at_most: Severity = Severity.CONTRAINDICATED
    ) -> Alert:
        """What the rule says of its trigger."""
        severity = min(self.severity, at_most)
        return Alert(kind, severity, self.id, trigger, self.explanation, self.source)


class SafetyRules:
    """The rules and the drugs, allergens and conditions that they speak of."""

    def __init__(
        self, content: Mapping[str, Any], drugs: Drugs, allergens: Allergens, conditions: ConditionGroups
    ) -> None:
        self.drugs = drugs
        self.allergens = allergens
        self.condition_groups = conditions
        self.duplicates = frozenset(content["duplicate_classes"])
        self._forms = Names(content["forms"])
        self._withdrawn = {item["drug"] for item in content["withdrawn"]}
        self._not_for = {
            Gender(item["gender"]): frozenset((*item["drugs"], *item["codes"])) for item in content["not_for"]
        }
        no_medication = content["no_medication"]
        self._no_medication_codes = frozenset(no_medication["codes"])
        self._no_medication_names = Names({"none": no_medication["names"]})
        self.allergies = [_rule(item, item["to"]) for item in content["allergies"]]
        self.interactions = [
            _rule({**item, "drugs": item[one]}, item[other])
            for item in content["interactions"]
            for one, other in (("of", "with"), ("with", "of"))
        ]
        self.conditions = [_rule(item, item["given"]) for item in content["conditions"]]
        self.measurements = [_rule(item, [item["measurement"]]) for item in content["measurements"]]
        self.ages = [_rule(item, []) for item in content["ages"]]
        rules = (*self.allergies, *self.interactions, *self.conditions, *self.measurements, *self.ages)
        self._spoken_of = self.duplicates.union(content["without_rules"], *(rule.drugs for rule in rules))

    @classmethod
    def load(cls, path: Path = RULES_FILE) -> SafetyRules:
        """Read the rules file and the tables beside it."""
        drugs = Drugs.load()
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(content, drugs, Allergens.load(drugs), ConditionGroups.load())

    def drugs_of(self, concept: CodedConcept) -> frozenset[str]:
        """Names of the drugs (or the class) in a product, and of forms that rules speak of; empty where none
        is known.
        """
        found = self.drugs.find(concept.keys, concept.names)
        return found.union(*map(self._forms.within, concept.names)) if found else found

    def is_no_medication(self, concept: CodedConcept) -> bool:
        """Whether the entry says that there is no medication."""
        named = concept.names and all(self._no_medication_names.whole(name) for name in concept.names)
        return bool(named) or not self._no_medication_codes.isdisjoint(concept.keys)

    def may_be_offered(self, treatment: Concept, gender: Gender) -> bool:
        """Whether the treatment is on the market and meant for this gender."""
        drugs = self.drugs_of(CodedConcept((treatment,)))
        groups = self.groups(drugs) | ({treatment.code} if treatment.system == SNOMED else frozenset())
        return not drugs & self._withdrawn and not groups & self._not_for.get(gender, frozenset())

    def groups(self, drugs: Iterable[str]) -> frozenset[str]:
        """These drugs and the classes they belong to."""
        return self.drugs.groups(drugs)

    def speak_of(self, drug: str) -> bool:
        """Whether the rules were written with this drug (or class) in view."""
        return not self._spoken_of.isdisjoint(self.groups({drug}))


def _rule(item: Mapping[str, Any], against: Iterable[str]) -> Rule:
    return Rule(
        id=item["id"],
        drugs=frozenset(item["drugs"]),
        against=frozenset(against),
        severity=Severity[item["severity"].upper()],
        explanation=item["explanation"],
        source=item["source"],
        active=item.get("active", False),
        low=item.get("from", float("-inf")),
        high=item.get("below", float("inf")),
    )
