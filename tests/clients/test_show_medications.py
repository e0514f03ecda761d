"""Checked orders on the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from clients.cli.show import medications
from medmesh.recommendation.v1 import medication_check_pb2 as pb

CHECK = pb.MedicationCheck(
    orders=[
        {
            "order": {"place": "orders[0]", "concept": {"display": "ibuprofen 400 mg"}},
            "recognised_drugs": ["ibuprofen"],
            "alerts": [
                {
                    "kind": pb.MedicationAlert.KIND_CONDITION,
                    "severity": pb.MedicationAlert.SEVERITY_CAUTION,
                    "evidence": pb.MedicationAlert.EVIDENCE_HIGH,
                    "triggers": [{"concept": {"display": "Peptic ulcer"}}],
                    "explanation": "It bleeds.",
                    "remedy": "Use paracetamol.",
                    "source": "Class label of NSAIDs",
                }
            ],
            "minor_alerts": [{"explanation": "A minor thing."}],
        },
        {"order": {"place": "orders[1]", "concept": {"display": "foobarcin"}}},
    ],
    kidney_function={
        "filtration_rate": 21.4,
        "method": pb.KidneyFunction.METHOD_CKD_EPI_2021,
        "effective": {"value": "2026-05-01"},
    },
)


def shown(*, every):
    console = Console(file=io.StringIO(), width=200)
    for part in medications.check(CHECK, every=every):
        console.print(part)
    return console.file.getvalue()


def test_an_alert_says_why_what_to_do_and_where_it_comes_from():
    text = shown(every=False)
    assert "CAUTION (condition, Peptic ulcer): It bleeds. Use paracetamol." in text
    assert "[Class label of NSAIDs; evidence high]" in text
    assert "Kidney: 21 mL/min per 1.73 m², from creatinine by CKD-EPI 2021, 2026-05-01." in text
    assert "not recognised" in text
    assert "Not checked." in text


def test_minor_alerts_are_counted_and_shown_on_demand():
    assert "A minor thing." not in shown(every=False)
    assert "1 minor alert: --all shows them." in shown(every=False)
    assert "A minor thing." in shown(every=True)
