"""Drafted orders and what speaks against them: messages to dataclasses, and back."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.recommendation.v1 import medication_check_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import CodedConcept
from services.clinical.dosage import Dosage
from services.clinical.fhir.orders import read_order
from services.clinical.record import Reference
from services.recommendation.convert import reference_message
from services.recommendation.convert_values import (
    coded_from,
    date_message,
    quantity_from,
)
from services.recommendation.safety.kidney import KidneyFunction, Method
from services.recommendation.safety.orders import CheckedOrder, Order, OrderAlert, OrderCheck

_METHODS = {
    Method.REPORTED: pb.KidneyFunction.METHOD_REPORTED,
    Method.CKD_EPI_2021: pb.KidneyFunction.METHOD_CKD_EPI_2021,
    Method.BEDSIDE_SCHWARTZ: pb.KidneyFunction.METHOD_BEDSIDE_SCHWARTZ,
}


def orders_from(messages: Sequence[pb.DraftOrder]) -> tuple[list[Order], tuple[Notice, ...]]:
    """The orders of a request, and what is to be said of their reading; InvalidInput by field."""
    orders: list[Order] = []
    notices: list[Notice] = []
    for index, message in enumerate(messages):
        place = f"orders[{index}]"
        if message.HasField("order"):
            orders.append(_typed(message.order, place))
        else:
            order, found = _from_fhir(message.fhir_medication_request, place)
            orders.append(order)
            notices += found
    if not orders:
        raise InvalidInput(Reason.INPUT_MISSING, "orders", "must hold at least one order")
    return orders, tuple(notices)


def check_message(check: OrderCheck, notices: Sequence[Notice], digest: str) -> pb.MedicationCheck:
    """The answer of CheckMedications; `notices` are those of the reading."""
    return pb.MedicationCheck(
        orders=map(_checked, check.orders),
        kidney_function=None if check.kidney is None else _kidney(check.kidney),
        notices=notice_messages([*notices, *check.notices]),
        knowledge_digest=digest,
    )


def _typed(message: pb.MedicationOrder, place: str) -> Order:
    dosage = None
    if message.HasField("dosage"):
        given = message.dosage
        dosage = Dosage(
            quantity_from(given.dose) if given.HasField("dose") else None,
            given.times_per_day if given.HasField("times_per_day") else None,
            given.route,
        )
    return Order(coded_from(message.code, f"{place}.order.code"), dosage, place)


def _from_fhir(content: bytes, place: str) -> tuple[Order, tuple[Notice, ...]]:
    try:
        read = read_order(content)
    except InvalidInput as error:
        path = f"{place}.fhir_medication_request"
        path = f"{path}.{error.field}" if error.field else path
        raise InvalidInput(error.reason, path, error.description) from None
    first = read.drugs[0]
    if len(read.drugs) > 1:
        # The ingredients of one product.
        codings = tuple(coding for drug in read.drugs for coding in drug.codings)
        first = CodedConcept(codings, " / ".join(drug.display for drug in read.drugs))
    return Order(first, read.dosage, place, read.unread_dosage), read.notices


def _checked(item: CheckedOrder) -> pb.CheckedOrder:
    return pb.CheckedOrder(
        order=reference_message(Reference(item.order.place, item.order.concept.preferred)),
        recognised_drugs=item.drugs,
        alerts=map(_alert, item.alerts),
        minor_alerts=map(_alert, item.minor_alerts),
    )


def _alert(item: OrderAlert) -> pb.MedicationAlert:
    alert = item.alert
    return pb.MedicationAlert(
        kind=f"KIND_{alert.kind.name}",
        severity=f"SEVERITY_{alert.severity.name}",
        evidence=f"EVIDENCE_{alert.evidence.name}",
        priority=alert.priority,
        rule_id=alert.rule_id,
        triggers=map(reference_message, item.triggers),
        explanation=alert.explanation,
        remedy=alert.remedy,
        source=alert.source,
    )


def _kidney(kidney: KidneyFunction) -> pb.KidneyFunction:
    return pb.KidneyFunction(
        filtration_rate=kidney.rate.value,
        method=_METHODS[kidney.method],
        effective=date_message(kidney.observation.effective),
        entry=reference_message(kidney.entry),
    )
