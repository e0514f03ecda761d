"""`medmesh recall`: which answers a withdrawn model touched, and who was given them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import inputs
from clients.cli.audit import LOG, receipt_lines
from clients.cli.failures import ExitCode, explained
from clients.cli.usage import FOLDER
from medmesh import receipt

_SHORT = 12
_CALLER = ("tenant", "identity", "on_behalf_of", "request_id")


@dataclass(frozen=True)
class Touched:
    """One call that was answered with the model's help; without a caller where the audit log has none."""

    receipt_id: str
    create_time: str
    card_version: str
    weights_sha256: str
    tenant: str = ""
    identity: str = ""
    on_behalf_of: str = ""
    request_id: str = ""


def recall(
    model: Annotated[str, typer.Option(help="Name of the withdrawn model.")],
    weights: Annotated[
        str, typer.Option(metavar="SHA256", help="Digest of its weights, or its beginning. Default: all.")
    ] = "",
    log: Annotated[
        Path, typer.Option(help="receipts.jsonl in the orchestrator's MEDMESH_RECEIPT_FOLDER.")
    ] = LOG,
    audit_folder: Annotated[
        Path, typer.Option("--audit", help="MEDMESH_AUDIT_FOLDER of the services.")
    ] = FOLDER,
    as_json: inputs.Json = False,
) -> None:
    """List every answer that a model touched, and who was given it: one line a call.

    Answers stand in the log of receipts; callers in the orchestrator's audit log, by the receipt. One with no
    caller there is listed all the same. Exits 1 where a log is not as it was written. Asks no service.

    Example:
      medmesh recall --model chest_xray --weights c98e6a032d30
      medmesh recall --model chest_xray --json | jq -r .identity | sort | uniq -c
    """
    from services.chassis.observability import audit

    with explained():
        faults = [
            f"{log}, line {one.line}: {one.problem}" for one in receipt.verify_chain(receipt_lines(log))
        ]
        touched = list(_receipts(receipt_lines(log), model, weights.lower()))
        callers: dict[str, list[dict[str, str]]] = {one.receipt_id: [] for one in touched}
        calls = audit_folder / "calls-orchestrator.jsonl"
        if calls.exists():
            faults += [f"{calls}, line {one.line}: {one.problem}" for one in audit.faults(audit.lines(calls))]
            for record in audit.records(calls):
                if (receipt_id := record.get("receipt_id")) in callers:
                    callers[receipt_id].append({key: record.get(key, "") for key in _CALLER})
        found = [replace(one, **caller) for one in touched for caller in callers[one.receipt_id] or [{}]]
    if as_json:
        for one in found:
            typer.echo(json.dumps(asdict(one)))
    else:
        _print_table(found)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(ExitCode.FAILED)


def _receipts(lines: Iterable[str], model: str, weights: str) -> Iterator[Touched]:
    for line in lines:
        try:
            stated = receipt.statement(receipt.from_line(line)).predicate
        except ValueError:
            continue  # the chain's check names it
        for one in stated.models:
            if one.model_name == model and one.weights_sha256.startswith(weights):
                yield Touched(
                    stated.receipt_id,
                    stated.create_time.ToJsonString(),
                    one.card_version,
                    one.weights_sha256,
                )


def _print_table(found: list[Touched]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("receipt", "time", "weights", "tenant", "caller"):
        table.add_column(name)
    for one in found:
        caller = f"{one.identity} for {one.on_behalf_of}" if one.on_behalf_of else one.identity
        table.add_row(
            one.receipt_id,
            one.create_time,
            one.weights_sha256[:_SHORT],
            one.tenant or "-",
            caller or "not known",
        )
    console = Console()
    console.print(table)
    answers, callers = len({one.receipt_id for one in found}), len({one.identity for one in found} - {""})
    console.print(f"\nanswers: {answers}, calls: {len(found)}, callers: {callers}")
