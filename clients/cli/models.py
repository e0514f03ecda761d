"""`medmesh models`: the models of the mesh, one model's card, a check of folders, a reload."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import inputs, machine
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from clients.cli.show import models as show
from medmesh.common.v1.catalog_pb2 import ModelReload


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
        marks.present(show.card(answer) if name else show.catalog(answer))  # type: ignore[arg-type]  # by `name`
    if not name and answer.unreachable_services:  # type: ignore[union-attr]  # by `name`
        raise typer.Exit(ExitCode.FAILED)


def list_models(as_json: inputs.Json = False, url: inputs.Url = None, timeout: inputs.Timeout = 10.0) -> None:
    """List the models of the mesh.

    Exits 1 when a service could not be asked.

    Example: medmesh models list
    """
    models(None, as_json, url, timeout)


def check(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A folder of models, or one model's folder.")
    ],
    run: Annotated[
        bool, typer.Option("--run", help="Also load each into an embedded Triton, and run it once.")
    ] = False,
    as_json: inputs.Json = False,
) -> None:
    """Say of model folders, before anything is served, what would be refused, why, and what to do about it.

    Exits 1 when a model would be refused.

    Examples:
      medmesh models check ~/models

      medmesh models check ~/models/reader --run
    """
    from services.local.models import check as check_folders
    from tools.bootstrap import Missing

    try:
        found = check_folders(folders, run=run)
    except Missing as missing:
        fail(str(missing), ExitCode.FAILED)
    if as_json:
        json.dump([show.checked_fields(one) for one in found], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        marks.present(show.checked(found))
    if any(one.problems for one in found):
        raise typer.Exit(ExitCode.FAILED)


def sign(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A folder of models, or one model's folder.")
    ],
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Ed25519 private key (PEM, unencrypted): openssl genpkey -algorithm ed25519."
        ),
    ],
) -> None:
    """Sign models as they lie there: the digest of every file goes into `signature.json` of each model's
    folder.

    Services that are given your public key (MEDMESH_MODEL_KEYS) refuse what is not signed, and what has
    changed since. Sign again after each change, also of aliases.

    Examples:
      openssl genpkey -algorithm ed25519 -out models.key

      openssl pkey -in models.key -pubout -out models.pub

      medmesh models sign ~/models --key models.key
    """
    from services.local.models import sign as sign_folders
    from tools.bootstrap import Missing

    try:
        with explained():
            signed = sign_folders(folders, key)
    except Missing as missing:
        fail(str(missing), ExitCode.FAILED)
    for folder, count in signed:
        typer.echo(f"signed {folder.name}: {count} files")


def reload(as_json: inputs.Json = False, url: inputs.Url = None, timeout: inputs.Timeout = 120.0) -> None:
    """Take up what changed in the model repository, without losing a request.

    A new version is loaded beside the old one, checked and then switched to. A model that does not hold is
    refused by name, and what was served of it goes on. Where the mesh asks for identities, this needs an
    operator's.

    Exits 1 when a model was refused, or a service could not be reached.

    Example: medmesh models reload
    """
    with explained(), inputs.client(url, timeout) as client:
        answer = client.reload_models()
    if as_json:
        machine.write(answer)
    else:
        marks.present(show.reloaded(answer))
    refused = any(model.result == ModelReload.RESULT_REFUSED for model in answer.models)
    if refused or answer.unreachable_services:
        raise typer.Exit(ExitCode.FAILED)
