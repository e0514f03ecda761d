"""Checked orders for people: what argues against each, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from clients.cli.show import marks
from medmesh.recommendation.v1 import medication_check_pb2 as pb

_STYLES: dict[int, str] = {
    pb.MedicationAlert.SEVERITY_CONTRAINDICATED: "bold red",
    pb.MedicationAlert.SEVERITY_CAUTION: "yellow",
}
_METHODS = {
    pb.KidneyFunction.METHOD_REPORTED: "as reported",
    pb.KidneyFunction.METHOD_CKD_EPI_2021: "from creatinine by CKD-EPI 2021",
    pb.KidneyFunction.METHOD_BEDSIDE_SCHWARTZ: "from creatinine by the bedside Schwartz equation",
}


def check(answer: pb.MedicationCheck, *, every: bool) -> Iterator[RenderableType]:
    """Each order with its alerts; `every`: the minor ones too."""
    yield marks.heading("Orders", "the absence of an alert is no clearance", "dim")
    for order in answer.orders:
        yield from _order(order, every=every)
    if answer.HasField("kidney_function"):
        yield marks.indented(Text(_kidney(answer.kidney_function), style="dim"))
    for notice in answer.notices:
        yield marks.notice(notice)


def _order(order: pb.CheckedOrder, *, every: bool) -> Iterator[RenderableType]:
    name = marks.concept_name(order.order.concept)
    known = ", ".join(order.recognised_drugs)
    yield marks.indented(Text.assemble((name, "bold"), (f"  {known or 'not recognised'}", "dim")))
    if not order.alerts:
        yield marks.indented(Text("No alert." if known else "Not checked.", style="dim"), by=4)
    yield from _alerts(order.alerts)
    if every:
        yield from _alerts(order.minor_alerts)
    elif order.minor_alerts:
        said = f"{marks.count(len(order.minor_alerts), 'minor alert')}: --all shows them."
        yield marks.indented(Text(said, style="dim"), by=4)


def _alerts(alerts: Sequence[pb.MedicationAlert]) -> Iterator[RenderableType]:
    for alert in alerts:
        severity = marks.enum_name(pb.MedicationAlert.Severity, alert.severity, "SEVERITY_").upper()
        kind = marks.enum_name(pb.MedicationAlert.Kind, alert.kind, "KIND_")
        about = ", ".join([kind, *(marks.concept_name(one.concept) for one in alert.triggers)])
        evidence = marks.enum_name(pb.MedicationAlert.Evidence, alert.evidence, "EVIDENCE_")
        text = Text.assemble(
            (f"{severity} ", _STYLES.get(alert.severity, "bold")),
            f"({about}): {alert.explanation}",
            (f" {alert.remedy}", "cyan"),
            (f" [{alert.source}; evidence {evidence}]", "dim"),
        )
        yield Padding(text, (0, 0, 0, 4))


def _kidney(kidney: pb.KidneyFunction) -> str:
    when = f", {kidney.effective.value[:10]}" if kidney.HasField("effective") else ""
    how = _METHODS.get(kidney.method, "")
    return f"Kidney: {kidney.filtration_rate:.0f} mL/min per 1.73 m², {how}{when}."
