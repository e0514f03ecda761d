"""`medmesh check-medications`: drafted orders held against a patient's record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.cli import inputs, machine
from clients.cli.failures import explained
from clients.cli.records import Record
from clients.cli.show import marks
from clients.cli.show import medications as show
from medmesh import Client


def check_medications(
    patient: Record,
    orders: Annotated[
        list[str] | None,
        typer.Option(
            "--order",
            metavar="TEXT|FILE.json",
            help='A drafted order: words such as "clarithromycin 500 mg BID", or a file with a FHIR '
            "MedicationRequest. Repeatable.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show the minor alerts too.")] = False,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Check drafted orders against a patient's record: allergies, interactions, duplicates, conditions,
    pregnancy, age, kidney and liver, doses, QT, genes and habits.

    Each order is held against the record and against the other orders. The absence of an alert is no
    clearance.

    Examples:
      medmesh check-medications samples/patient.json --order "ibuprofen 400 mg TID"

      medmesh check-medications patient.json --order draft.json --order "warfarin 5 mg daily" --all
    """
    if not orders:
        raise typer.BadParameter("give at least one --order", param_hint="--order")
    with explained(), Client(recommendation=url, timeout_s=timeout) as client:
        answer = client.check_medications(patient, [_order(one) for one in orders])
    if as_json:
        machine.write(answer)
        return
    marks.present([*show.check(answer, every=every)])


def _order(given: str) -> str | bytes:
    """The words, or the content of the file that they name."""
    return Path(given).read_bytes() if given.lower().endswith(".json") else given
