"""What the mesh says -> cards: alerts on orders, and the assessment of a record."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

from clients.gateway.cds_hooks.reading import Asked, reference_of
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1.medication_check_pb2 import MedicationAlert, MedicationCheck

Card = dict[str, Any]
_LONGEST_SUMMARY: Final = 139
"""The specification: under 140 characters."""
_INDICATORS: Final = {"CONTRAINDICATED": "critical", "CAUTION": "warning", "INFORMATION": "info"}
_TOPICS: Final = "urn:medmesh:medication-alert"
_REASONS_SYSTEM: Final = "urn:medmesh:override-reason"
OVERRIDE_REASONS: Final = {
    "benefit-outweighs-risk": "The benefit outweighs the risk",
    "tolerated-before": "The patient has tolerated it before",
    "will-monitor": "The patient will be monitored",
    "record-outdated": "The record is wrong or out of date",
    "not-applicable": "The warning does not apply here",
}
_MOST_ASSESSMENTS: Final = 5
_LEAST_PROBABILITY: Final = 0.1
"""Conditions that are less probable are no news to whoever opens a record."""


def medication_cards(check: MedicationCheck, asked: Asked, base: str) -> list[Card]:
    """A card for each alert, the most urgent first; then what was not checked."""
    cards = []
    for order, checked in zip(asked.orders, check.orders, strict=True):
        drug = ", ".join(checked.recognised_drugs) or "This order"
        cards += [_alert_card(alert, drug, order, base) for alert in (*checked.alerts, *checked.minor_alerts)]
    urgency = list(_INDICATORS.values())
    cards.sort(key=lambda card: urgency.index(card["indicator"]))
    reviewed = [notice for notice in check.notices if notice.review_required]
    unread = [f"- {text}" for text in [*_messages(reviewed), *_gaps(asked)]]
    if unread:
        cards.append(_card("Not everything could be checked", "warning", "\n".join(unread), base))
    return cards


def assessment_cards(diagnosis: pb.Diagnosis, asked: Asked, base: str) -> list[Card]:
    """One card with the conditions that are not improbable; none where there are none in a whole record."""
    likely = [one for one in diagnosis.assessments if one.probability >= _LEAST_PROBABILITY]
    if not likely and "conditions" in asked.missing:
        return [_card("No assessment: the EHR sent no conditions", "info", "\n".join(_gaps(asked)), base)]
    if not likely:
        return []
    lines = []
    for one in likely[:_MOST_ASSESSMENTS]:
        interval = f"{100 * one.probability_low:.0f} to {100 * one.probability_high:.0f} %"
        speaking = [c for c in one.contributions if c.source != pb.SOURCE_PRIOR]
        evidence = "; ".join(f"{c.description} ({c.log_odds:+.1f})" for c in speaking)
        lines.append(f"- **{one.condition.display}** {100 * one.probability:.0f} % ({interval}) {evidence}")
    lines += [f"- {one.message}" for one in diagnosis.disagreements]
    lines += [f"- {text}" for text in [*_messages(diagnosis.notices), *_gaps(asked)]]
    lines += ["", diagnosis.intended_use]
    first = likely[0]
    summary = f"By the record: {first.condition.display} {100 * first.probability:.0f} %"
    if len(likely) > 1:
        summary += f" and {len(likely) - 1} more"
    return [_card(summary, "warning" if diagnosis.review_required else "info", "\n".join(lines), base)]


def _alert_card(alert: MedicationAlert, drug: str, order: dict[str, Any], base: str) -> Card:
    severity = MedicationAlert.Severity.Name(alert.severity).removeprefix("SEVERITY_")
    kind = MedicationAlert.Kind.Name(alert.kind).removeprefix("KIND_").lower()
    evidence = MedicationAlert.Evidence.Name(alert.evidence).removeprefix("EVIDENCE_").lower()
    detail = [alert.explanation, alert.remedy, f"Evidence: {evidence}. Source: {alert.source}."]
    card = _card(
        f"{drug}: {kind}. {alert.explanation}",
        _INDICATORS.get(severity, "warning"),
        "\n\n".join(detail),
        base,
    )
    card["source"]["topic"] = {"system": _TOPICS, "code": kind, "display": kind.capitalize()}
    card["overrideReasons"] = [
        {"system": _REASONS_SYSTEM, "code": code, "display": words}
        for code, words in OVERRIDE_REASONS.items()
    ]
    if isinstance(order.get("id"), str):
        card["suggestions"] = [
            {
                "label": f"Remove {drug}"[:79],
                "uuid": str(uuid.uuid4()),
                "actions": [
                    {
                        "type": "delete",
                        "description": "Takes the drafted order back.",
                        "resourceId": reference_of(order),
                    }
                ],
            }
        ]
        card["selectionBehavior"] = "at-most-one"
    return card


def _card(summary: str, indicator: str, detail: str, base: str) -> Card:
    shown = summary if len(summary) <= _LONGEST_SUMMARY else f"{summary[: _LONGEST_SUMMARY - 1]}…"
    return {
        "uuid": str(uuid.uuid4()),
        "summary": shown,
        "indicator": indicator,
        "detail": detail,
        "source": {"label": "medmesh", "url": base},
        "links": [
            {
                "label": "What is checked, and how",
                "url": f"{base}#medmesh.recommendation.v1.MedicationAlert",
                "type": "absolute",
            }
        ],
    }


def _messages(notices: Iterable[Notice]) -> list[str]:
    return list(dict.fromkeys(notice.message for notice in notices))


def _gaps(asked: Asked) -> list[str]:
    gaps = []
    if asked.missing:
        gaps.append(f"The EHR did not send: {', '.join(asked.missing)}.")
    if asked.unchecked_count:
        gaps.append(f"{asked.unchecked_count} of the orders are no medication to be given: not checked.")
    return gaps
