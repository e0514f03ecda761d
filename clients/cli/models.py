"""`medmesh models`: the inventory of the mesh, or one model's card."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli import inputs, machine
from clients.cli.failures import ExitCode, explained
from clients.cli.show import marks
from clients.cli.show import models as show


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this model's card.")] = None,
    as_json: inputs.Json = False,
    url: inputs.Url = None,
    timeout: inputs.Timeout = 10.0,
) -> None:
    """List the models of the mesh, or show one model's card.

    Exits 1 when a service could not be asked.

    Examples:
      medmesh models

      medmesh models chest_xray
    """
    with explained(), inputs.client(url, timeout) as client:
        answer = client.model_card(name) if name else client.models()
    if as_json:
        machine.write(answer)
    else:
        marks.present(show.card(answer) if name else show.inventory(answer))  # type: ignore[arg-type]  # by `name`
    if not name and answer.unreachable_services:  # type: ignore[union-attr]  # by `name`
        raise typer.Exit(ExitCode.FAILED)
