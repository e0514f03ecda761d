"""`medmesh certificates`: an authority, certificates and a policy for a mesh in development."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.cli.failures import explained

FOLDER = Path(".medmesh/identity")


def certificates(
    folder: Annotated[Path, typer.Argument(help="Where they lie; made when missing.")] = FOLDER,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Further host name or address of every part, as its callers know it. Repeatable."),
    ] = None,
) -> None:
    """Make a development authority, a certificate for each service, door and the client, and a policy.

    What is there and lasts stays; certificates are renewed 60 days before they end. Each part is told its
    folder by MEDMESH_IDENTITY_FOLDER, which turns mutual TLS and the policy on; your calls FOLDER/client.

    Examples:
      medmesh certificates

      medmesh certificates /etc/medmesh/identity --name mesh.hospital.example
    """
    from services.local import credentials

    with explained():
        made = credentials.make(folder, name or ())
    for sentence in made:
        typer.echo(f"made {sentence}")
    typer.echo(
        f"{folder}: all certificates last"
        if not made
        else f"call with MEDMESH_IDENTITY_FOLDER={folder / 'client'}"
    )
