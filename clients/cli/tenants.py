"""`medmesh tenants`: whose the identities of a policy are, and how much each may use."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli import inputs
from clients.cli.certificates import FOLDER
from clients.cli.failures import explained

_LIMITS = ("requests_per_minute", "request_bytes_per_minute", "in_flight", "models")


def tenants(
    policy: Annotated[Path, typer.Argument(help="MEDMESH_AUTH_POLICY of the services.")] = FOLDER
    / "policy.toml",
    as_json: inputs.Json = False,
) -> None:
    """List the tenants of a policy: their identities, and how much each may use. What is empty is unbounded.

    Users of an identity provider are not in the policy: their tenant stands in their token. `medmesh usage`
    counts what each has used. No service is asked.

    Example:
      medmesh tenants
      medmesh usage --from 2026-11-01 --to 2026-12-01 --csv
    """
    with explained():
        content = tomllib.loads(policy.read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = {
        name: {"tenant": name, "identities": [], **table}
        for name, table in content.get("tenants", {}).items()
    }
    for name, identity in content.get("identities", {}).items():
        tenant = identity.get("tenant") or name
        found.setdefault(tenant, {"tenant": tenant, "identities": []})["identities"].append(name)
    if as_json:
        for one in sorted(found.values(), key=lambda one: str(one["tenant"])):
            typer.echo(json.dumps(one))
    else:
        _print_table(found)


def _print_table(found: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("tenant", "identities", "requests a minute", "bytes a minute", "in flight", "models"):
        table.add_column(heading)
    for name, one in sorted(found.items()):
        limits = (one.get(key, "") for key in _LIMITS)
        shown = (", ".join(limit) if isinstance(limit, list) else str(limit) for limit in limits)
        table.add_row(name, ", ".join(one["identities"]), *shown)
    Console().print(table)
