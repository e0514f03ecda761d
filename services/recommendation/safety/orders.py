"""Drafted orders held against a record: every alert, ranked, so that few of them interrupt."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from services.chassis.notices import Notice
from services.clinical.concepts import CodedConcept
from services.clinical.dosage import Dosage, dosage_in
from services.clinical.record import PatientRecord, Reference
from services.recommendation.safety.alerts import Alert, Kind, Severity
from services.recommendation.safety.check import SafetyCheck, worst_of_each
from services.recommendation.safety.doses import dose_alerts
from services.recommendation.safety.kidney import KidneyFunction, lacks_patient
from services.recommendation.safety.rules import SafetyRules

SHOWN_FROM = 4
"""Priority from which an alert is shown: a caution on moderate evidence, or anything that is
contraindicated.
"""
_ONE_OF_A_KIND = frozenset({Kind.PREGNANCY, Kind.LACTATION, Kind.AGE, Kind.KIDNEY, Kind.LIVER})
"""Kinds of which an order gets one alert, whatever in the record says the same: a stage of kidney disease
and the filtration rate do.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A drug that is about to be ordered."""

    concept: CodedConcept
    dosage: Dosage | None = None
    place: str = ""
    """Where the request has it: `orders[0]`."""
    unread_dosage: bool = False
    """Whether it has a dosage that could not be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class OrderAlert:
    """An alert on an order, and everything in the record that triggers it."""

    alert: Alert
    triggers: tuple[Reference, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedOrder:
    """An order and what argues against it, the most important first."""

    order: Order
    drugs: tuple[str, ...]
    """What was recognised in it."""
    alerts: tuple[OrderAlert, ...]
    """Those to show."""
    minor_alerts: tuple[OrderAlert, ...]
    """Those below `SHOWN_FROM`."""


@dataclasses.dataclass(frozen=True, slots=True)
class OrderCheck:
    """The answer to several orders."""

    orders: tuple[CheckedOrder, ...]
    kidney: KidneyFunction | None
    notices: tuple[Notice, ...]


def check_orders(
    rules: SafetyRules, record: PatientRecord, check: SafetyCheck, orders: Sequence[Order]
) -> OrderCheck:
    """Each of the orders against the record and against the other orders."""
    orders = [_with_dosage(order) for order in orders]
    return OrderCheck(
        tuple(_checked(rules, record, check, order, orders) for order in orders),
        check.facts.kidney,
        (*check.notices, *_notices(record, check, orders)),
    )


def _with_dosage(order: Order) -> Order:
    """The order with the dosage that its own words give, where it has none."""
    if order.dosage is not None:
        return order
    found = next((dosage for name in order.concept.names if (dosage := dosage_in(name))), None)
    return dataclasses.replace(order, dosage=found)


def _checked(
    rules: SafetyRules, record: PatientRecord, check: SafetyCheck, order: Order, orders: Sequence[Order]
) -> CheckedOrder:
    others = (
        check.takes(
            other.concept,
            Reference(other.place, other.concept.preferred),
            other.dosage.route if other.dosage else "",
        )
        for other in orders
        if other is not order
    )
    taken = [*check.taken, *(other for other in others if other is not None)]
    product = rules.product(order.concept, order.dosage.route if order.dosage else "")
    renewed = {item.entry.place for item in check.taken if _is_renewal(order.concept, item.concept)}
    found = [
        *(
            _renewal(alert) if alert.kind is Kind.DUPLICATE and _place(alert) in renewed else alert
            for alert in check.against(product, taken)
        ),
        *dose_alerts(order.concept, order.dosage, record.age_years, rules.doses, rules.drugs),
    ]
    ranked = sorted(_merged(worst_of_each(iter(found))), key=_rank)
    return CheckedOrder(
        order,
        tuple(sorted(product.drugs)),
        tuple(item for item in ranked if item.alert.priority >= SHOWN_FROM),
        tuple(item for item in ranked if item.alert.priority < SHOWN_FROM),
    )


def _is_renewal(ordered: CodedConcept, taken: CodedConcept) -> bool:
    """Whether the order is of the very product that the patient takes: its prescription goes on."""
    same_code = not set(ordered.keys).isdisjoint(taken.keys)
    return same_code or not set(map(str.lower, ordered.names)).isdisjoint(map(str.lower, taken.names))


def _renewal(alert: Alert) -> Alert:
    return dataclasses.replace(
        alert,
        severity=Severity.INFORMATION,
        rule_id="renewal",
        explanation="The patient takes this very product already: a renewal?",
        remedy="Stop the earlier order when it is renewed.",
    )


def _place(alert: Alert) -> str:
    return alert.trigger.place if alert.trigger else ""


def _merged(alerts: Iterable[Alert]) -> list[OrderAlert]:
    """Alerts that say the same as one, with all their triggers: the worst of them speaks."""
    merged: dict[tuple[Kind, str], list[Alert]] = {}
    for alert in alerts:
        key = (alert.kind, "" if alert.kind in _ONE_OF_A_KIND else alert.rule_id)
        merged.setdefault(key, []).append(alert)
    return [
        OrderAlert(
            max(same, key=lambda alert: alert.priority),
            tuple(dict.fromkeys(alert.trigger for alert in same if alert.trigger is not None)),
        )
        for same in merged.values()
    ]


def _rank(item: OrderAlert) -> tuple[int, int, str]:
    return -item.alert.priority, -item.alert.severity, item.alert.rule_id


def _notices(record: PatientRecord, check: SafetyCheck, orders: Sequence[Order]) -> list[Notice]:
    notices = []
    unread = [order.place for order in orders if not check.is_understood(order.concept)]
    if unread:
        text = (
            f"Orders whose drugs are not understood, at least in part: {len(unread)}. They were not checked."
        )
        notices.append(Notice("ORDER_NOT_UNDERSTOOD", text, review_required=True, places=tuple(unread)))
    dosages = [order.place for order in orders if order.unread_dosage]
    if dosages:
        text = f"Orders whose dosage is not understood: {len(dosages)}. Their doses were not checked."
        notices.append(Notice("DOSAGE_NOT_UNDERSTOOD", text, review_required=True, places=tuple(dosages)))
    if lacks_patient(record):
        text = "The filtration rate cannot be computed: age, gender or, of a child, the height is missing."
        notices.append(Notice("KIDNEY_FUNCTION_UNKNOWN", text, review_required=True))
    if record.age_years is None:
        notices.append(Notice("AGE_UNKNOWN", "The age is unknown: the rules on age were not held."))
    return notices
