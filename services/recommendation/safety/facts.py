"""What of a record the rules on a patient speak of: conditions, findings, measurements, genes and age. Found
once, for all drugs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from datetime import timedelta

from services.clinical.concepts import CodedConcept
from services.clinical.dates import AgeUnit
from services.clinical.measurements import measurement_of
from services.clinical.record import Observation, PatientRecord, Quantity, Reference
from services.clinical.statuses import Comparator
from services.recommendation.safety.alerts import Severity
from services.recommendation.safety.genes import Phenotype
from services.recommendation.safety.kidney import RATE, KidneyFunction, kidney_function
from services.recommendation.safety.rules import DAYS_A_YEAR, Rule, SafetyRules

_DAYS = {AgeUnit.YEARS: DAYS_A_YEAR, AgeUnit.MONTHS: DAYS_A_YEAR / 12, AgeUnit.DAYS: 1.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Triggered:
    """A rule that the record triggers, whatever drug it is about to meet."""

    rule: Rule
    trigger: Reference | None
    at_most: Severity
    """How serious it can be: less where the record is not sure, or old."""


class Facts:
    """The facts of one record, and the rules that they trigger."""

    def __init__(self, rules: SafetyRules, record: PatientRecord) -> None:
        self._rules = rules
        self._record = record
        self._age_days = None if record.age is None else record.age.count * _DAYS[record.age.unit]
        self.kidney: KidneyFunction | None = kidney_function(record)
        phenotypes = [*rules.genes.of(record)]
        self.unread_genes = [found.entry for found in phenotypes if not found.key]
        self._phenotypes = [found for found in phenotypes if found.key]
        self._groups = [*self._conditions(), *self._findings()]
        lasting = frozenset[str]().union(*(groups for groups, _, _, active in self._groups if active))
        self.triggered = [
            item
            for item in (*self._by_group(), *self._by_measurement(), *self._by_gene(), *self._by_age())
            if item.rule.holds_at(self._age_days) and not item.rule.unless & lasting
        ]

    def _conditions(self) -> Iterator[tuple[frozenset[str], Reference, Severity, bool]]:
        for condition in self._record.conditions:
            groups = self._rules.condition_groups.of(condition.concept)
            at_most = Severity.CAUTION if condition.verification.is_tentative else Severity.CONTRAINDICATED
            if groups:
                yield groups, Reference.to(condition), at_most, condition.is_active

    def _findings(self) -> Iterator[tuple[frozenset[str], Reference, Severity, bool]]:
        """Of the answers to one question the last counts: "pregnant", then "not pregnant"."""
        last: dict[str, tuple[CodedConcept, str]] = {}
        for finding in sorted(self._record.observations, key=lambda item: item.moment):
            if isinstance(finding.value, CodedConcept):
                last[finding.concept.key] = (finding.value, finding.place)
        for answer, place in last.values():
            groups = self._rules.condition_groups.of(answer)
            if groups:
                yield groups, Reference(place, answer.preferred), Severity.CONTRAINDICATED, True

    def _by_group(self) -> Iterator[Triggered]:
        for groups, entry, at_most, active in self._groups:
            for rule in self._rules.conditions_by_group.on(groups):
                if active or not rule.active:
                    yield Triggered(rule, entry, at_most)

    def _by_measurement(self) -> Iterator[Triggered]:
        for name, newest in self._last_measurements().items():
            for observation, quantity in newest:
                for rule in self._rules.measurements:
                    at_most = certainty(quantity, rule) if name in rule.against else None
                    if at_most is not None:
                        if self._is_old(name, observation):
                            at_most = Severity.INFORMATION
                        yield Triggered(rule, Reference.to(observation), at_most)

    def _last_measurements(self) -> dict[str, list[tuple[Observation, Quantity]]]:
        """The last values of each measurement; of values at one instant each counts."""
        last: dict[str, list[tuple[Observation, Quantity]]] = {}
        for observation in sorted(self._record.observations, key=lambda item: item.moment):
            measurement = measurement_of(observation.concept)
            if measurement is None or not isinstance(observation.value, Quantity):
                continue
            newest = last.setdefault(measurement.name, [])
            if newest and newest[0][0].moment != observation.moment:
                newest.clear()
            newest.append((observation, observation.value))
        kidney = self.kidney
        if kidney is not None and kidney.observation not in [item for item, _ in last.get(RATE, ())]:
            last[RATE] = [(kidney.observation, kidney.rate)]
        return last

    def _is_old(self, name: str, observation: Observation) -> bool:
        """Whether a value that changes within days is too old to decide anything."""
        today = self._record.latest_day()
        if name in self._rules.lasting_measurements or today is None or observation.effective is None:
            return False
        return observation.effective.day < today - timedelta(days=self._rules.acute_days)

    def _by_gene(self) -> Iterator[Triggered]:
        for found in self._phenotypes:
            yield from self._of_gene(found)

    def _of_gene(self, found: Phenotype) -> Iterator[Triggered]:
        for rule in self._rules.phenotypes:
            if found.key in rule.against:
                yield Triggered(rule, found.entry, Severity.CONTRAINDICATED)

    def _by_age(self) -> Iterator[Triggered]:
        if self._age_days is not None:
            for rule in self._rules.ages:
                yield Triggered(rule, None, Severity.CONTRAINDICATED)


def certainty(quantity: Quantity, rule: Rule) -> Severity | None:
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
