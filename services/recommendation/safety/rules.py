"""The safety rules: tables beside this file, one a kind of trigger, and what they speak of.

Every rule names its source and how well it is founded. They are well-known rules and no complete database:
the absence of an alert is no clearance. Nothing here is learned.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from services.clinical.code_systems import SNOMED
from services.clinical.concepts import CodedConcept, Concept
from services.clinical.drugs import Drugs
from services.clinical.record import Reference
from services.clinical.statuses import Gender
from services.clinical.tables import rows
from services.clinical.words import Names
from services.recommendation.allergies import Allergens
from services.recommendation.condition_groups import ConditionGroups
from services.recommendation.safety.alerts import Alert, Evidence, Kind, Severity
from services.recommendation.safety.doses import DoseLimit
from services.recommendation.safety.genes import Genes

FOLDER = Path(__file__).parent
SETTINGS_FILE = FOLDER / "settings.toml"
TABLES: Final = ("allergies", "interactions", "conditions", "measurements", "ages", "genes")

DAYS_A_YEAR: Final = 365.25
_LIMIT = re.compile(r"(value|age)(<|>=)([\d.]+)(d?)")
"""A bound of a value or of an age, in years or, with a `d`, in days."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A row of a table: when one of `drugs` meets one of `against`, these are the words."""

    id: str
    """Stable name."""
    kind: Kind
    drugs: frozenset[str]
    """Drugs and classes."""
    against: frozenset[str]
    """Drugs, classes, other allergens, groups of conditions, a measurement or phenotypes of genes, as the
    table has it; empty in that of ages.
    """
    severity: Severity
    evidence: Evidence
    explanation: str
    remedy: str
    source: str
    active: bool = False
    """Whether a condition counts only while it lasts."""
    unless: frozenset[str] = frozenset()
    """Groups of conditions that lift the rule."""
    low: float = float("-inf")
    high: float = float("inf")
    """The values of a measurement that count: from `low` to below `high`."""
    youngest_days: float = float("-inf")
    oldest_days: float = float("inf")
    """The ages that count: from the one to below the other."""

    def alert(self, trigger: Reference | None, *, at_most: Severity = Severity.CONTRAINDICATED) -> Alert:
        """What the rule says of its trigger."""
        severity = min(self.severity, at_most)
        return Alert(
            self.kind,
            severity,
            self.id,
            trigger,
            self.explanation,
            self.source,
            self.evidence,
            self.remedy,
        )

    def holds_at(self, age_days: float | None) -> bool:
        """Whether the rule speaks of patients of this age; one that is unknown counts as any."""
        if age_days is None:
            return True
        return self.youngest_days <= age_days < self.oldest_days


@dataclasses.dataclass(frozen=True, slots=True)
class Product:
    """A product as the rules see it."""

    drugs: frozenset[str]
    """As `SafetyRules.drugs_of`."""
    groups: frozenset[str]
    """The drugs and the classes that they belong to."""
    is_local: bool


class RulesByGroup:
    """Rules in their order, found by the groups that they speak of."""

    def __init__(self, rules: Iterable[Rule], groups_of: Callable[[Rule], Iterable[str]]) -> None:
        self._rules = [*rules]
        self._places: dict[str, list[int]] = {}
        for place, rule in enumerate(self._rules):
            for group in groups_of(rule):
                self._places.setdefault(group, []).append(place)

    def on(self, groups: Iterable[str]) -> list[Rule]:
        """The rules that speak of any of `groups`."""
        places = {place for group in groups for place in self._places.get(group, ())}
        return [self._rules[place] for place in sorted(places)]


class SafetyRules:
    """The rules and the drugs, allergens, conditions and genes that they speak of; immutable."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        tables: Mapping[str, Iterable[Rule]],
        doses: Iterable[DoseLimit],
        drugs: Drugs,
        allergens: Allergens,
        conditions: ConditionGroups,
        genes: Genes,
        digest: str = "",
    ) -> None:
        """`tables` has the rules of each of `TABLES`; `digest` is that of all that was read."""
        self.drugs = drugs
        self.allergens = allergens
        self.condition_groups = conditions
        self.genes = genes
        self.digest = digest
        self.duplicates = frozenset(settings["duplicate_classes"])
        self.acute_days = settings["acute_days"]
        self.lasting_measurements = frozenset(settings["lasting_measurements"])
        self._forms = Names(settings["forms"])
        self._local = Names({"local": settings["local_forms"]})
        self._withdrawn = {item["drug"] for item in settings["withdrawn"]}
        self._not_for = {
            Gender(item["gender"]): frozenset((*item["drugs"], *item["codes"]))
            for item in settings["not_for"]
        }
        no_medication = settings["no_medication"]
        self._no_medication_codes = frozenset(no_medication["codes"])
        self._no_medication_names = Names({"none": no_medication["names"]})
        self.allergies = [*tables["allergies"]]
        self.allergies_by_allergen = RulesByGroup(self.allergies, lambda rule: rule.against)
        self.interactions = [
            side
            for rule in tables["interactions"]
            for side in (rule, dataclasses.replace(rule, drugs=rule.against, against=rule.drugs))
        ]
        self.interactions_by_drug = RulesByGroup(self.interactions, lambda rule: rule.drugs)
        self.conditions = [*tables["conditions"]]
        self.conditions_by_group = RulesByGroup(self.conditions, lambda rule: rule.against)
        self.measurements = [*tables["measurements"]]
        self.ages = [*tables["ages"]]
        self.phenotypes = [*tables["genes"]]
        self.doses = [*doses]
        self._spoken_of = self.duplicates.union(
            settings["without_rules"], *(rule.drugs for rule in self.all())
        )

    @classmethod
    def load(cls) -> SafetyRules:
        """Read the tables. ValueError names the table and the rule that does not hold."""
        drugs = Drugs.load()
        tables = {name: [*_read(FOLDER / f"{name}.tsv")] for name in TABLES}
        return cls(
            tomllib.loads(SETTINGS_FILE.read_text(encoding="utf-8")),
            tables,
            DoseLimit.load(),
            drugs,
            Allergens.load(drugs),
            ConditionGroups.load(),
            Genes.load(),
            _digest(),
        )

    def all(self) -> Iterator[Rule]:
        """Every rule; of interactions both sides."""
        yield from self.allergies
        yield from self.interactions
        yield from self.conditions
        yield from self.measurements
        yield from self.ages
        yield from self.phenotypes

    def drugs_of(self, concept: CodedConcept) -> frozenset[str]:
        """Names of the drugs (or the class) in a product, and of forms that rules speak of; empty where none
        is known.
        """
        found = self.drugs.find(concept.keys, concept.names)
        return found.union(*map(self._forms.within, concept.names)) if found else found

    def is_local(self, concept: CodedConcept, route: str = "") -> bool:
        """Whether the product acts where it is applied: on skin, eye, ear or nose."""
        return any(self._local.within(text) for text in (*concept.names, route))

    def product(self, concept: CodedConcept, route: str = "") -> Product:
        """What the rules see of a product."""
        drugs = self.drugs_of(concept)
        return Product(drugs, self.groups(drugs), self.is_local(concept, route))

    def is_no_medication(self, concept: CodedConcept) -> bool:
        """Whether the entry says that there is no medication."""
        named = concept.names and all(self._no_medication_names.whole(name) for name in concept.names)
        return bool(named) or not self._no_medication_codes.isdisjoint(concept.keys)

    def may_be_offered(self, treatment: Concept, product: Product, gender: Gender) -> bool:
        """Whether the treatment, `product` to the rules, is on the market and meant for this gender."""
        not_for = self._not_for.get(gender, frozenset())
        return (
            self._withdrawn.isdisjoint(product.drugs)
            and not_for.isdisjoint(product.groups)
            and not (treatment.system == SNOMED and treatment.code in not_for)
        )

    def groups(self, drugs: Iterable[str]) -> frozenset[str]:
        """These drugs and the classes they belong to."""
        return self.drugs.groups(drugs)

    def speak_of(self, drug: str) -> bool:
        """Whether the rules were written with this drug (or class) in view."""
        return not self._spoken_of.isdisjoint(self.groups({drug}))


def _read(path: Path) -> Iterator[Rule]:
    """The rules of a table."""
    for identity, kind, drugs, against, when, severity, evidence, explanation, remedy, source in rows(
        path, 10
    ):
        try:
            yield Rule(
                id=identity,
                kind=Kind(kind),
                drugs=_listed(drugs),
                against=_listed(against),
                severity=Severity[severity.upper()],
                evidence=Evidence[evidence.upper()],
                explanation=explanation,
                remedy=remedy,
                source=source,
                **_conditions(when),
            )
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}, {identity}: {error}") from None


def _listed(column: str) -> frozenset[str]:
    return frozenset() if column == "-" else frozenset(column.split("; "))


def _conditions(when: str) -> dict[str, Any]:
    """The further fields of a rule: `active`, `unless pacemaker`, `value<30`, `value>=5.5`, `age>=65`,
    `age<29d`.
    """
    fields: dict[str, Any] = {}
    for part in _listed(when):
        limit = _LIMIT.fullmatch(part)
        if limit is not None:
            of, sign, number, in_days = limit.groups()
            value = float(number)
            if of == "age":
                name = "oldest_days" if sign == "<" else "youngest_days"
                fields[name] = value if in_days else value * DAYS_A_YEAR
            else:
                fields["high" if sign == "<" else "low"] = value
        elif part == "active":
            fields["active"] = True
        elif part.startswith("unless "):
            fields["unless"] = frozenset({part.removeprefix("unless ")})
        else:
            raise ValueError(f"{part!r} is not understood")
    return fields


def _digest() -> str:
    """SHA-256 over the knowledge: the tables of this package and those that it refers to."""
    clinical, service = FOLDER.parents[1] / "clinical", FOLDER.parent
    files = [file for folder in (FOLDER, service, clinical) for file in folder.iterdir()]
    total = hashlib.sha256()
    for file in sorted(files):
        if file.suffix in {".tsv", ".toml"}:
            total.update(f"{file.parent.name}/{file.name}\n".encode() + file.read_bytes())
    return total.hexdigest()
