"""`medmesh usage`: what was asked of the mesh, counted from its audit log."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli.failures import ExitCode, explained

FOLDER = Path(".medmesh/audit")
"""Where a mesh that `medmesh up` starts keeps its audit log."""
_COLUMNS = ("tenant", "identity", "method", "calls", "refused", "failed", "seconds", "megabytes")
_REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "NOT_FOUND"}


@dataclass
class _Use:
    calls: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    bytes: int = 0
    models: Counter[str] = field(default_factory=Counter)

    def add(self, record: dict[str, Any]) -> None:
        count = int(record.get("count", 1))
        self.calls += count
        status = record.get("status", "")
        self.refused += count * (status in _REFUSED)
        self.failed += count * (status not in {"OK", *_REFUSED})
        self.seconds += float(record.get("elapsed_ms", 0)) / 1e3
        self.bytes += int(record.get("request_bytes", 0)) + int(record.get("response_bytes", 0))
        self.models.update(record.get("models", ()))


def usage(
    folder: Annotated[Path, typer.Argument(help="MEDMESH_AUDIT_FOLDER of the services.")] = FOLDER,
    service: Annotated[
        str, typer.Option(help="Whose calls are counted: the service that callers reach.")
    ] = "orchestrator",
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", help="First moment that counts (UTC).", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            help="First moment that no longer counts (UTC).",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with a row for each model too.")] = False,
) -> None:
    """Count the calls of each tenant: how many, what became of them, time, bytes, and the models that ran.

    Everything is counted from the audit log, after its chain was checked. Exits 1 where the log is not as it
    was written; the count is printed all the same. No service is asked.

    Example:
      medmesh usage
      medmesh usage --from 2026-11-01 --to 2026-12-01 --csv > november.csv
    """
    from services.chassis.observability import audit

    with explained():
        path = folder / f"calls-{service}.jsonl"
        faults = audit.faults(audit.lines(path))
        uses: dict[tuple[str, str, str], _Use] = {}
        for record in audit.records(path):
            if _counts(record, since, until):
                key = (record.get("tenant", ""), record.get("identity", ""), record.get("method", ""))
                uses.setdefault(key, _Use()).add(record)
    (_print_csv if as_csv else _print_table)(uses)
    for fault in faults:
        typer.echo(f"{path}, line {fault.line}: {fault.problem}", err=True)
    if faults:
        raise typer.Exit(ExitCode.FAILED)


def _counts(record: dict[str, Any], since: datetime | None, until: datetime | None) -> bool:
    try:
        at = datetime.fromisoformat(record["time"])
    except (KeyError, ValueError):
        return False
    return (since is None or at >= since.replace(tzinfo=UTC)) and (
        until is None or at < until.replace(tzinfo=UTC)
    )


def _rows(uses: dict[tuple[str, str, str], _Use]) -> list[list[str]]:
    return [
        [
            tenant or "-",
            identity,
            method.rpartition("/")[2],
            str(use.calls),
            str(use.refused),
            str(use.failed),
            f"{use.seconds:.1f}",
            f"{use.bytes / 1e6:.1f}",
        ]
        for (tenant, identity, method), use in sorted(uses.items())
    ]


def _print_csv(uses: dict[tuple[str, str, str], _Use]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow([*_COLUMNS, "model", "model_calls"])
    for row, (_, use) in zip(_rows(uses), sorted(uses.items()), strict=True):
        writer.writerow([*row, "", ""])
        for model, calls in sorted(use.models.items()):
            writer.writerow([*row[:3], "", "", "", "", "", model, calls])


def _print_table(uses: dict[tuple[str, str, str], _Use]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in {"tenant", "identity", "method"} else "right")
    for row in _rows(uses):
        table.add_row(*row)
    models: Counter[tuple[str, str]] = Counter()
    for (tenant, _, _), use in uses.items():
        for model, calls in use.models.items():
            models[tenant or "-", model] += calls
    console = Console()
    console.print(table)
    if models:
        by_model = Table(box=None, pad_edge=False)
        for name in ("tenant", "model", "calls"):
            by_model.add_column(name, justify="right" if name == "calls" else "left")
        for (tenant, model), calls in sorted(models.items()):
            by_model.add_row(tenant, model, str(calls))
        console.print()
        console.print(by_model)
    total = sum(use.calls for use in uses.values())
    console.print(f"\n{total} call{'' if total == 1 else 's'}")
